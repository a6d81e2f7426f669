"""What tests of programs use of pytest, as its documentation defines it.

It runs in a test's sandbox under the name `pytest`, where no package is installed.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from pytest_fixtures import NotHere  # type: ignore[import-not-found]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

RELATIVE, ABSOLUTE = 1e-6, 1e-12
"""What `approx` allows by itself."""
NUMBERS = {"fractions", "decimal"}
"""Modules of types that are as good as numbers."""


class Skipped(BaseException):
    """This test does not apply."""


class Failed(AssertionError):
    """`pytest.fail`, or something that should have been raised was not."""


def __getattr__(name: str) -> Any:
    raise NotHere(f"pytest.{name} is not there")


class Raised:
    """What `raises` has caught."""

    value: Any = None

    @property
    def type(self) -> Any:
        return type(self.value)

    def match(self, pattern: str) -> bool:
        if not re.search(pattern, str(self.value)):
            raise AssertionError(f"{pattern!r} is not found in {str(self.value)!r:.200}")
        return True


class raises:  # its name is pytest's
    """A context in which one of the errors must be raised, or a call that must raise it."""

    def __new__(cls, expected: Any, *call: Any, match: str | None = None, **named: Any) -> Any:
        context = object.__new__(cls)
        context._expected, context._match = expected, match  # type: ignore[attr-defined]
        context._raised = Raised()  # type: ignore[attr-defined]
        if not call:
            return context
        with context as raised:
            call[0](*call[1:], **named)
        return raised

    def __enter__(self) -> Raised:
        return self._raised  # type: ignore[attr-defined,no-any-return]

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> bool:
        if kind is None:
            raise Failed(f"{self._expected!r:.100} was not raised")  # type: ignore[attr-defined]
        if not issubclass(kind, self._expected):  # type: ignore[attr-defined]
            return False
        self._raised.value = error  # type: ignore[attr-defined]
        if self._match is not None:  # type: ignore[attr-defined]
            self._raised.match(self._match)  # type: ignore[attr-defined]
        return True


class approx:  # its name is pytest's
    """Equal to what is near: a number, or numbers in a list, a tuple or a dict."""

    __array_ufunc__ = None

    def __init__(
        self,
        expected: Any,
        rel: float | None = None,
        abs: float | None = None,  # noqa: A002  # its name is pytest's
        nan_ok: bool = False,
    ) -> None:
        self._expected, self._rel, self._abs, self._nan_ok = expected, rel, abs, nan_ok

    def __eq__(self, given: object) -> bool:
        return self._is_near(given, self._expected)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"approx({self._expected!r})"

    def _is_near(self, given: Any, expected: Any) -> bool:
        if isinstance(expected, dict):
            given = dict(dict.items(given)) if isinstance(given, dict) else {}
            return given.keys() == expected.keys() and all(
                self._is_near(given[key], expected[key]) for key in expected
            )
        for kind in (list, tuple):
            if isinstance(expected, list | tuple) and isinstance(given, kind):
                # What it has stored, whatever it says itself.
                stored = [*kind.__iter__(given)]  # type: ignore[arg-type]
                pairs = zip(stored, expected, strict=False)
                return len(stored) == len(expected) and all(self._is_near(*pair) for pair in pairs)
        if isinstance(expected, bool) or not hasattr(expected, "__sub__"):
            return bool(given == expected)
        return self._is_near_number(given, expected)

    def _is_near_number(self, given: Any, expected: Any) -> bool:
        if not isinstance(given, int | float | complex) and type(given).__module__ not in NUMBERS:
            return False
        if isinstance(given, float):
            given = float.__add__(given, 0.0)  # what it has stored
        if given == expected:
            return True
        if isinstance(expected, float) and math.isnan(expected):
            return self._nan_ok and given != given
        absolute = ABSOLUTE if self._abs is None else self._abs
        relative = self._rel
        if relative is None and self._abs is None:
            relative = RELATIVE
        bound = max(absolute, (relative or 0) * abs(expected))
        return bool(bound != math.inf and abs(given - expected) <= bound)


def parametrize(names: Any, values: Iterable[Any], **_: Any) -> Callable[[Any], Any]:
    """One call for each of the values."""
    keys = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)

    def mark(function: Any) -> Any:
        rows = [_row(keys, value) for value in values]
        function.parametrized = [rows, *getattr(function, "parametrized", [])]
        return function

    return mark


def _row(keys: list[str], value: Any) -> dict[str, Any]:
    if isinstance(value, Parameters):
        return dict(zip(keys, value, strict=True))
    return {keys[0]: value} if len(keys) == 1 else dict(zip(keys, value, strict=True))


class Parameters(tuple[Any, ...]):
    """Of one call, as `param` makes them."""

    __slots__ = ()


def param(*values: Any, **_: Any) -> Parameters:
    return Parameters(values)


class _Marks:
    """`pytest.mark`: what is not here changes nothing."""

    parametrize = staticmethod(parametrize)

    def usefixtures(self, *names: str) -> Callable[[Any], Any]:
        def mark(function: Any) -> Any:
            function.used_fixtures = names
            return function

        return mark

    def skipif(self, condition: Any = True, **_: Any) -> Callable[[Any], Any]:
        return _skipping if condition else lambda function: function

    def __getattr__(self, name: str) -> Any:
        if name in ("skip", "xfail"):
            return lambda *args, **_: _skipping(args[0]) if _is_bare(args) else _skipping

        def mark(*args: Any, **named: Any) -> Any:
            return args[0] if _is_bare(args) and not named else lambda function: function

        return mark


def _is_bare(args: tuple[Any, ...]) -> bool:
    return len(args) == 1 and callable(args[0])


def _skipping(function: Any) -> Any:
    function.is_skipped = True
    return function


mark = _Marks()


def fixture(*args: Any, **settings: Any) -> Any:
    """A function whose value tests get by its name: a new one for each of them, or one for all if
    its scope is wider."""

    def made(function: Any) -> Any:
        function.fixture = settings
        return function

    return made(args[0]) if _is_bare(args) else made


def fail(reason: str = "", **_: Any) -> None:
    raise Failed(reason)


def skip(reason: str = "", **_: Any) -> None:
    raise Skipped(reason)


def importorskip(name: str, **_: Any) -> Any:
    try:
        return __import__(name)
    except ImportError:
        raise Skipped(name) from None
