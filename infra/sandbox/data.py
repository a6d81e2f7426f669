"""Values of the standard library as JSON, in which a list begins with what it stands for.

It runs inside of both of two sandboxes; see `wire`. Of an instance of a subclass of a built-in type
that counts which the built-in type has stored.
"""

from __future__ import annotations

import _json  # `json` would import much
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Node = Any
    """What JSON spells."""

NONE = type(None)
SMALL = 2**53
"""Integers below are JSON numbers everywhere."""
SCALARS = frozenset({NONE, bool, int, float, str})
BASES = (str, bytes, bool, int, float, complex, tuple, frozenset, list, dict, set, bytearray)
STORED: dict[type, Callable[[Any], Any]] = {
    int: int.__int__, float: float.__float__, str: str.__str__,
}  # fmt: skip
"""What an instance of a subclass has."""
MUTABLE = (list, dict, set, bytearray)
VIEWS = {"dict_keys": "keys", "dict_values": "values", "dict_items": "items"}
SAID = {
    "datetime.date": "isoformat", "datetime.datetime": "isoformat", "datetime.time": "isoformat",
    "decimal.Decimal": "__str__", "fractions.Fraction": "__str__", "uuid.UUID": "__str__",
    "pathlib.PosixPath": "__str__", "pathlib.PurePosixPath": "__str__",
}  # fmt: skip
"""Standard types that are what a text says, and the method that says it."""
CONTAINERS = {
    "builtins.list", "builtins.dict", "builtins.set", "builtins.bytearray", "collections.deque",
    "collections.OrderedDict", "collections.Counter", "collections.defaultdict",
}  # fmt: skip
"""That can be changed."""
KEYED = {"builtins.dict", "collections.OrderedDict", "collections.Counter"}
SINGLE = {"Ellipsis": Ellipsis, "NotImplemented": NotImplemented}


def dumps(node: Node) -> bytes:
    return "".join(ENCODE(node, 0)).encode("ascii")


def loads(data: bytes) -> Node:
    """ValueError, StopIteration or RecursionError for what is no JSON."""
    text = data.decode("ascii")
    node, end = SCAN(text, 0)
    if end != len(text):
        raise ValueError("there is more behind it")
    return node


class _Scanning:
    strict = False
    object_hook = object_pairs_hook = None
    parse_float, parse_int, parse_constant = float, int, float
    memo: dict[str, str] = {}  # noqa: RUF012  # the scanner wants it here


SCAN = _json.make_scanner(_Scanning())  # type: ignore[arg-type]


def _refused(value: object) -> None:
    raise TypeError(f"{type(value).__name__} is no node")


ENCODE = _json.make_encoder(
    None, _refused, _json.encode_basestring_ascii, None, ":", ",", False, False, True
)


def base_of(kind: type) -> type | None:
    """The built-in type that a class is derived from, if that is one whose values are data."""
    line = type.__dict__["__mro__"].__get__(kind)
    return next((base for base in BASES if base in line), None)


def scalar(value: Any, kind: type) -> Node:
    if kind is int and not -SMALL < value < SMALL:
        return ["int", f"{value:x}"]
    if kind is float and not -1e300 < value < 1e300:
        return ["float", repr(value)]
    return value


def is_standard(kind: type) -> bool:
    return getattr(sys.modules.get(kind.__module__), kind.__qualname__, None) is kind


def kind_of(name: str) -> Any:
    if name not in CONTAINERS and name not in SAID:
        raise ValueError(f"{name!r:.80} is not known")
    module, _, kind = name.rpartition(".")
    return getattr(__import__(module), kind)


def filled(value: Any, name: str, content: list[Any]) -> Any:
    """With another content; a deque whose limit is not known yet is another one."""
    if name == "builtins.bytearray":
        value[:] = bytes.fromhex(content[0])
    elif name == "builtins.list":
        list.__setitem__(value, slice(None), content)
    elif name == "builtins.set":
        set.clear(value)
        set.update(value, content)
    elif name == "collections.deque":
        limit, *items = content
        if value.maxlen != limit:
            value = type(value)(maxlen=limit)
        value.clear()
        value.extend(items)
    else:
        if name == "collections.defaultdict":
            value.default_factory, *content = content
        kind = kind_of(name)  # not the instance's own, which may have others
        kind.clear(value)
        for key, one in zip(content[::2], content[1::2], strict=True):
            kind.__setitem__(value, key, one)
    return value


def _views(values: list[Any]) -> Any:
    return dict(enumerate(values)).values()


def _said(name: str, text: str) -> Any:
    kind = kind_of(name)
    return kind.fromisoformat(text) if SAID[name] == "isoformat" else kind(text)


def _timedelta(*parts: int) -> Any:
    return __import__("datetime").timedelta(*parts)


DECODED: dict[str, Callable[..., Any]] = {
    "int": lambda text: int(text, 16),
    "float": float,
    "complex": complex,
    "bytes": bytes.fromhex,
    "single": SINGLE.__getitem__,
    "said": _said,
    "timedelta": _timedelta,
}
BUILT: dict[str, Callable[[list[Any]], Any]] = {
    "tuple": tuple,
    "frozenset": frozenset,
    "range": lambda parts: range(*parts),
    "slice": lambda parts: slice(*parts),
    "keys": lambda items: dict.fromkeys(items).keys(),
    "values": _views,
    "items": lambda pairs: dict(pairs).items(),
}
