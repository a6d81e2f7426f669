"""One of two programs in sandboxes of their own that use each other's objects.

It runs inside of both. Data is data on both sides (see `wire`); of other objects there are proxies:
what is done to one is asked of its owner, over a socket. One side is a test and guards itself
against the other (see `guard`).
"""

from __future__ import annotations

import builtins
import os
import sys
from _thread import RLock

from channel import MOST_BYTES, Channel, Ended  # type: ignore[import-not-found]
from data import dumps  # type: ignore[import-not-found]
from guard import Guard, Undecided, shape_of  # type: ignore[import-not-found]
from kinds import KNOWN  # type: ignore[import-not-found]
from proxies import (  # type: ignore[import-not-found]
    Proxied,
    described,
    is_failed_assert,
    proxied_class,
)
from serving import DONE, MOST_TEXT, Printed, Stdin, has_attribute  # type: ignore[import-not-found]
from wire import Wire  # type: ignore[import-not-found]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

    Node = Any

WAITS_S = 3.0
"""For another thread that asks, before it is taken for one that waits for this one."""
RECURSION = 8000
"""Frames: a call that goes to and fro has several on each side."""
HIDDEN = {"__globals__", "__builtins__", "__subclasses__"}
"""What is no business of the other side, and could not be told."""
REQUEST, ANSWER, ERROR = "?", "=", "!"


