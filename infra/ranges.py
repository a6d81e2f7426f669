"""A file that lies elsewhere, of which parts are fetched."""

import io
from collections.abc import Callable
from typing import Any


class Ranges(io.RawIOBase):
    """A file whose parts are fetched when they are read."""

    def __init__(self, fetch: Callable[[int, int], bytes], size: int) -> None:
        self._fetch = fetch
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        wanted = min(len(buffer), self._size - self._position)
        if wanted <= 0:
            return 0
        content = self._fetch(self._position, self._position + wanted - 1)
        buffer[: len(content)] = content
        self._position += len(content)
        return len(content)
