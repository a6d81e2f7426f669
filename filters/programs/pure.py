"""Expressions over data, decided by a few pure functions; nothing is executed as code."""

import ast
import math
import operator
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from filters.programs.values import as_range, same_value

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": abs, "all": all, "any": any, "bool": bool, "dict": dict, "float": float,
    "frozenset": frozenset, "int": int, "isinstance": isinstance, "len": len, "list": list,
    "max": max, "min": min, "next": next, "enumerate": enumerate, "zip": zip,
    "reversed": reversed, "range": lambda *bounds: as_range(bounds),
    "round": round, "set": set, "sorted": sorted, "str": str, "sum": sum,
    "tuple": tuple, "Counter": Counter, "collections.Counter": Counter, "isclose": math.isclose,
    "math.ceil": math.ceil, "math.fabs": math.fabs, "math.floor": math.floor,
    "math.isclose": math.isclose, "math.sqrt": math.sqrt,
}  # fmt: skip
CONSTANTS = {"math.pi": math.pi, "math.e": math.e, "math.inf": math.inf, "inf": math.inf}
METHODS: dict[type, set[str]] = {
    str: {"count", "endswith", "index", "join", "lower", "replace", "split", "startswith", "strip",
          "upper"},
    list: {"count", "index"},
    tuple: {"count", "index"},
    dict: {"get", "items", "keys", "values"},
    set: {"issubset", "issuperset", "union"},
}  # fmt: skip
COMPARED: dict[type, Callable[[Any, Any], bool]] = {
    ast.Eq: same_value,
    ast.NotEq: lambda one, other: not same_value(one, other),
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.In: lambda one, other: _is_in(one, other),
    ast.NotIn: lambda one, other: not _is_in(one, other),
}
CALCULATED: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
"""Not `*` and `**`: data from a program could use up all memory."""
SIGNED: dict[type, Callable[[Any], Any]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
    ast.Not: operator.not_,
}
MOST_STEPS = 1_000_000
"""About a second."""

COMPREHENSIONS = ast.ListComp | ast.GeneratorExp | ast.SetComp | ast.DictComp


class NotUnderstood(ValueError):
    """Something in a test that goes beyond what can be decided here."""


class Place(int):
    """The number of a value that is known later; stands in an `ast.Constant`."""


