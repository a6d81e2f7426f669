"""The step-time model in real time, on an event loop."""

import asyncio
import time

from infra.decoding import Decoder, Request
from infra.step_time import StepTime


class RealTimeDecoder:
    """Decodes requests that are awaited; `speed` simulated seconds pass in one real second.

    The loop wakes it late, and later still when it is busy. Nothing comes to depend on that: what
    should have happened meanwhile is caught up with event by event, each at its own time, so that a
    sequence that waited for a slot began when the slot was free.
    """

    def __init__(self, step: StepTime, speed: float) -> None:
        self._decoder: Decoder[str] = Decoder(step)
        self._speed = speed
        self._started = time.monotonic()
        self._ends: dict[str, asyncio.Future[int]] = {}
        """Tokens that each request will have when it leaves."""
        self._tokens = 0
        """Made for those that have left."""
        self._timer: asyncio.TimerHandle | None = None

    async def decode(self, request: Request[str]) -> int:
        """The request's tokens when it is at its end, or was interrupted before. Cancelling the
        awaiting task takes it out."""
        self._catch_up()
        end: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._ends[request.key] = end
        self._decoder.add(request)
        self._wake_at_next_event()
        try:
            return await end
        finally:
            if self._ends.pop(request.key, None) is not None:
                self._take_out(request.key)

    def interrupt(self, key: str) -> None:
        """Ends a request, if it is here, with the tokens that it has."""
        self._catch_up()
        if key in self._ends:
            self._finish(key, int(self._decoder.has(key)))
            self._take_out(key)

    def tokens(self) -> int:
        """Made until now."""
        self._catch_up()
        return self._tokens + sum(int(self._decoder.made(key)) for key in self._ends)

    def _finish(self, key: str, tokens: int) -> None:
        end = self._ends.pop(key, None)
        # It is done already where the awaiting task was cancelled and does not know it yet.
        if end is not None and not end.done():
            end.set_result(tokens)

    def _take_out(self, key: str) -> None:
        self._catch_up()
        self._tokens += int(self._decoder.cancel([key]))
        self._wake_at_next_event()

    def _now(self) -> float:
        # The loop's own clock may stand still during a callback: uvloop's does, on which Ray runs
        # its actors.
        return (time.monotonic() - self._started) * self._speed

    def _catch_up(self) -> None:
        """Brings the decoder to the present, event by event."""
        now = self._now()
        while (at := self._decoder.next_event()) is not None and at <= now:
            self._decoder.advance(at)
            for request in self._decoder.ended():
                self._tokens += request.tokens - int(request.begun)
                self._finish(request.key, request.tokens)
        self._decoder.advance(now)

    def _wake_at_next_event(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if (at := self._decoder.next_event()) is not None:
            delay = max(0.0, at - self._now()) / self._speed
            self._timer = asyncio.get_running_loop().call_later(delay, self._wake)

    def _wake(self) -> None:
        self._catch_up()
        self._wake_at_next_event()
