"""One of two programs in sandboxes of their own that use each other's objects.

It runs inside of both. Data is data on both sides (see `wire`); of other objects there are proxies:
what is done to one is asked of its owner, over a socket. One side guards: it is a test, and the
other is a program that nobody trusts. The test's objects may be used as far as they were handed
over, and no further; and the program's never decide: one that claims to equal anything fails, and
whether one equals plain data, which it would have to be told, is `Undecided`.
"""

from __future__ import annotations

import builtins
import os
import sys
from _thread import RLock

from channel import MOST_BYTES, Channel, Ended  # type: ignore[import-not-found]
from data import dumps  # type: ignore[import-not-found]
from proxies import (  # type: ignore[import-not-found]
    CALCULATED,
    COMPARED,
    KNOWN,
    OPERATORS,
    derived,
    described,
    is_proxied,
    proxied_class,
)
from wire import Wire  # type: ignore[import-not-found]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Node = Any

MOST_PRINTED = 1 << 16
"""Bytes of standard output that go along with an answer."""
MOST_TEXT = 10_000
"""Of what an error says."""
REQUEST, ANSWER, ERROR = "?", "=", "!"
NOTHING_HAS_IT = "attribute_that_nothing_has"
SAID_OF_FUNCTIONS = {"__name__", "__qualname__", "__doc__", "__module__"}
TEST = "test"
"""The module of a test's own classes."""


class Undecided(BaseException):
    """Only the other side could say it."""


