"""Messages between two sandboxes, over a socket; runs inside of both."""

from __future__ import annotations

import os

from data import loads  # type: ignore[import-not-found]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MOST_BYTES = 32 * 2**20
"""Of a message."""
PARTS = 4


class Ended(BaseException):
    """The other side is gone, or talks nonsense."""


class Channel:
    """JSON lists of four, with their lengths before them."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.has_ended = False
        self.carried = 0
        """Bytes, to and fro."""

    def send(self, data: bytes) -> None:
        self.carried += len(data)
        view = memoryview(len(data).to_bytes(8, "big") + data)
        try:
            while view:
                view = view[os.write(self._descriptor, view) :]
        except OSError:
            raise self.ended("the other side is gone") from None

    def receive(self) -> Any:
        size = int.from_bytes(self._exactly(8), "big")
        if size > MOST_BYTES:
            raise self.ended(f"a message of {size:,} bytes")
        data = self._exactly(size)
        self.carried += size
        try:
            message = loads(data)
            if not (isinstance(message, list) and len(message) == PARTS):
                raise ValueError("no message")
        except (ValueError, StopIteration, RecursionError) as nonsense:
            raise self.ended(f"{type(nonsense).__name__}: {nonsense}") from None
        return message

    def _exactly(self, size: int) -> bytes:
        received = bytearray()
        while len(received) < size:
            try:
                part = os.read(self._descriptor, min(size - len(received), 1 << 20))
            except OSError:
                part = b""
            if not part:
                raise self.ended("the other side is gone")
            received += part
        return bytes(received)

    def ended(self, why: str) -> Ended:
        """To be raised: from here on nothing is heard."""
        self.has_ended = True
        return Ended(why[:1000])
