"""Results of programs as values, and whether they are the expected ones.

They arrive as JSON that says types (`["tuple", 1, 2]`), never as objects: whatever a program's
object would say about its equality is not asked.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from fractions import Fraction
from typing import Any

DEEPEST = 200
HASHED = {"set", "frozenset", "dict"}
MOST_COLLISIONS = 100
"""Of hashes: each costs a comparison with all before it, and whoever chooses keys can choose them
so that all collide."""


LONGEST_RANGE = 1_000
"""Numbers: it costs nothing before somebody lists it."""
LARGEST_EXPONENT = 5000
"""Of a Decimal, which else becomes an integer that fills all memory."""
FRACTION = re.compile(r"-?\d+(?:/\d+)?")


class Undecided(Exception):
    """Only the program could say it."""


class Opaque:
    """A value of a type that has no meaning outside of its program. Whether it is equal to another,
    or true, raises Undecided: `a != b` is no more certain than `a == b`."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __eq__(self, other: object) -> bool:
        raise Undecided(self.kind)

    def __bool__(self) -> bool:
        raise Undecided(self.kind)

    def __hash__(self) -> int:
        raise Undecided(self.kind)

    def __repr__(self) -> str:
        return f"<{self.kind}>"


def read_value(text: str) -> Any:
    """The value that a program's result spells; ValueError for what is no such text."""
    try:
        return _value(json.loads(text), 0)
    except (TypeError, LookupError, RecursionError, ArithmeticError) as error:
        raise ValueError(f"no result: {error}") from error


def _value(node: Any, depth: int) -> Any:
    if depth > DEEPEST:
        raise ValueError("nested too deeply")
    if not isinstance(node, list):
        return node
    kind, *items = node
    if kind in SCALARS:
        return SCALARS[kind](items[0])
    values = [_value(item, depth + 1) for item in items]
    try:
        if kind in HASHED:
            keys = [item[0] for item in values] if kind == "dict" else values
            if len(keys) - len(set(map(hash, keys))) > MOST_COLLISIONS:
                raise ValueError("its keys are made to collide")
        return CONTAINERS[kind](values)
    except Undecided:  # a set of objects
        return Opaque(kind)


@dataclass(frozen=True)
class Said:
    """A value that is what its text says, such as a `datetime.timedelta`."""

    kind: str
    text: str


def _said(kind: str, text: str) -> Any:
    if kind == "fractions.Fraction" and FRACTION.fullmatch(text):
        return Fraction(text)
    if kind == "decimal.Decimal":
        number = Decimal(text)
        return number if abs(number.adjusted()) < LARGEST_EXPONENT else Opaque(kind)
    return SAID[kind](text) if kind in SAID else Said(kind, text)


def as_range(bounds: Sequence[Any]) -> range:
    """ValueError for one that is too long to be listed."""
    numbers = range(*bounds)
    if len(numbers) > LONGEST_RANGE:
        raise ValueError("a range that is too long")
    return numbers


SAID: dict[str, Callable[[str], Any]] = {
    "datetime.date": date.fromisoformat,
    "datetime.datetime": datetime.fromisoformat,
    "datetime.time": time.fromisoformat,
}
SCALARS: dict[str, Callable[[str], Any]] = {
    "int": lambda text: int(text, 16),
    "float": float,
    "complex": complex,
    "bytes": bytes.fromhex,
    "object": Opaque,
}
CONTAINERS: dict[str, Callable[[list[Any]], Any]] = {
    "list": list,
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "dict": dict,
    "deque": list,
    "dict_items": list,
    "dict_keys": list,
    "dict_values": list,
    "range": as_range,
    "iterator": iter,
    "said": lambda told: _said(*told),
}


def is_shallow(value: Any, levels: int = DEEPEST) -> bool:
    """Whether it is nested no deeper than results may be."""
    if not isinstance(value, list | dict):
        return True
    items = value.values() if isinstance(value, dict) else value
    return levels > 0 and all(is_shallow(item, levels - 1) for item in items)


def as_json(value: Any) -> Any:
    """As it would come back from JSON, which has neither tuples nor keys that are no texts."""
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    if isinstance(value, dict):
        return {str(key): as_json(item) for key, item in value.items()}
    return value
