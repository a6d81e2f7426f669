"""SIGINT and SIGTERM while a run goes on: the first one drains it, the second stops it at once."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from schemas.errors import Interrupted


class StopRequest:
    """Whether a signal has asked the run to stop."""

    def __init__(self) -> None:
        self.signal_number: int | None = None

    def __bool__(self) -> bool:
        return self.signal_number is not None

    @property
    def number(self) -> int:
        """The signal that was received."""
        return self.signal_number or signal.SIGINT

    def receive(self, number: int, _: FrameType | None) -> None:
        """The handler."""
        if self:
            raise KeyboardInterrupt
        self.signal_number = number


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Takes both signals for as long as the block runs; the handlers before come back after it."""
    request = StopRequest()
    before = {
        number: signal.signal(number, request.receive) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield request
    except KeyboardInterrupt:
        raise Interrupted(
            "stopped at once; what was committed is kept, and the same command resumes",
            request.number,
        ) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
