"""What stands on one side for objects and classes of the other: same names, bases and operators.

It runs inside of both sandboxes; see `peer`.
"""

from __future__ import annotations

import sys

from data import MUTABLE, base_of  # type: ignore[import-not-found]
from kinds import BUILT_IN, KNOWN, FunctionType, MethodType  # type: ignore[import-not-found]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from infra.sandbox.peer import Peer

    Node = Any

COMPARED = {"__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__", "__contains__"}
ORDERED = COMPARED - {"__contains__"}
CALCULATED = {
    f"__{side}{name}__"
    for name in ("add", "sub", "mul", "matmul", "truediv", "floordiv", "mod", "divmod", "pow",
                 "lshift", "rshift", "and", "xor", "or")
    for side in ("", "r", "i")
}  # fmt: skip
OPERATORS = COMPARED | CALCULATED | {
    "__call__", "__len__", "__bool__", "__iter__", "__next__", "__reversed__", "__getitem__",
    "__setitem__", "__delitem__", "__enter__", "__exit__", "__neg__", "__pos__", "__abs__",
    "__invert__", "__int__", "__float__", "__complex__", "__index__", "__round__", "__trunc__",
    "__floor__", "__ceil__", "__str__", "__repr__", "__format__", "__hash__", "__bytes__",
    "__missing__", "__get__", "__set__", "__delete__", "__set_name__", "__aiter__", "__anext__",
    "__aenter__", "__aexit__", "__await__",
}  # fmt: skip


UNHASHABLE = "-"
"""Among operators."""
Described = tuple[str, str, list[type], list[str], list[str]]
"""A class: its module, name, bases, operators and methods."""


class Proxied(type):
    """Of classes of the other side."""

    if TYPE_CHECKING:
        _peer: Peer

    def __new__(cls, name: str, bases: tuple[Any, ...], body: dict[str, Any]) -> Any:
        """A class that this side derives from one of the other's, which must then have it too."""
        peer = next(base._peer for base in bases if isinstance(base, Proxied))
        if "__classcell__" in body:
            peer.give_up(f"super() in {name}")
        own = {key: one for key, one in body.items() if key not in ("__module__", "__qualname__")}
        return peer.request("derive", name, bases, tuple(own.items()))

    def __init__(cls, *_: Any) -> None:
        """There is nothing to do: it is made."""

    def __call__(cls, *args: Any, **named: Any) -> Any:
        return cls._peer.made(cls, args, tuple(named.items()))

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("_abc_"):  # asked for by every isinstance of an abstract class
            raise AttributeError(name)
        return cls._peer.attribute(cls, name)

    def __setattr__(cls, name: str, value: Any) -> None:
        cls._peer.request("set", cls, name, value)

    def __delattr__(cls, name: str) -> None:
        cls._peer.request("delete", cls, name)

    def __instancecheck__(cls, one: Any) -> bool:
        return type.__instancecheck__(cls, one) or (
            not is_data(one) and cls._peer.request("is_instance", one, cls)
        )

    def __subclasscheck__(cls, one: Any) -> bool:
        return type.__subclasscheck__(cls, one) or (
            isinstance(one, Proxied) and cls._peer.request("is_subclass", one, cls)
        )

    @property
    def __annotations__(cls) -> Any:  # type: ignore[override]
        return cls._peer.attribute(cls, "__annotations__")

    def __iter__(cls) -> Any:
        return cls._peer.operate("__iter__", cls)

    def __len__(cls) -> Any:
        return cls._peer.operate("__len__", cls)

    def __getitem__(cls, key: Any) -> Any:
        return cls._peer.operate("__getitem__", cls, key)

    def __contains__(cls, one: Any) -> Any:
        return cls._peer.operate("__contains__", cls, one)

    def __bool__(cls) -> bool:
        return True


def derived(name: str, bases: tuple[Any, ...], body: dict[str, Any]) -> type:
    """A class of this side with methods of the other's."""
    body["__module__"] = bases[0].__module__
    methods = {key: as_method(one) if is_function(one) else one for key, one in body.items()}
    return type(bases[0])(name, bases, methods)  # type: ignore[no-any-return]


def is_function(value: object) -> bool:
    return is_proxied(value) and type(value).__name__ == "function"


