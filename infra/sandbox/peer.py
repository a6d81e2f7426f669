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
from guard import Guard, Undecided  # type: ignore[import-not-found]
from proxies import (  # type: ignore[import-not-found]
    KNOWN,
    Proxied,
    derived,
    described,
    is_failed_assert,
    proxied_class,
)
from wire import Wire  # type: ignore[import-not-found]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

    Node = Any

MOST_PRINTED = 1 << 16
"""Bytes of standard output that go along with an answer."""
MOST_TEXT = 10_000
"""Of what an error says."""
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
        self._printed = 0
        self._lock = RLock()
        self.is_ready = self.is_undecided = False
        self.requests = 0
        self.on_request: Callable[[], None] | None = None
        """Called once, at the next one."""
        self.lie = ""
        """What an object of the other side claims that cannot be."""

    def given(self, names: list[str]) -> dict[str, Any]:
        """What the other side has by these names; it may say more, and nobody listens."""
        found = self.request("names", names)
        if not isinstance(found, dict):
            raise self._ended("names that are no names")
        return {name: found[name] for name in names if name in found}

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
            if self.on_request is not None:
                self.on_request()
                self.on_request = None
            self.channel.send(self._spelt(REQUEST, what, self.wire.message(*values)))
            while True:
                kind, *message = self.channel.receive()
                if kind != REQUEST:
                    return self._answered(kind, *message)
                self._handle(*message)

    def operate(self, name: str, target: object, *args: object) -> Any:
        """An operator of the other side's object."""
        if self._guard is not None:
            return self._guard.operate(name, target, *args)
        return self.request("operate", name, target, args)

    def attribute(self, target: object, name: str) -> Any:
        """Of the other side's object; AttributeError also for one that has any: it would have all
        methods that a text or a list has."""
        return self.request("get", target, name, f"has_{os.urandom(4).hex()}")

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
            raise self._ended("an answer that nobody has asked for")
        self._handle(*message)

    def _handle(self, what: str, message: Node) -> None:
        try:
            values = self._values(message)
            if self._guard is not None:
                self._guard.assert_allowed(what, values)
            answer = self._do(what, values)
            data = self._spelt(ANSWER, self._newly_printed(), self.wire.message(answer))
        except Ended:
            raise
        except BaseException as error:
            data = self._spelt_error(error)
        self.channel.send(data)

    def _do(self, what: str, values: list[Any]) -> Any:
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
        self.is_undecided |= what == "give_up"
        self.is_ready |= what == "ready"
        return None

    def _attribute(self, target: Any, name: str, any_other: str) -> Any:
        if self._guard is None and hasattr(target, any_other):
            # What it has besides its answer to all names.
            kind = type if isinstance(target, type) else object
            kind.__getattribute__(target, name)
        return getattr(target, name)

    def _newly_printed(self) -> str:
        """What was written to standard output, which the other side may listen to."""
        if self._guard is not None:
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
            return self._class(value)
        if isinstance(value, BaseException):
            try:
                args, text = self.wire.encode(value.args), str(value)
            except Exception:  # what it says may be anything
                args, text = ["tuple"], ""
            return ["error", number, self._class(type(value)), args, text[:MOST_TEXT]]
        return ["object", number, self._class(type(value), of_object=True)]

    def _class(self, kind: type, *, of_object: bool = False) -> Node:
        """What both sides have by its name; others once with all that makes them."""
        if not of_object and KNOWN.get(kind.__name__) is kind:
            return ["known", kind.__name__]
        number = self.wire.number(kind)
        if number in self._told or number * self.wire.sign < 0:
            return ["of", number]
        self._told.add(number)
        self._telling.add(number)
        module, name, bases, operators = described(kind)
        return ["class", number, module, name, list(map(self._class, bases)), operators]

    def _proxy(self, node: Node) -> Any:
        kind, number, *rest = node
        if kind in ("known", "of", "class"):
            return self._described(kind, number, *rest)
        if number in self.wire.objects:
            return self.wire.objects[number]
        if number * self.wire.sign > 0:
            raise ValueError(f"number {number} is not the other side's to give")
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
        found: Any = KNOWN[number] if kind == "known" else self.wire.objects.get(number)
        if kind == "of" or found is not None:
            if not isinstance(found, type):
                raise ValueError("no class")
            return found
        module, name, bases, operators = rest
        decoded = [self.wire.decode(base) for base in bases]
        for base in decoded:
            is_theirs = isinstance(base, Proxied) or issubclass(base, BaseException)
            if not (is_theirs or base in KNOWN.values()):
                raise ValueError(f"{base!r:.80} is no class of the other side")
        derived = proxied_class(self, (module, name, decoded, operators))
        self.wire.know(number, derived)
        return derived  # type: ignore[no-any-return]

    def _error(self, kind: Node, args: Node, text: str) -> BaseException:
        derived = self.wire.decode(kind)
        if not issubclass(derived, BaseException) or issubclass(derived, (Ended, Undecided)):
            raise ValueError("no error of its own")
        try:
            error = derived(*self.wire.decode(args))
        except Exception:  # it wants other arguments than it keeps
            error = derived.__new__(derived)
        error.__dict__["_said"] = str(text)
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
        raise value.with_traceback(None)

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
        if self._guard is not None and is_failed_assert(error):
            self.lie = "an assert of the test failed in a callback"
        self._told -= self._telling
        self.wire.was_not_sent()
        if self._guard is None:
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