def name_of(node: ast.expr) -> str | None:
    """`f` or `module.f`; null for everything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return f"{node.value.id}.{node.attr}"
    return None


def check(expression: ast.expr) -> None:
    """NotUnderstood for what `evaluate` does not know."""
    variables = {
        name.id
        for node in ast.walk(expression)
        if isinstance(node, ast.comprehension)
        for name in ast.walk(node.target)
        if isinstance(name, ast.Name)
    }
    methods = {node.func for node in ast.walk(expression) if isinstance(node, ast.Call)}
    modules = {name.partition(".")[0] for name in (*FUNCTIONS, *CONSTANTS)}
    for node in ast.walk(expression):
        known = not isinstance(node, ast.expr) or type(node) in EVALUATED
        if isinstance(node, ast.Call):
            is_method = isinstance(node.func, ast.Attribute) and any(
                node.func.attr in names for names in METHODS.values()
            )
            known = name_of(node.func) in FUNCTIONS or is_method
        elif isinstance(node, ast.Name):
            known = node.id in {*FUNCTIONS, *CONSTANTS, *modules, *variables}
        elif isinstance(node, ast.BinOp):
            known = type(node.op) in CALCULATED
        elif isinstance(node, ast.UnaryOp):
            known = type(node.op) in SIGNED
        elif isinstance(node, ast.Dict):
            known = None not in node.keys
        elif isinstance(node, ast.Attribute):
            known = node in methods or name_of(node) in {*FUNCTIONS, *CONSTANTS}
        elif isinstance(node, COMPREHENSIONS):
            known = len(node.generators) == 1 and not node.generators[0].is_async
        if not known:
            raise NotUnderstood(f"{type(node).__name__} in {ast.unparse(expression)}")


def evaluate(node: ast.expr, values: Sequence[Any]) -> Any:
    """The value of an expression in which places stand for `values`; raises what Python raises,
    and ValueError where it takes too many steps."""
    return _Frame(values).at(node)


class _Frame:
    """What the names of an expression stand for."""

    def __init__(self, values: Sequence[Any]) -> None:
        self.values = values
        self.variables: dict[str, Any] = {}
        """Of comprehensions."""
        self._steps = 0

    def at(self, node: ast.expr) -> Any:
        self._steps += 1
        if self._steps > MOST_STEPS:
            raise ValueError("too many steps")
        return EVALUATED[type(node)](node, self.at, self)


def _each(node: Any, at: Any, frame: _Frame) -> list[Any]:
    """The items of a comprehension."""
    [loop] = node.generators
    outer, found = dict(frame.variables), []
    for item in at(loop.iter):
        _bind(loop.target, item, frame.variables)
        if all(map(at, loop.ifs)):
            found.append((at(node.key), at(node.value)) if hasattr(node, "key") else at(node.elt))
    frame.variables = outer
    return found


def _bind(target: Any, value: Any, variables: dict[str, Any]) -> None:
    if isinstance(target, ast.Name):
        variables[target.id] = value
        return
    for part, one in zip(target.elts, value, strict=True):
        _bind(part, one, variables)


def _is_in(one: Any, other: Any) -> bool:
    if isinstance(other, str):
        return one in other
    return any(same_value(item, one) for item in other)


def _constant(node: Any, at: Any, frame: _Frame) -> Any:
    return frame.values[node.value] if isinstance(node.value, Place) else node.value


def _compare(node: Any, at: Any, frame: _Frame) -> bool:
    left = at(node.left)
    for sign, right_node in zip(node.ops, node.comparators, strict=True):
        right = at(right_node)
        if not COMPARED[type(sign)](left, right):
            return False
        left = right
    return True


def _calculate(node: Any, at: Any, frame: _Frame) -> Any:
    left, right = at(node.left), at(node.right)
    if isinstance(node.op, ast.Mod) and isinstance(left, str | bytes):
        raise ValueError("a format may be as wide as it likes")
    return CALCULATED[type(node.op)](left, right)


def _call(node: Any, at: Any, frame: _Frame) -> Any:
    arguments = [at(argument) for argument in node.args]
    named = {keyword.arg: at(keyword.value) for keyword in node.keywords}
    if (function := FUNCTIONS.get(name_of(node.func) or "")) is not None:
        return function(*arguments, **named)
    own = at(node.func.value)
    if node.func.attr not in METHODS.get(type(own), set()):
        raise ValueError(f"no method {node.func.attr} of {type(own).__name__}")
    return getattr(own, node.func.attr)(*arguments, **named)


def _name(node: Any, at: Any, frame: _Frame) -> Any:
    name = name_of(node) or ""
    if name in frame.variables:
        return frame.variables[name]
    return CONSTANTS[name] if name in CONSTANTS else FUNCTIONS[name]


EVALUATED: dict[type, Callable[[Any, Any, _Frame], Any]] = {
    ast.ListComp: _each,
    ast.GeneratorExp: _each,
    ast.SetComp: lambda node, at, frame: set(_each(node, at, frame)),
    ast.DictComp: lambda node, at, frame: dict(_each(node, at, frame)),
    ast.Constant: _constant,
    ast.Compare: _compare,
    ast.BinOp: _calculate,
    ast.Call: _call,
    ast.Name: _name,
    ast.Attribute: _name,
    ast.Subscript: lambda node, at, frame: at(node.value)[at(node.slice)],
    ast.UnaryOp: lambda node, at, frame: SIGNED[type(node.op)](at(node.operand)),
    ast.BoolOp: lambda node, at, frame: (all if isinstance(node.op, ast.And) else any)(
        map(at, node.values)
    ),
    ast.Slice: lambda node, at, frame: slice(
        *(None if part is None else at(part) for part in (node.lower, node.upper, node.step))
    ),
    ast.List: lambda node, at, frame: [at(item) for item in node.elts],
    ast.Tuple: lambda node, at, frame: tuple(at(item) for item in node.elts),
    ast.Set: lambda node, at, frame: {at(item) for item in node.elts},
    ast.Dict: lambda node, at, frame: {
        at(key): at(value) for key, value in zip(node.keys, node.values, strict=True)
    },
}