class Peer:
    """This side of a pair; `names` are those that the other one may ask for."""

    def __init__(self, channel: Channel, names: dict[str, Any], *, guards: bool) -> None:
        self.channel = channel
        self.names = names
        self._guard = Guard(self) if guards else None
        self.wire = Wire(1 if guards else -1, self._exported, self._proxy)
        self.wire.only_handed = guards
        self._told: set[int] = set()
        """Numbers of classes that the other side knows."""
        self._telling: set[int] = set()
        self._printed = Printed()
        self._lock = RLock()
        self.is_ready = self.is_undecided = False
        self.requests = 0
        self.on_request: Callable[[], None] | None = None
        """Called once, at the next one."""
        self.fixed: dict[str, Any] = {}
        """Names that are the other side's, also if this one has defined them."""
        self.lie = ""
        """What an object of the other side claims that cannot be."""

    def given(self, names: list[str]) -> dict[str, Any]:
        """What the other side has by these names; it may say more, and nobody listens."""
        found = self.request("names", names)
        if not isinstance(found, dict):
            raise self.channel.ended("names that are no names")
        return {name: found[name] for name in names if name in found}

    def serve(self) -> None:
        """Answers until the other side is gone, and ends the process."""
        self._printed.take()  # that was before the test
        sys.setrecursionlimit(max(sys.getrecursionlimit(), RECURSION))
        # A test may have put another one in its place, or another standard input.
        vars(builtins)["input"] = lambda *prompt: self.request("input", *prompt)
        sys.stdin = Stdin(self)
        self.names.update(self.fixed)
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
        if not self._lock.acquire(timeout=WAITS_S):
            self.give_up("a thread that waits for the program")
        try:
            self.requests += 1
            if self.on_request is not None:
                self.on_request()
                self.on_request = None
            self.channel.send(self._spelt(REQUEST, what, self.wire.message(*values)))
            while True:
                kind, *message = self.channel.receive()
                if kind != REQUEST:
                    return self._answered(kind, *message)
                self._handle(*message)
        finally:
            self._lock.release()

    def operate(self, name: str, target: object, *args: object) -> Any:
        """An operator of the other side's object."""
        if self._guard is not None:
            return self._guard.operate(name, target, *args)
        return self.request("operate", name, target, args)

    def attribute(self, target: object, name: str) -> Any:
        """Of the other side's object; AttributeError also for one that has any: it would have all
        methods that a text or a list has."""
        if name == "__dataclass_fields__" and self._guard is not None:
            self.give_up("fields of a dataclass of the program's")
        asked = target, name, f"has_{os.urandom(4).hex()}"
        if self._guard is not None:
            return self._guard.ask(name, "get", *asked)
        return self.request("get", *asked)

    def method(self, target: object, name: str, args: Any, named: Any) -> Any:
        """What a method of the other side's object answers."""
        if self._guard is not None:
            return self._guard.ask(name, "method", target, name, args, named)
        return self.request("method", target, name, args, named)

    def made(self, kind: object, args: Any, named: Any) -> Any:
        """A new object of a class of the other side's."""
        value = self.request("call", kind, args, named)
        if self._guard is not None:
            self._guard.made.add(id(value))
        return value

    def give_up(self, what: str) -> NoReturn:
        """Nobody can say it."""
        self.is_undecided = True
        if self._guard is None:
            self.request("give_up")
        raise Undecided(what)

    # What the other side asks.

    def _take_request(self) -> None:
        kind, *message = self.channel.receive()
        if kind != REQUEST:
            raise self.channel.ended("an answer that nobody has asked for")
        self._handle(*message)

    def _handle(self, what: str, printed: Any, message: Node) -> None:
        try:
            self._hear(printed)
            values = self._values(message)
            if self._guard is not None:
                self._guard.assert_allowed(what, values)
            answer = self._do(what, values)
            data = self._spelt(ANSWER, "", self.wire.message(answer))
        except Ended:
            raise
        except BaseException as error:
            data = self._spelt_error(error)
        self.channel.send(data)

    def _do(self, what: str, values: list[Any]) -> Any:
        do = DONE.get(what)
        if do is not None:
            return do(*values)
        if what == "get":
            return self._attribute(*values)
        if what == "names":
            return {name: self.names[name] for name in values[0] if name in self.names}
        if what == "name":  # of the program's module, as a test patches it
            self.names[values[0]] = values[1]
        if what == "no_name":
            del self.names[values[0]]
        self.is_undecided |= what == "give_up"
        self.is_ready |= what == "ready"
        return None

    def _attribute(self, target: Any, name: str, any_other: str) -> Any:
        if self._guard is None and (name in HIDDEN or has_attribute(target, any_other)):
            # What it has besides its answer to all names.
            kind = type if isinstance(target, type) else object
            kind.__getattribute__(target, f"no {name}" if name in HIDDEN else name)
        if name == "__code__" and self._guard is not None:
            return shape_of(target)
        return getattr(target, name)

    # What stands for objects that are no data.

    def _exported(self, value: Any, number: int) -> Node:
        if isinstance(value, type):
            return self._class(value)
        if not isinstance(value, BaseException):
            return ["object", number, self._class(type(value), of_object=True)]
        kind = self._class(type(value))  # before its arguments, which may be of it
        try:
            args, text = self.wire.encode(value.args), str(value)
        except Exception:  # what it says may be anything
            args, text = ["tuple"], ""
        if isinstance(value, OSError) and value.filename is not None and len(value.args) == 2:
            args = self.wire.encode((*value.args, value.filename))
        cause = value.__cause__
        cause_node = self.wire.encode(cause) if isinstance(cause, Exception) else None
        return ["error", number, kind, args, text[:MOST_TEXT], cause_node]

    def _class(self, kind: type, *, of_object: bool = False) -> Node:
        """What both sides have by its name; others once with all that makes them."""
        if not of_object and KNOWN.get(kind.__name__) is kind:
            return ["known", kind.__name__]
        number = self.wire.number(kind)
        if number in self._told or number * self.wire.sign < 0:
            return ["of", number]
        self._told.add(number)
        self._telling.add(number)
        module, name, bases, operators, methods = described(kind)
        nodes = list(map(self._class, bases))
        return ["class", number, module, name, nodes, operators, methods]

    def _proxy(self, node: Node) -> Any:
        kind, number, *rest = node
        if kind in ("known", "of", "class"):
            return self._described(kind, number, *rest)
        self.wire.assert_theirs(number)
        if number in self.wire.objects:
            return self.wire.objects[number]
        if kind == "error":
            value: Any = self._error(*rest)
        else:
            derived = self.wire.decode(rest[0])
            if not isinstance(derived, Proxied):
                raise ValueError("no class of the other side")
            value = object.__new__(derived)
        self.wire.know(number, value)
        return value

    def _described(self, kind: str, number: Any, *rest: Node) -> type:
        if kind == "class":
            self.wire.assert_theirs(number)
        found: Any = KNOWN[number] if kind == "known" else self.wire.objects.get(number)
        if kind == "of" or found is not None:
            if not isinstance(found, type):
                raise ValueError("no class")
            return found
        module, name, bases, operators, methods = rest
        decoded = [self.wire.decode(base) for base in bases]
        for base in decoded:
            is_theirs = isinstance(base, Proxied) or issubclass(base, BaseException)
            if not (is_theirs or base in KNOWN.values()):
                raise ValueError(f"{base!r:.80} is no class of the other side")
        derived = proxied_class(self, (module, name, decoded, operators, methods))
        self.wire.know(number, derived)
        return derived  # type: ignore[no-any-return]

    def _error(self, kind: Node, args: Node, text: str, cause: Node) -> BaseException:
        derived, values = self.wire.decode(kind), self.wire.decode(args)
        if not issubclass(derived, BaseException) or issubclass(derived, (Ended, Undecided)):
            raise ValueError("no error of its own")
        try:
            is_theirs = isinstance(derived, Proxied)  # calling that would make another one there
            error = derived.__new__(derived, *values) if is_theirs else derived(*values)
        except Exception:  # it wants other arguments than it keeps
            error = derived.__new__(derived)
        if isinstance(derived, Proxied):
            error.args = values
        error.__dict__["_said"] = str(text)
        error.__cause__ = self.wire.decode(cause)
        return error  # type: ignore[no-any-return]

    # Messages.

    def _answered(self, kind: str, what: str, printed: Any, message: Node) -> Any:
        self._hear(printed)
        [value] = self._values(message)
        if kind == ANSWER:
            return value
        if not isinstance(value, BaseException):
            raise self.channel.ended("it raises what is no error")
        raise value.with_traceback(None)

    def _hear(self, printed: Any) -> None:
        if printed and self._guard is not None:
            for stream, text in zip((sys.stdout, sys.stderr), printed[:2], strict=True):
                if text and stream is not None:
                    stream.write(str(text))
            # What this side prints would go there too.
            self.wire.is_blind |= bool(printed[2])

    def _values(self, message: Node) -> list[Any]:
        try:
            return self.wire.values(message)  # type: ignore[no-any-return]
        except Exception as nonsense:
            raise self.channel.ended(f"{type(nonsense).__name__}: {nonsense}") from None

    def _spelt(self, kind: str, what: str, message: Node) -> bytes:
        data = dumps([kind, what, [] if self._guard else self._printed.take(), message])
        if len(data) > MOST_BYTES:
            raise ValueError(f"a message of {len(data):,} bytes")
        self._telling = set()
        return data  # type: ignore[no-any-return]

    def _spelt_error(self, error: BaseException) -> bytes:
        """In place of an answer, of which the other side has then seen nothing."""
        if self._guard is not None and is_failed_assert(error):
            self.lie = "an assert of the test failed in a callback"
        self._told -= self._telling
        self.wire.was_not_sent()
        if self._guard is None:
            self._printed.log(error)
        try:
            return self._spelt(ERROR, "", self.wire.message(error))
        except Exception:
            self._told -= self._telling
            self.wire.was_not_sent()
            other = RuntimeError(f"{type(error).__name__}, which cannot be told")
            return self._spelt(ERROR, "", self.wire.message(other))


def joined(channel: int, names: dict[str, Any], settings: dict[str, Any]) -> Peer:
    """This side of a channel. The program's names are all there for the test; and they begin with
    what the test gives."""
    guards = settings["guards"]
    peer = Peer(Channel(channel), {} if guards else names, guards=guards)
    if settings["given"]:
        given = peer.given(list(settings["given"]))
        names.update(given)
        peer.fixed = {name: given[name] for name in settings["fixed"] if name in given}
    return peer
