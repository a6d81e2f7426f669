"""Values between two sandboxes: data as data, whatever else by a number that its owner knows.

It runs inside of both. Nothing in a message is ever executed. Lists, sets and dicts keep their
identity: both sides know them by the same number, and what one side changes the other takes over in
place, as if there were one object.
"""

from __future__ import annotations

import sys

from data import (  # type: ignore[import-not-found]
    BASES,
    BUILT,
    CONTAINERS,
    DECODED,
    KEYED,
    MUTABLE,
    NONE,
    SAID,
    SCALARS,
    STORED,
    VIEWS,
    base_of,
    dumps,
    filled,
    is_standard,
    kind_of,
    scalar,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Node = Any
    """What JSON spells."""

MOST_WATCHED, MOST_WATCHED_BYTES = 1000, 100_000
"""Of containers that are looked at for changes in each message; of more, those that it mentions."""
HELD_HERE = 2
"""References: `objects`, and the argument of who counts them."""


class Wire:
    """One side's: what it knows by number. `sign` tells its own numbers from the other side's;
    `export` and `proxy` say what stands for objects that are no data."""

    def __init__(
        self,
        sign: int,
        export: Callable[[object, int], Node],
        proxy: Callable[[Node], object],
    ) -> None:
        self.sign = sign
        self._export, self._proxy = export, proxy
        self.objects: dict[int, Any] = {}
        self._numbers: dict[int, int] = {}
        self._count = 0
        self.handed: set[int] = set()
        """Numbers of this side's objects that the other one was given."""
        # Of others it has been told only because they are the class of one.
        self.only_handed = False
        self._contents: dict[int, bytes] = {}
        """Of containers, as both sides have last known them."""
        self._mentioned: dict[int, None] = {}
        self._forget_at = MOST_WATCHED
        self.is_blind = False
        """There have been so many that what has become of some is not known."""
        self._open: set[int] = set()

    def number(self, value: object) -> int:
        """By which both sides know an object from now on."""
        number = self._numbers.get(id(value))
        if number is None:
            self._count += 1
            number = self.sign * self._count
            self.know(number, value)
        return number

    def know(self, number: int, value: object) -> None:
        before = self.objects.get(number)
        if before is not None and before is not value:
            del self._numbers[id(before)]
        self.objects[number] = value
        self._numbers[id(value)] = number

    def assert_theirs(self, number: object) -> None:
        """ValueError for a number that is not the other side's to give to something new."""
        if type(number) is not int or number * self.sign >= 0:
            raise ValueError(f"number {number!r:.80} is not the other side's to give")

    def knows(self, value: object) -> bool:
        return id(value) in self._numbers

    def message(self, *values: object) -> list[Node]:
        """The values, and the containers that this side has changed since the last message."""
        nodes = [self.encode(value) for value in values]
        return [nodes, self._changes()]

    def values(self, message: Node) -> list[Any]:
        """What the other side's message says; its changes are made here. What it mentions is
        looked at for changes when it is answered."""
        nodes, changes = message
        values = [self.decode(node) for node in nodes]
        for node in changes:  # may use what the values have made known
            self.decode(node)
        return values

    def _changes(self) -> list[Node]:
        changed = []
        for number in self._watched():
            node = self._container(self.objects[number], number)
            content = dumps(node)
            if self._contents.get(number) != content:
                self._contents[number] = content
                changed.append(node)
        self._mentioned = {}
        return changed

    def _watched(self) -> list[int]:
        if len(self._contents) > self._forget_at:
            self._forget()
            self._forget_at = max(MOST_WATCHED, 2 * len(self._contents))
        are_few = len(self._contents) <= MOST_WATCHED
        if are_few and sum(map(len, self._contents.values())) <= MOST_WATCHED_BYTES:
            return list(self._contents)
        self.is_blind = True
        return list(self._mentioned)

    def was_not_sent(self) -> None:
        """The last message."""
        for number in self._contents:
            self._contents[number] = b""

    def _forget(self) -> None:
        """Containers that nobody else here has; who mentions one later tells its content too."""
        for number in [number for number in self._contents if number not in self._mentioned]:
            kind = type(self.objects[number])
            is_plain = f"{kind.__module__}.{kind.__qualname__}" in CONTAINERS
            if is_plain and sys.getrefcount(self.objects[number]) == HELD_HERE:
                del self._numbers[id(self.objects[number])]
                del self.objects[number], self._contents[number]

    def encode(self, value: object) -> Node:
        kind = type(value)
        if kind in SCALARS:
            return scalar(value, kind)
        if kind is tuple:
            return ["tuple", *self._items(value)]
        name = f"{kind.__module__}.{kind.__qualname__}"
        if name in CONTAINERS and is_standard(kind):
            return self._shared(value)
        if kind in BASES:
            return self._based(value, kind)
        if value is Ellipsis or value is NotImplemented:
            return ["single", repr(value)]
        if (node := self._standard(value, kind, name)) is not None:
            return node
        return self._object(value, kind)

    def _object(self, value: object, kind: type) -> Node:
        number = self.number(value)
        if number * self.sign <= 0:
            return ["own", number]
        self.handed.add(number)
        exported, base = self._export(value, number), base_of(kind)
        if base is None:
            return exported
        content = self._shared(value) if base in MUTABLE else self._based(value, base)
        return ["like", exported, content]

    def _items(self, values: Any) -> list[Node]:
        kinds = {*map(type, values)}
        if kinds <= {str, bool, NONE}:
            return list(values)
        return [self.encode(value) for value in values]

    def _based(self, value: Any, base: type) -> Node:
        """An immutable built-in type's, which subclasses cannot lie about."""
        if base in SCALARS:
            return scalar(STORED[base](value), base)
        if base is bytes:
            return ["bytes", bytes(memoryview(value)).hex()]
        if base is complex:
            return ["complex", complex.__repr__(value)]
        return [base.__name__, *self._items(list(base.__iter__(value)))]  # type: ignore[attr-defined]

    def _shared(self, value: Any) -> Node:
        number = self.number(value)
        self.handed.add(number)
        if number in self._open:
            return ["own", number]
        node = self._container(value, number)
        self._contents[number] = dumps(node)
        return node

    def _container(self, value: Any, number: int) -> Node:
        self._mentioned[number] = None
        kind = type(value)
        name = f"{kind.__module__}.{kind.__qualname__}"
        if name not in CONTAINERS:
            base = base_of(kind)
            assert base is not None
            kind, name = base, f"builtins.{base.__name__}"
        self._open.add(number)
        try:
            return ["shared", number, name, *self._content(value, kind, name)]
        finally:
            self._open.discard(number)

    def _content(self, value: Any, kind: Any, name: str) -> list[Node]:
        if name == "builtins.bytearray":
            return [bytes(memoryview(value)).hex()]
        if name in KEYED or name == "collections.defaultdict":
            pairs = [part for pair in kind.items(value) for part in pair]
            factory = [self.encode(value.default_factory)] if name not in KEYED else []
            return [*factory, *self._items(pairs)]
        limit = [value.maxlen] if name == "collections.deque" else []
        return [*limit, *self._items(list(kind.__iter__(value)))]

    def _standard(self, value: Any, kind: type, name: str) -> Node:
        """Of the standard library's immutable values; null for others."""
        if name in SAID and is_standard(kind):
            return ["said", name, str(getattr(kind, SAID[name])(value))]
        if name == "datetime.timedelta" and is_standard(kind):
            return ["timedelta", value.days, value.seconds, value.microseconds]
        if kind is range or kind is slice:
            return [kind.__name__, *map(self.encode, (value.start, value.stop, value.step))]
        if kind.__name__ in VIEWS and kind.__module__ == "builtins":
            return [VIEWS[kind.__name__], *self._items(list(value))]
        return None

    def decode(self, node: Node) -> Any:
        if type(node) is not list:
            return node
        kind, *parts = node
        if kind == "own":
            return self._own(*parts)
        if kind == "shared":
            return self._take_over(*parts)
        if kind == "like":
            return self._like(*parts)
        if kind in DECODED:
            return DECODED[kind](*parts)
        if kind in BUILT:
            return BUILT[kind]([self.decode(part) for part in parts])
        return self._proxy(node)

    def _own(self, number: int) -> Any:
        if self.only_handed and number * self.sign > 0 and number not in self.handed:
            raise ValueError(f"number {number} was not handed over")
        return self.objects[number]

    def is_handed(self, value: object) -> bool:
        """Whether it is an object of this side that the other one was given."""
        number = self._numbers.get(id(value))
        return number in self.handed and self.objects.get(number) is value

    def _like(self, exported: Node, content: Node) -> Any:
        """An instance of a class that the other side has derived from a built-in type."""
        _, number, kind = exported
        derived = self.decode(kind)
        self.assert_theirs(number)
        if number not in self.objects:
            base = base_of(derived)
            assert base is not None
            stored = () if base in MUTABLE else (self.decode(content),)
            self.know(number, base.__new__(derived, *stored))
        if base_of(derived) in MUTABLE:
            self.decode(content)
        return self.objects[number]

    def _take_over(self, number: int, name: str, *content: Node) -> Any:
        value, kind = self.objects.get(number), kind_of(name)
        if value is None:
            if type(number) is not int or number == 0:
                raise ValueError(f"{number!r:.80} is nobody's number")
            value = kind()
            self.know(number, value)
        elif type(value) is not kind and base_of(type(value)) is not kind:
            raise ValueError(f"number {number} is no {name}")
        self._mentioned[number] = None
        values = [self.decode(node) for node in content]
        self.objects[number] = value = filled(value, name, values)
        self.know(number, value)
        self._contents[number] = dumps(["shared", number, name, *content])
        return value