class Peer:
    """This side of a pair; `names` are those that the other one may ask for."""

    def __init__(self, channel: Channel, names: dict[str, Any], *, guards: bool) -> None:
        self.channel, self._guards = channel, guards
        self.names = names
        self.wire = Wire(1 if guards else -1, self._exported, self._proxy)
        self._told: set[int] = set()
        """Numbers of classes that the other side knows."""
        self._telling: set[int] = set()
        self._printed = 0
        self._lock = RLock()
        self.is_ready = self.is_undecided = False
        self.requests = 0
        self.lie = ""
        """What an object of the other side claims that cannot be."""

    def given(self, names: list[str]) -> dict[str, Any]:
        """What the other side has by these names."""
        return self.request("names", names)  # type: ignore[no-any-return]

    def serve(self) -> None:
        """Answers until the other side is gone, and ends the process."""
        sys.stdout.flush()
        self._printed = os.fstat(1).st_size
        # A test may have put another one in its place, or another standard input.
        vars(builtins)["input"] = lambda *prompt: self.request("input", *prompt)
        self.request("ready")
        while not self.channel.has_ended:
            try:
                self._take_request()
            except Ended:
                break
        os._exit(0)  # whatever threads and exit handlers the program has left

    def await_ready(self) -> None:
        """Until the other side serves."""
        while not self.is_ready:
            self._take_request()

    def request(self, what: str, *values: object) -> Any:
        """What the other side answers; raises what it raises, and Ended."""
        with self._lock:  # threads of a test
            self.requests += 1
            self.channel.send(self._spelt(REQUEST, what, self.wire.message(*values)))
            while True:
                kind, *message = self.channel.receive()
                if kind != REQUEST:
                    return self._answered(kind, *message)
                self._handle(*message)

    def operate(self, name: str, target: object, *args: object) -> Any:
        """An operator of the other side's object."""
        if not (self._guards and name in COMPARED | CALCULATED):
            return self.request("operate", name, target, args)
        if name in COMPARED and self.request("is_true_of_anything", name, target):
            self.lie = f"{name} of it is true of anything"
            raise AssertionError(self.lie)
        is_among_objects = all(map(is_proxied, args))
        if name in COMPARED - {"__contains__"} and not is_among_objects:
            raise self.undecided(f"{name} of an object and {args!r:.100}")
        result = self.request("operate", name, target, args)
        is_answer = result is not NotImplemented and not is_proxied(result)
        if name in CALCULATED and is_answer and not is_among_objects:
            raise self.undecided(f"{name} of an object and {args!r:.100}")
        return result

    def undecided(self, what: str) -> Undecided:
        """To be raised: nobody can say it."""
        self.is_undecided = True
        return Undecided(what)

    # What the other side asks.

    def _take_request(self) -> None:
        kind, *message = self.channel.receive()
        if kind != REQUEST:
            raise self._ended("an answer that nobody has asked for")
        self._handle(*message)

    def _handle(self, what: str, message: Node) -> None:
        try:
            values = self._values(message)
            answer = self._do(what, values)
            data = self._spelt(ANSWER, self._newly_printed(), self.wire.message(answer))
        except Ended:
            raise
        except BaseException as error:
            data = self._spelt_error(error)
        self.channel.send(data)

    def _do(self, what: str, values: list[Any]) -> Any:
        if self._guards:
            self._assert_allowed(what, *values)
        if what == "call":
            target, args, named = values
            return target(*args, **dict(named))
        if what == "operate":
            name, target, args = values
            return getattr(type(target), name)(target, *args)
        if what == "get":
            return self._attribute(*values)
        if what == "set":
            return setattr(*values)
        if what == "names":
            return {name: self.names[name] for name in values[0] if name in self.names}
        if what == "copy":
            return getattr(__import__("copy"), values[1])(values[0])
        if what == "run":
            return __import__("asyncio").run(values[0])
        if what == "derive":
            name, bases, body = values
            return derived(name, bases, dict(body))
        if what == "input":
            return input(*values)
        if what == "is_true_of_anything":
            return _is_true_of_anything(*values)
        self.is_ready = True
        return None

    def _assert_allowed(self, what: str, *values: Any) -> None:
        """A test's functions may be called and its instances used; what they know of the test, as
        `f.__globals__`, is not to be had."""
        if what in ("names", "ready", "call", "input"):
            return
        if what == "operate" and values[0] in OPERATORS:
            return
        if what == "get" and values[1] in SAID_OF_FUNCTIONS:
            return
        if what in ("get", "set") and not values[1].startswith("_"):
            target, name = values[:2]
            if type(target).__module__ == TEST:
                return
            if what == "get" and callable(getattr(target, name, None)):
                return
        raise AttributeError(f"{what} {values[1:]!r:.80} is not for the program")

    def _attribute(self, target: Any, name: str) -> Any:
        """Who has any attribute would have all methods that a text or a list has: only those count
        that it was given."""
        if not self._guards and hasattr(target, NOTHING_HAS_IT):
            kind = type if isinstance(target, type) else object
            kind.__getattribute__(target, name)
        return getattr(target, name)

    def _newly_printed(self) -> str:
        """What was written to standard output, which the other side may listen to."""
        if self._guards:
            return ""
        try:
            sys.stdout.flush()
            size = os.fstat(1).st_size
            text = os.pread(1, min(size - self._printed, MOST_PRINTED), self._printed)
        except (OSError, ValueError, AttributeError):  # it has closed or replaced it
            return ""
        self._printed = size
        return text.decode("utf-8", "replace")

    # What stands for objects that are no data.

    def _exported(self, value: Any, number: int) -> Node:
        if isinstance(value, type):
            return ["known", value.__name__] if value in KNOWN.values() else self._class(value)
        if isinstance(value, BaseException):
            try:
                args, text = self.wire.encode(value.args), str(value)
            except Exception:  # what it says may be anything
                args, text = ["tuple"], ""
            return ["error", number, self.wire.encode(type(value)), args, text[:MOST_TEXT]]
        return ["object", number, self._class(type(value))]

    def _class(self, kind: type) -> Node:
        number = self.wire.number(kind)
        if number in self._told or number * self.wire.sign < 0:
            return ["own", number]
        self._told.add(number)
        self._telling.add(number)
        module, name, bases, operators = described(kind)
        return ["class", number, module, name, list(map(self.wire.encode, bases)), operators]

    def _proxy(self, node: Node) -> Any:
        kind, number, *rest = node
        if kind == "known":
            return KNOWN[number]
        if number in self.wire.objects:
            return self.wire.objects[number]
        if kind == "class":
            module, name, bases, operators = rest
            decoded = list(map(self.wire.decode, bases))
            value: Any = proxied_class(self, (module, name, decoded, operators))
        elif kind == "error":
            value = self._error(*rest)
        else:
            value = object.__new__(self.wire.decode(rest[0]))
        self.wire.know(number, value)
        return value

    def _error(self, kind: Node, args: Node, text: str) -> BaseException:
        derived = self.wire.decode(kind)
        if not issubclass(derived, BaseException) or issubclass(derived, (Ended, Undecided)):
            raise ValueError("no error of its own")
        try:
            error = derived(*self.wire.decode(args))
        except Exception:  # it wants other arguments than it keeps
            error = derived.__new__(derived)
        error.__dict__["_said"] = text
        return error  # type: ignore[no-any-return]

    # Messages.

    def _answered(self, kind: str, printed: Any, message: Node) -> Any:
        if printed:
            sys.stdout.write(str(printed))
        [value] = self._values(message)
        if kind == ANSWER:
            return value
        if not isinstance(value, BaseException):
            raise self._ended("it raises what is no error")
        raise value

    def _values(self, message: Node) -> list[Any]:
        try:
            return self.wire.values(message)  # type: ignore[no-any-return]
        except Exception as nonsense:
            raise self._ended(f"{type(nonsense).__name__}: {nonsense}") from None

    def _spelt(self, kind: str, *parts: Node) -> bytes:
        data = dumps([kind, *parts])
        if len(data) > MOST_BYTES:
            raise ValueError(f"a message of {len(data):,} bytes")
        self._telling = set()
        return data  # type: ignore[no-any-return]

    def _spelt_error(self, error: BaseException) -> bytes:
        """In place of an answer, of which the other side has then seen nothing."""
        self._told -= self._telling
        self.wire.was_not_sent()
        if not self._guards:
            sys.stderr.write(f"{type(error).__name__}: {str(error)[:MOST_TEXT]}\n")
        try:
            return self._spelt(ERROR, self._newly_printed(), self.wire.message(error))
        except Exception:
            self._told -= self._telling
            self.wire.was_not_sent()
            other = RuntimeError(f"{type(error).__name__}, which cannot be told")
            return self._spelt(ERROR, "", self.wire.message(other))

    def _ended(self, why: str) -> Ended:
        self.channel.has_ended = True
        return Ended(why[:MOST_TEXT])


def joined(channel: int, names: dict[str, Any], settings: dict[str, Any]) -> Peer:
    """This side of a channel. The program's names are all there for the test; and they begin with
    what the test gives."""
    guards = settings["guards"]
    peer = Peer(Channel(channel), {} if guards else names, guards=guards)
    if settings["given"]:
        names.update(peer.given(settings["given"]))
    return peer


def _is_true_of_anything(name: str, target: Any) -> bool:
    try:
        result = getattr(type(target), name)(target, object())
        return result is not NotImplemented and bool(result)
    except Exception:  # as an order should
        return False
