"""A store whose user dies at one of its writes: before it, or after it, not knowing that it was."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from infra.store import Store


class Killed(BaseException):
    """As by `kill -9`: nothing in the product catches it."""


class DyingStore:
    """Passes everything on to a store, and calls `at` before and after each write of a number."""

    def __init__(self, store: Store, die_at: int, at: Callable[[], None] | None = None) -> None:
        self._store = store
        self._die_at = die_at
        self._at = at
        self.moments = 0
        """Two a write."""
        self._dead = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def put_if_absent(self, *given: Any) -> bool:
        with self._write():
            return self._store.put_if_absent(*given)

    def replace_if(self, *given: Any, **named: Any) -> bool:
        with self._write():
            return self._store.replace_if(*given, **named)

    def move(self, *given: Any) -> None:
        with self._write():
            self._store.move(*given)

    def delete(self, keys: list[str]) -> None:
        for key in keys:
            with self._write():
                self._store.delete([key])

    @contextmanager
    def new_file(self, key: str) -> Iterator[Path]:
        with self._write(), self._store.new_file(key) as path:
            yield path

    @contextmanager
    def _write(self) -> Iterator[None]:
        self._moment()
        yield
        self._moment()

    def _moment(self) -> None:
        if self._dead:
            raise Killed
        self.moments += 1
        if self.moments == self._die_at:
            if self._at is not None:
                self._at()
            else:
                self._dead = True
                raise Killed