def as_method(function: Any) -> Callable[..., Any]:
    return lambda own, *args, **named: function(own, *args, **named)


def is_data(value: object) -> bool:
    return base_of(type(value)) is not None and not is_proxied(value)


def is_proxied(value: object) -> bool:
    return isinstance(type(value), Proxied) or isinstance(value, Proxied)


def described(kind: type) -> Described:
    """What the other side must know to make the like."""
    known = KNOWN.values()
    bases = [base for base in kind.__bases__ if base.__module__ != "builtins" or base in known]
    return kind.__module__, kind.__name__, bases, _operators(kind), _methods(kind)


def proxied_class(peer: Peer, described: Described) -> type:
    """The like of a class of the other side; errors are errors here too."""
    module, name, bases, operators, methods = described
    if any(issubclass(base, BaseException) for base in bases):
        if (found := _standard(module, name)) and issubclass(found, BaseException):
            return found  # type: ignore[no-any-return]
        return type.__new__(Proxied, name, tuple(bases), _ERROR | {"_peer": peer})
    body: dict[str, Any] = {"_peer": peer, "__module__": "program", **_OBJECT}
    body["__init__"] = lambda *_, **__: peer.give_up(f"{name}.__init__ of an object of the test's")
    body |= {one: _method_of(one) for one in methods}
    body |= {one: _operator(one) for one in operators if one in OPERATORS}
    if UNHASHABLE in operators:
        body["__hash__"] = None
    if "__next__" in operators:
        del body["__copy__"], body["__deepcopy__"]  # `tee` would take it for a copy of an iterator
    if "__await__" in operators:
        body["__await__"] = _await
    if module == "builtins" and name in BUILT_IN:
        body |= _built_in(name)
    if data := next((base for base in map(base_of, bases) if base), None):
        body = _as_data(body, operators, data)
    own = _standard(module, name)
    is_itself = own is not None and (own.__module__, own.__name__) == (module, name)
    if is_itself and not hasattr(own, "register") and base_of(own) is None and module != "builtins":
        body["__class__"] = property(lambda _: own)
    made = type.__new__(Proxied, name, tuple(bases), body)
    if own is not None and hasattr(own, "register"):
        own.register(made)  # an abstract class: `isinstance` is asked of this side's
    return made


def _built_in(name: str) -> dict[str, Any]:
    # What `isinstance` asks for where the type itself is another one.
    body: dict[str, Any] = {"__class__": property(lambda own: BUILT_IN[name])}
    if name == "coroutine":
        return body | _COROUTINE
    if name == "generator":
        return body | _GENERATOR
    return body | ({"__get__": _bound} if name == "function" else {})


def _bound(own: Any, instance: Any, owner: Any = None) -> Any:
    """As the functions of a class of this side are."""
    return own if instance is None else MethodType(own, instance)


def _as_data(body: dict[str, Any], operators: list[str], data: type) -> dict[str, Any]:
    """Of a class derived from a built-in one: what is stored decides, whatever it says itself."""
    own = set(vars(data)) - CALCULATED if data not in MUTABLE else ORDERED | {"__hash__"}
    if data is set:
        own |= {"issubset", "issuperset", "isdisjoint"}
    attributes = {one: _Attribute(one) for one in operators if not one.startswith(("_", "-"))}
    # Methods that it has instead of the built-in ones change what the other side has.
    found = {name: one for name, one in (body | attributes).items() if name not in own}
    return found | {one: getattr(data, one) for one in ORDERED | {"__hash__"} if hasattr(data, one)}


def _standard(module: str, name: str) -> Any:
    """A class that this side knows from the standard library; nobody imports it only for that. A
    test is not told to skip."""
    root = module.partition(".")[0]
    is_standard = root in sys.stdlib_module_names and root != "unittest"
    found = getattr(sys.modules.get(module), name, None) if is_standard else None
    return found if isinstance(found, type) else None


def _operators(kind: Any) -> list[str]:
    """That a class has itself, not from `object`; of one that is data, also its other attributes:
    they would be in the way of the built-in type's."""
    line = type.__dict__["__mro__"].__get__(kind)
    data = base_of(kind)
    own = line[: line.index(data)] if data else line
    names = {name: None for one in own if one is not object for name in one.__dict__}
    found = [name for name in names if name in OPERATORS or (data and name[:1] != "_")]
    if getattr(kind, "__hash__", None) is None and "__hash__" in names:
        found = [name for name in found if name != "__hash__"] + [UNHASHABLE]
    return found


