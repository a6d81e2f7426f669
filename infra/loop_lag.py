"""How long an event loop is blocked: the time by which a sleeping task wakes up too late."""

import asyncio
import time

EVERY_S = 0.05


class LoopLag:
    """Measures the running loop until it is cancelled."""

    def __init__(self) -> None:
        self._worst = 0.0

    async def measure(self) -> None:
        """Runs beside everything else on the loop."""
        while True:
            before = time.monotonic()
            await asyncio.sleep(EVERY_S)
            self._worst = max(self._worst, time.monotonic() - before - EVERY_S)

    def take(self) -> float:
        """The longest lag in seconds since it was last taken."""
        worst, self._worst = self._worst, 0.0
        return worst
