"""Waiting for a store that cannot be written: it is out, or its disk is full."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

from schemas.errors import StoreUnavailableError

Result = TypeVar("Result")

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 10.0


class Patience:
    """Tries again for so long; `trouble` says what is waited for, null when all is well."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.trouble: str | None = None

    async def __call__(self, act: Callable[[], Result]) -> Result:
        """`act()` in a thread, again and again while the store is out; StoreUnavailableError
        when patience is at its end."""
        started, wait = time.monotonic(), FIRST_WAIT_S
        while True:
            try:
                result = await asyncio.to_thread(act)
            except (StoreUnavailableError, OSError) as error:
                waited = time.monotonic() - started
                if waited >= self._seconds:
                    raise StoreUnavailableError(
                        f"the store could not be written for {waited:.0f} s: {error}. What was "
                        "committed is kept; mend the store, and the same command goes on"
                    ) from error
                self.trouble = f"the store cannot be written, trying again: {error}"
                await asyncio.sleep(wait)
                wait = min(2 * wait, LONGEST_WAIT_S)
            else:
                self.trouble = None
                return result
