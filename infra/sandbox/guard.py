"""What the side that guards allows: it is a test, and the other is a program that nobody trusts.

The program never decides. Whether its object equals plain data, or is less, it would have to be
told: that is `Undecided`. So is what arithmetic of its object with plain data comes to, as soon as
that is plain: `abs(f(2) - 12.5)` can be 0 for anything. And an object that claims what nothing can
be, to contain whatever it is asked for, lies.

Of the test's objects the program may use those that it was handed, and no further: neither the
globals of a callback nor the frame of a generator.
"""

from __future__ import annotations

import os

from data import base_of  # type: ignore[import-not-found]
from proxies import (  # type: ignore[import-not-found]
    CALCULATED,
    COMPARED,
    OPERATORS,
    ORDERED,
    is_function,
    is_proxied,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from infra.sandbox.peer import Peer

TEST = "test"
"""The module of a test's own classes."""
VARARGS, VARKEYWORDS = 4, 8
MOCKS = "unittest.mock"
SAID_OF_FUNCTIONS = {
    "__name__", "__qualname__", "__doc__", "__module__", "__code__", "__defaults__",
    "__kwdefaults__", "__annotations__",
}  # fmt: skip
OF_CLASSES = {
    "__module__", "__qualname__", "__doc__", "__annotations__", "__init__", "__repr__", "__str__",
    "__static_attributes__", "__firstlineno__", "__dict__", "__weakref__", "__abstractmethods__",
    "__orig_bases__", "__parameters__",
}  # fmt: skip
"""What a program may write into a class that it derives from one of the test's."""
READS = {"read", "readline", "readlines"}
"""Of standard input."""
QUERIES = {
    "startswith", "endswith", "isdigit", "isalpha", "isalnum", "isupper", "islower", "isspace",
    "istitle", "isnumeric", "isdecimal", "isidentifier", "issubset", "issuperset", "isdisjoint",
    "symmetric_difference", "difference", "intersection", "union", "count", "index", "find",
    "bit_length", "is_integer", "__len__", "__contains__",
}  # fmt: skip
"""Methods of built-in data by which tests compare it."""


class Undecided(BaseException):
    """Only the other side could say it."""


class Guard:
    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self.made: set[int] = set()
        """Objects, by `id`, of classes of the program that the test has called by their names: it
        is them that it tests. Others stand where it may expect data."""
        self._tainted: set[int] = set()
        """That have met plain data in arithmetic."""

    def operate(self, name: str, target: object, *args: object) -> Any:
        """An operator of the program's object."""
        theirs = all(map(is_proxied, args))
        if name == "__contains__" and not theirs:
            return self._contains(target, *args)
        if name in COMPARED and self._peer.request("is_true_of_anything", name, target):
            self._peer.lie = f"{name} of it is true of anything"
            raise AssertionError(self._peer.lie)
        if (name in ORDERED and not theirs) or (name == "__iter__" and id(target) in self._tainted):
            self._undecided(name, *args)
        result = self._peer.request("operate", name, target, args)
        meets_data = name in CALCULATED and not theirs
        if result is NotImplemented:
            return result
        if meets_data and id(target) in self.made and type(result) is type(target):
            self.made.add(id(result))  # as `Vector(1, 2) * 3` is
        elif meets_data or id(target) in self._tainted:
            self._taint(result, name, *args)
        return result

    def ask(self, name: str, what: str, target: object, *values: object) -> Any:
        """An attribute or a method of the program's object."""
        is_data = isinstance(target, type) or base_of(type(target))
        if name in QUERIES and id(target) not in self.made and not is_data:
            self._undecided(name, *values)
        result = self._peer.request(what, target, *values)
        if id(target) in self._tainted:
            self._taint(result, name)
        return result

    def _taint(self, result: object, name: str, *args: object) -> None:
        if not is_proxied(result) or base_of(type(result)):
            self._undecided(name, *args)
        self._tainted.add(id(result))

    def _contains(self, target: object, one: object) -> bool:
        """Of an object that the test has made itself: asked among others of its kind, of which it
        does not know which are in earnest."""
        if id(target) not in self.made:
            self._undecided("__contains__", one)
        asked = [one, *decoys(one)]
        place = os.urandom(1)[0] % len(asked)
        asked[0], asked[place] = asked[place], asked[0]
        answers = [self._peer.request("operate", "__contains__", target, (each,)) for each in asked]
        if all(answers):
            self._peer.lie = "it contains whatever it is asked for"
            raise AssertionError(self._peer.lie)
        return bool(answers[place])

    def _undecided(self, name: str, *args: object) -> NoReturn:
        self._peer.give_up(f"{name} of an object and {args!r:.100}")

    def assert_allowed(self, what: str, values: list[Any]) -> None:
        """AttributeError for a request that is not the program's to make."""
        if what in ("ready", "give_up") and not values:
            return
        if what == "names" and type(values[0]) is list and _are_texts(values[0]):
            return
        if what == "input" and _are_texts(values):
            return
        if what == "read" and _are_texts(values[:1]) and values[0] in READS:
            return
        if what == "derive" and self._may_derive(*values):
            return
        # Whatever is no target is of a built-in type: others could answer differently every time.
        others = [value for value in values if not self._peer.wire.is_handed(value)]
        if what != "set" and not all(type(value) in (str, tuple) for value in others):
            raise AttributeError(f"{what} is not for the program")
        target = values[1] if what == "operate" else values[0]
        if self._peer.wire.is_handed(target) and (
            what in ("call", "run")
            or (what == "method" and _may_get(*values[:2]))
            or (what == "operate" and values[0] in OPERATORS)
            or (what == "get" and _may_get(*values[:2]))
            or (what == "set" and _may_set(*values))
        ):
            return
        raise AttributeError(f"{what} {values[1:]!r:.80} is not for the program")

    def _may_derive(self, name: str, bases: tuple[Any, ...], body: tuple[Any, ...]) -> bool:
        """Of classes that it was given: methods, but none of those that decide."""
        given = list(self._peer.names.values())
        is_exact = type(name) is str and type(bases) is type(body) is tuple
        return (
            is_exact
            and all(
                type(pair) is tuple and len(pair) == 2 and type(pair[0]) is str for pair in body
            )
            and all(any(base is one for one in given) for base in bases)
            and all(not key.startswith("__") or key in OF_CLASSES for key, _ in body)
            and all(is_function(one) or not is_proxied(one) for _, one in body)
        )


class Shape:
    """What decorators ask of `__code__`, without what the code holds."""

    __module__ = TEST


def shape_of(function: Any) -> Shape:
    """AttributeError for what is none of Python's own."""
    code, shape = function.__code__, Shape()
    starred = bool(code.co_flags & VARARGS) + bool(code.co_flags & VARKEYWORDS)
    arguments = code.co_argcount + code.co_kwonlyargcount + starred
    for name in ("co_argcount", "co_kwonlyargcount", "co_posonlyargcount", "co_flags", "co_name"):
        setattr(shape, name, getattr(code, name))
    shape.__dict__["co_varnames"] = code.co_varnames[:arguments]
    return shape


def _are_texts(values: list[Any]) -> bool:
    return all(type(value) is str for value in values)


def decoys(one: object) -> list[object]:
    """Values of the same kind that nobody has put anywhere."""
    number = int.from_bytes(os.urandom(6), "big")
    if type(one) is int:
        return [number, -number]
    if type(one) is float:
        return [number / 3, -number / 3]
    if type(one) is str:
        return [os.urandom(6).hex(), os.urandom(4).hex()]
    return [object(), object()]


def _may_get(target: Any, name: str) -> bool:
    kind = type(target)
    if type(name) is not str or is_proxied(target) or name in ("format", "format_map"):
        return False
    if name in SAID_OF_FUNCTIONS:
        return callable(target) and not isinstance(target, type)
    if name.startswith("_") or isinstance(target, (type, type(os), BaseException)):
        return False
    if kind.__module__ == TEST:
        return True
    if kind.__module__ == MOCKS:
        return not hasattr(kind, name) and not name.startswith(("assert", "method_calls"))
    return getattr(getattr(target, name, None), "__self__", None) is target


def _may_set(target: Any, name: str, value: object) -> bool:
    """Values of instances of the test's classes; not in place of its methods."""
    kind = type(target)
    return (
        type(name) is str
        and kind.__module__ == TEST
        and not name.startswith("_")
        and not callable(getattr(kind, name, None))
    )
