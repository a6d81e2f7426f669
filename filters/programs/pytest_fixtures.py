"""Fixtures of pytest, as its documentation defines them, with those that tests of programs use.

It runs in a test's sandbox; see `pytest_stand_in`.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


class NotHere(AttributeError):
    """A test wants what is not here, or would have to happen where the program is."""


class Fixtures:
    """Those of a test: of its module, and of its class."""

    shared: ClassVar[dict[str, Any]] = {}

    def __init__(self, *places: dict[str, Any]) -> None:
        self._functions = dict(BUILT_IN)
        for place in places:
            for name, function in place.items():
                settings = mark_of(function, "fixture", None)
                if type(settings) is dict:
                    self._functions[settings.get("name") or name] = function

    def __contains__(self, name: object) -> bool:
        return name in self._functions

    def automatic(self) -> list[str]:
        """Names of those that nobody has to ask for."""
        return [name for name in self._functions if self._settings(name).get("autouse")]

    def _settings(self, name: str) -> dict[str, Any]:
        return mark_of(self._functions[name], "fixture", {})  # type: ignore[no-any-return]

    def parameters(self, names: Iterable[str]) -> dict[str, list[Any]]:
        """Of those that have some, also of those that others ask for."""
        found: dict[str, list[Any]] = {}
        for name in names:
            if name in self and name not in found:
                if params := self._settings(name).get("params"):
                    found[name] = list(params)
                found |= self.parameters(arguments_of(self._functions[name]))
        return found

    @contextmanager
    def values(self, parameters: dict[str, Any]) -> Iterator[Callable[[str], Any]]:
        """What tells their values, and ends them."""
        own: dict[str, Any] = {}
        with ExitStack() as stack:

            def value_of(name: str) -> Any:
                if name == "request":
                    return Request(parameters, value_of)
                is_shared = self._settings(name).get("scope", "function") != "function"
                values = self.shared if is_shared else own
                if name not in values:
                    function = self._functions[name]
                    wanted = arguments_of(function)
                    request = Request({"param": parameters.get(name)}, value_of)
                    made = function(
                        *(request if one == "request" else value_of(one) for one in wanted)
                    )
                    if hasattr(made, "__next__"):  # it goes on behind its yield
                        stack.callback(next, made, None)
                        made = next(made)
                    values[name] = made
                return values[name]

            yield value_of


class Request:
    """`request`, of a fixture with parameters."""

    def __init__(self, parameters: dict[str, Any], value_of: Callable[[str], Any]) -> None:
        self.param = parameters.get("param")
        self.getfixturevalue = value_of


def mark_of(function: Any, name: str, otherwise: Any) -> Any:
    """What the stand-in of pytest has written on it; the program's functions say nothing."""
    is_proxied = sys.modules["proxies"].is_proxied
    return otherwise if is_proxied(function) else getattr(function, name, otherwise)


def arguments_of(function: Any) -> list[str]:
    """Names of those without a default; of a method without `self`."""
    plain = getattr(function, "__func__", function)
    plain = getattr(plain, "__wrapped__", plain)
    code = getattr(plain, "__code__", None)
    if code is None:
        return []
    without_default = code.co_argcount - len(plain.__defaults__ or ())
    first = int(hasattr(function, "__self__")) + _patched(function)
    return list(code.co_varnames[first:without_default])


def _patched(function: Any) -> int:
    """Arguments that `unittest.mock.patch` gives, as a decorator."""
    patchings = getattr(function, "patchings", ())
    return sum(repr(one.new) == "sentinel.DEFAULT" for one in patchings)


class MonkeyPatch:
    """`monkeypatch`."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], Any]] = []

    def setattr(self, target: Any, name: Any, *value: Any, raising: bool = True) -> None:
        if isinstance(target, str):
            value = (name,)
            path, _, name = target.rpartition(".")
            target = __import__(path, fromlist=[name])
        if type(target) is type(sys) and name not in ("input", "stdin"):
            raise NotHere(f"{target.__name__}.{name} is another one where the program is")
        before = getattr(target, name, MISSING)
        setattr(target, name, *value)
        if before is MISSING:
            self._undo.append(lambda: delattr(target, name))
        else:
            self._undo.append(lambda: setattr(target, name, before))

    def delattr(self, target: Any, name: str, raising: bool = True) -> None:
        before = getattr(target, name)
        delattr(target, name)
        self._undo.append(lambda: setattr(target, name, before))

    def setitem(self, target: Any, key: Any, value: Any) -> None:
        before = target.get(key, MISSING)
        target[key] = value
        undo = target.__delitem__ if before is MISSING else target.__setitem__
        self._undo.append(lambda: undo(*((key,) if before is MISSING else (key, before))))

    def delitem(self, target: Any, key: Any, raising: bool = True) -> None:
        before = target.pop(key)
        self._undo.append(lambda: target.__setitem__(key, before))

    def undo(self) -> None:
        while self._undo:
            self._undo.pop()()


MISSING = object()


def _monkeypatch() -> Iterator[MonkeyPatch]:
    patch = MonkeyPatch()
    yield patch
    patch.undo()


class Captured:
    """`capsys`."""

    def __init__(self) -> None:
        io = __import__("io")
        self._streams = io.StringIO(), io.StringIO()
        sys.stdout, sys.stderr = self._streams

    def readouterr(self) -> Any:
        texts: list[str] = []
        for stream in self._streams:
            texts.append(stream.getvalue())
            stream.seek(0)
            stream.truncate()
        return __import__("collections").namedtuple("CaptureResult", "out err")(*texts)


def _capsys() -> Iterator[Captured]:
    streams = sys.stdout, sys.stderr
    yield Captured()
    sys.stdout, sys.stderr = streams


BUILT_IN: dict[str, Callable[..., Any]] = {"capsys": _capsys, "monkeypatch": _monkeypatch}