def _methods(kind: Any) -> list[str]:
    """Functions that its classes define: one message calls them, and not two."""
    line = type.__dict__["__mro__"].__get__(kind)
    functions = (
        name
        for one in line
        if one.__module__ not in sys.stdlib_module_names
        for name, value in one.__dict__.items()
        if type(value) is FunctionType and name[:1] != "_"
    )
    return [] if base_of(kind) else list(dict.fromkeys(functions))


def _method_of(name: str) -> Callable[..., Any]:
    def method(own: Any, *args: Any, **named: Any) -> Any:
        return type(own)._peer.method(own, name, args, tuple(named.items()))

    method.__name__ = name
    return method


def _operator(name: str) -> Callable[..., Any]:
    def operator(own: Any, *args: Any, **named: Any) -> Any:
        if name == "__call__":
            return type(own)._peer.request("call", own, args, tuple(named.items()))
        return type(own)._peer.operate(name, own, *args)

    return {"__exit__": _exit, "__aexit__": _leave}.get(name, operator)


def _exit(own: Any, kind: Any, error: Any, traceback: Any) -> Any:
    """Tracebacks stay where they are."""
    swallows = type(own)._peer.operate("__exit__", own, kind, error, None)
    if swallows and is_failed_assert(error):
        type(own)._peer.lie = "it swallows a failed assert of the test"
    return swallows


async def _leave(own: Any, kind: Any, error: Any, traceback: Any) -> Any:
    swallows = await type(own)._peer.operate("__aexit__", own, kind, error, None)
    if swallows and is_failed_assert(error):
        type(own)._peer.lie = "it swallows a failed assert of the test"
    return swallows


def is_failed_assert(error: object) -> bool:
    """Of this side, not an error that the other one has raised."""
    return isinstance(error, AssertionError) and "_said" not in error.__dict__


def _get(own: Any, name: str) -> Any:
    return type(own)._peer.attribute(own, name)


def _set(own: Any, name: str, value: Any) -> None:
    type(own)._peer.request("set", own, name, value)


def _delete(own: Any, name: str) -> None:
    type(own)._peer.request("delete", own, name)


class _Attribute:
    """Of an instance, or of its class."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, own: Any, kind: Any) -> Any:
        asked = kind if own is None else own
        return kind._peer.attribute(asked, self._name)

    def __set__(self, own: Any, value: Any) -> None:
        _set(own, self._name, value)


def _send(own: Any, value: Any) -> Any:
    raise StopIteration(type(own)._peer.request("run", own))


def _throw(own: Any, *error: Any) -> Any:
    raise error[0]


def _throw_there(own: Any, kind: Any, error: Any = None, traceback: Any = None) -> Any:
    """Tracebacks stay where they are."""
    return type(own)._peer.request("method", own, "throw", (error or kind,), ())


def _await(own: Any) -> Any:
    yield from ()
    return type(own)._peer.request("run", own)


def _error_attribute(own: Any, name: str) -> Any:
    if name.startswith("_") or not type(own)._peer.wire.knows(own):  # one that was made here
        raise AttributeError(name)
    return type(own)._peer.attribute(own, name)


def _error_text(own: Any) -> str:
    said = own.__dict__.get("_said")
    return said if isinstance(said, str) else BaseException.__str__(own)


_OBJECT: dict[str, Any] = {
    "__doc__": _Attribute("__doc__"),
    "__dict__": _Attribute("__dict__"),
    "__getattr__": _get,
    "__setattr__": _set,
    "__delattr__": _delete,
    "__copy__": lambda own: type(own)._peer.request("copy", own, "copy"),
    "__deepcopy__": lambda own, memo: type(own)._peer.request("copy", own, "deepcopy"),
}
_ERROR: dict[str, Any] = {"__getattr__": _error_attribute, "__str__": _error_text}
_GENERATOR: dict[str, Any] = {
    "send": _Attribute("send"), "throw": _throw_there, "close": _Attribute("close"),
}  # fmt: skip
_COROUTINE: dict[str, Any] = {
    "send": _send, "throw": _throw, "close": lambda own: None, "__await__": _await,
}  # fmt: skip
