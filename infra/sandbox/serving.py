"""What one of two programs does for the other one, which asks for it (see `peer`)."""

from __future__ import annotations

import builtins
import os
import sys

from proxies import as_method, derived, is_function  # type: ignore[import-not-found]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from infra.sandbox.peer import Peer


def _call(target: Any, args: Any, named: Any) -> Any:
    return target(*args, **dict(named))


def _method(target: Any, name: str, args: Any, named: Any) -> Any:
    return getattr(target, name)(*args, **dict(named))


def _operate(name: str, target: Any, args: Any) -> Any:
    if name == "__exit__" and isinstance(args[1], BaseException):
        try:
            raise args[1]
        except BaseException as error:  # tracebacks stay where they are: this is another
            args = (*args[:2], error.__traceback__)
    return getattr(type(target), name)(target, *args)


def _standard(module: str, name: str, args: Any, named: Any) -> Any:
    """Of the standard library, on objects of this side."""
    return getattr(__import__(module), name)(*args, **dict(named))


def _set(target: Any, name: str, value: Any) -> None:
    is_method = isinstance(target, type) and is_function(value)
    setattr(target, name, as_method(value) if is_method else value)


def _run(awaitable: Any) -> Any:
    """To its end, also within a loop of this side; there nothing may take time."""
    asyncio = __import__("asyncio")

    async def awaited() -> Any:
        return await awaitable

    coroutine = awaited()
    if asyncio._get_running_loop() is None:
        return asyncio.run(coroutine)
    while True:
        try:
            if coroutine.send(None) is not None:
                raise RuntimeError("it waits within a loop of the other side")
        except StopIteration as end:
            return end.value


def _derive(name: str, bases: tuple[Any, ...], body: Any) -> type:
    return derived(name, bases, dict(body))  # type: ignore[no-any-return]


def _copy(target: Any, how: str) -> Any:
    return getattr(__import__("copy"), how)(target)


def _seed(*values: Any) -> None:
    __import__("random").seed(*values)


def _input(*prompt: str) -> str:
    return builtins.input(*prompt)  # which a test may have patched


def _read(how: str, *args: Any) -> Any:
    return getattr(sys.stdin, how)(*args)


def has_attribute(target: Any, name: str) -> bool:
    try:
        return hasattr(target, name)
    except Exception:  # a `__getattr__` that raises what it likes has no such thing
        return False


def _is_true_of_anything(name: str, target: Any) -> bool:
    try:
        result = getattr(type(target), name)(target, object())
        return result is not NotImplemented and bool(result)
    except Exception:  # as an order should
        return False


DONE: dict[str, Callable[..., Any]] = {
    "call": _call, "method": _method, "operate": _operate, "set": _set, "delete": delattr,
    "run": _run, "derive": _derive, "copy": _copy, "seed": _seed, "standard": _standard,
    "input": _input, "read": _read, "is_instance": isinstance, "is_subclass": issubclass,
    "is_true_of_anything": _is_true_of_anything,
}  # fmt: skip
"""What one side may ask of the other."""


MOST_PRINTED = 1 << 20
"""Bytes of standard output that go along with a message."""
MOST_TEXT = 10_000
"""Characters of what an error says."""


class Printed:
    """What the program has written to standard output and error, and the test has not heard."""

    def __init__(self) -> None:
        self._heard = {1: 0, 2: 0}
        """Bytes."""

    def take(self) -> list[str]:
        """Both, and whether the program has put something else in place of its standard output,
        which would get what the test prints too."""
        is_its_own = sys.stdout is sys.__stdout__
        return [*map(self._take, (1, 2)), "" if is_its_own else "replaced"]

    def _take(self, stream: int) -> str:
        own = sys.stdout if stream == 1 else sys.stderr
        try:
            own.flush()
            size, heard = os.fstat(stream).st_size, self._heard[stream]
            text = os.pread(stream, max(0, min(size - heard, MOST_PRINTED)), heard)
        except (OSError, ValueError, AttributeError):  # it has closed or replaced it
            return ""
        self._heard[stream] = size
        return text.decode("utf-8", "replace")

    def log(self, error: BaseException) -> None:
        """For whoever looks at what became of the program; the test does not hear it."""
        self.take()
        try:
            text = f"{type(error).__name__}: {str(error)[:MOST_TEXT]}\n"
        except Exception:  # what it says may be anything
            text = f"{type(error).__name__}\n"
        os.write(2, text.encode("utf-8", "replace"))
        self._heard[2] = os.fstat(2).st_size


class Stdin:
    """The test's, which may have put another one in its place."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    def read(self, *size: int) -> Any:
        return self._peer.request("read", "read", *size)

    def readline(self, *size: int) -> Any:
        return self._peer.request("read", "readline", *size)

    def readlines(self) -> Any:
        return self._peer.request("read", "readlines")

    def __iter__(self) -> Any:
        return iter(self.readline, "")
