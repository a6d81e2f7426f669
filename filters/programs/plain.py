"""Tests spelt with plain asserts: loops unrolled, and what must raise made an answer."""

import ast
import builtins
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

from filters.programs.pure import NotUnderstood, name_of

MOST_STATEMENTS = 2000
APPROXIMATE = {"approx", "pytest.approx"}
RAISES = {"pytest.raises", "raises", "self.assertRaises"}
FAILS = {"pytest.fail", "self.fail"}
RAISED = "raised_in_line_"
"""And its number: a function that says which error was raised there."""
RELATIVE, ABSOLUTE = 1e-6, 1e-12
"""What pytest.approx allows by itself (its documentation)."""
QUESTION = """
def {name}():
    try:
        {body}
    except {missing}:
        raise
    except BaseException as error:
        kinds = [(kind.__module__, kind.__name__) for kind in type(error).__mro__]
        return ["builtins." * (module == "builtins") + name for module, name in kinds]
    return []
"""
"""Only names are asked for: whether they are the right ones is decided outside. A program that does
not define what it shall raises NameError, which is nothing that it was asked for."""


def plain(statements: Iterable[ast.stmt], known: Mapping[str, Any] | None = None) -> list[ast.stmt]:
    """The same test, whose asserts stand at its outermost level, as far as that can be.

    `known`: values of variables before it. NotUnderstood for loops over what it does not spell
    out, and for too many rounds.
    """
    values = dict(known or {})
    found: list[ast.stmt] = []
    for statement in statements:
        known_here = _Known(values).visit(_Approximate().visit(deepcopy(statement)))
        for one in _spelt(known_here, values):
            _take_up(one, values)
            found.append(one)
            if len(found) > MOST_STATEMENTS:
                raise NotUnderstood(f"spelt out it has more than {MOST_STATEMENTS} statements")
    return found


def parametrized(test: ast.FunctionDef) -> list[ast.stmt]:
    """A test's body, in the loops that `@pytest.mark.parametrize(names, values)` stands for;
    NotUnderstood for arguments that it does not name."""
    body, arguments = test.body, {argument.arg for argument in test.args.args}
    for decorator in test.decorator_list:
        if not isinstance(decorator, ast.Call) or len(decorator.args) != 2:
            raise NotUnderstood(f"{ast.unparse(decorator)[:80]} is no list of arguments")
        names, values = decorator.args
        told = _literal(names)
        target = ", ".join(told) if isinstance(told, list | tuple) else str(told)
        if not ast.unparse(decorator.func).endswith("parametrize") or not target:
            raise NotUnderstood(f"{ast.unparse(decorator)[:80]} is no list of arguments")
        loop = ast.parse(f"for {target} in ():\n    pass").body[0]
        assert isinstance(loop, ast.For)
        loop.iter, loop.body, body = values, body, [loop]
        arguments -= {name.strip() for name in target.split(",")}
    if arguments:
        raise NotUnderstood(f"{test.name} has arguments that nothing gives it: {arguments}")
    return body


def _take_up(statement: ast.stmt, known: dict[str, Any]) -> None:
    """The values of a variable, which loops may run over; not of one that may have been changed."""
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and (
            not isinstance(node.ctx, ast.Load) or isinstance(known.get(node.id), list | dict | set)
        ):
            known.pop(node.id, None)
    if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
        try:
            known[statement.targets[0].id] = ast.literal_eval(statement.value)
        except (ValueError, TypeError, MemoryError, RecursionError):
            return


def _spelt(statement: ast.stmt, known: Mapping[str, Any]) -> Iterator[ast.stmt]:
    if isinstance(statement, ast.For) and asserts(statement.body) and not statement.orelse:
        items = _items(statement.iter, known)
        yield from _unrolled(statement.target, items, statement.body, known)
    elif isinstance(statement, ast.Assert) and (loop := _loop_of_all(statement, known)):
        yield from _unrolled(*loop, known)
    elif isinstance(statement, ast.Assign) and (bindings := _split(statement)):
        yield from bindings
    elif isinstance(statement, ast.With) and (errors := _raises(statement)):
        yield from _must_raise(statement.body, errors, statement.lineno)
    elif isinstance(statement, ast.Expr) and (call := _raising_call(statement.value)):
        yield from _must_raise([ast.Expr(call[1])], call[0], statement.lineno)
    elif isinstance(statement, ast.Try) and (tried := _tried(statement)):
        body, errors = tried
        yield from _must_raise(body, errors, statement.lineno)
    else:
        yield statement


def _split(statement: ast.Assign) -> list[ast.stmt]:
    """`a = 1` and `b = 2` of `a, b = 1, 2`, if that is literal."""
    [target, *others] = statement.targets
    if others or not isinstance(target, ast.Tuple):
        return []
    try:
        return _bindings(target, ast.literal_eval(statement.value))
    except (ValueError, TypeError, NotUnderstood):
        return []


def asserts(body: Sequence[ast.stmt]) -> bool:
    """Whether statements say in any way what must be true."""
    return any(
        isinstance(inner, ast.Assert)
        or (isinstance(inner, ast.Call) and name_of(inner.func) in RAISES)
        for statement in body
        for inner in ast.walk(statement)
    )


def _unrolled(
    target: ast.expr, items: Sequence[Any], body: Sequence[ast.stmt], known: Mapping[str, Any]
) -> Iterator[ast.stmt]:
    if not items:
        raise NotUnderstood("a loop of no rounds asserts nothing")
    for item in items:
        yield from plain([*_bindings(target, item), *body], known)


def _bindings(target: ast.expr, value: Any) -> list[ast.stmt]:
    """One for each name: what the program needs must not bring along what is expected of it."""
    if isinstance(target, ast.Tuple | ast.List):
        if any(isinstance(part, ast.Starred) for part in target.elts):
            raise NotUnderstood(f"{ast.unparse(target)} takes several items at once")
        parts = zip(target.elts, value, strict=True)
        return [one for part, item in parts for one in _bindings(part, item)]
    return ast.parse(f"{ast.unparse(target)} = {value!r}").body


def _loop_of_all(
    statement: ast.Assert, known: Mapping[str, Any]
) -> tuple[ast.expr, list[Any], list[ast.stmt]] | None:
    """Of `assert all(… for … in …)` over what the test spells out."""
    call = statement.test
    if not (isinstance(call, ast.Call) and name_of(call.func) == "all" and len(call.args) == 1):
        return None
    [over] = call.args
    if not isinstance(over, ast.GeneratorExp | ast.ListComp) or len(over.generators) != 1:
        return None
    [loop] = over.generators
    if loop.ifs or loop.is_async:
        return None
    try:
        items = _items(loop.iter, known)
    except NotUnderstood:
        return None
    return loop.target, items, [ast.copy_location(ast.Assert(over.elt), statement)]


def _items(node: ast.expr, known: Mapping[str, Any]) -> list[Any]:
    """What a loop runs over, where the test spells it out."""
    if isinstance(node, ast.Call):
        name, arguments = name_of(node.func), node.args
        if name == "range":
            bounds = [_value(argument, known) for argument in arguments]
            return list(range(*bounds)[:MOST_STATEMENTS])
        if name == "zip":
            return list(zip(*(_items(argument, known) for argument in arguments), strict=False))
        if name == "enumerate" and len(arguments) == 1:
            return list(enumerate(_items(arguments[0], known)))
        if isinstance(node.func, ast.Attribute) and node.func.attr == "items":
            return list(_value(node.func.value, known).items())
    return list(_value(node, known))


def _value(node: ast.expr, known: Mapping[str, Any]) -> Any:
    if isinstance(node, ast.Name) and node.id in known:
        return known[node.id]
    return _literal(node)


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError) as error:
        raise NotUnderstood(f"it is not spelt out: {ast.unparse(node)[:80]}") from error


def _raises(statement: ast.With) -> ast.expr | None:
    """The error of `with pytest.raises(error):`."""
    [item, *others] = statement.items
    call = item.context_expr
    if others or not isinstance(call, ast.Call) or name_of(call.func) not in RAISES:
        return None
    if len(call.args) != 1 or call.keywords or item.optional_vars:
        raise NotUnderstood(f"only an error's type is understood, not {ast.unparse(call)[:80]}")
    return call.args[0]


def _raising_call(node: ast.expr) -> tuple[ast.expr, ast.Call] | None:
    """Of `self.assertRaises(error, function, argument)`."""
    if not (isinstance(node, ast.Call) and name_of(node.func) in RAISES and len(node.args) > 1):
        return None
    error, function, *arguments = node.args
    return error, ast.Call(function, arguments, node.keywords)


def _tried(statement: ast.Try) -> tuple[list[ast.stmt], ast.expr] | None:
    """What must raise, and the error, of `try: …; assert False` and `except error: pass`."""
    body, last = statement.body, statement.body[-1]
    if statement.orelse:
        last = statement.orelse[-1]
    elif len(body) > 1:
        body = body[:-1]
    if len(statement.handlers) != 1 or statement.finalbody or not _fails(last):
        return None
    [handler] = statement.handlers
    if not all(_does_nothing(one) for one in handler.body):
        return None
    return body, handler.type or ast.Name("Exception", ast.Load())


def _fails(node: ast.stmt) -> bool:
    if isinstance(node, ast.Assert):
        return isinstance(node.test, ast.Constant) and not node.test.value
    if isinstance(node, ast.Raise) and node.exc:
        return ast.unparse(node.exc).startswith("AssertionError")
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        return name_of(node.value.func) in FAILS
    return False


def _does_nothing(node: ast.stmt) -> bool:
    if isinstance(node, ast.Assert):
        return isinstance(node.test, ast.Constant) and bool(node.test.value)
    return isinstance(node, ast.Pass) or (
        isinstance(node, ast.Expr)
        and (isinstance(node.value, ast.Constant) or ast.unparse(node.value).startswith("print("))
    )


def _must_raise(body: Sequence[ast.stmt], errors: ast.expr, line: int) -> Iterator[ast.stmt]:
    name = f"{RAISED}{line}"
    text = ast.unparse(ast.Module(list(body), [])).replace("\n", "\n        ")
    kinds = errors.elts if isinstance(errors, ast.Tuple) else [errors]
    names = [ast.unparse(kind).rpartition(".")[2] for kind in kinds]
    missing = "()" if "NameError" in names else "NameError"
    names = [f"builtins.{name}" if hasattr(builtins, name) else name for name in names]
    conditions = " or ".join(f"{kind!r} in {name}()" for kind in names)
    yield from ast.parse(
        f"{QUESTION.format(name=name, body=text, missing=missing)}\nassert {conditions}"
    ).body


class _Known(ast.NodeTransformer):
    """`case["input"]` as what it is, where the test spells that out: the whole of `case` also says
    what is expected."""

    def __init__(self, known: Mapping[str, Any]) -> None:
        self._known = known

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        if isinstance(node.ctx, ast.Load) and isinstance(node.value, ast.Name | ast.Subscript):
            inner = self.visit(node.value)
            try:
                whole = _value(inner, self._known)
                item = whole[ast.literal_eval(node.slice)]
            except (NotUnderstood, ValueError, TypeError, LookupError):
                return node
            return ast.copy_location(ast.parse(repr(item), mode="eval").body, node)
        return node


class _Approximate(ast.NodeTransformer):
    """`f() == pytest.approx(0.3, rel=1e-3)` as a call of `math.isclose`; of a list, whose floats
    need only be close anyway, what is in it."""

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        [right, *others] = node.comparators
        if others or not isinstance(right, ast.Call) or name_of(right.func) not in APPROXIMATE:
            return node
        if len(right.args) != 1 or not isinstance(node.ops[0], ast.Eq):
            raise NotUnderstood(f"approx is not understood in {ast.unparse(node)[:80]}")
        [value] = right.args
        if isinstance(value, ast.List | ast.Tuple | ast.Dict):
            node.comparators = [value]
            return node
        told = {keyword.arg: keyword.value for keyword in right.keywords}
        relative = told.get("rel") or ast.Constant(0.0 if "abs" in told else RELATIVE)
        close = ast.parse("math.isclose(left, right)", mode="eval").body
        assert isinstance(close, ast.Call)
        close.args = [node.left, value]
        close.keywords = [
            ast.keyword("rel_tol", relative),
            ast.keyword("abs_tol", told.get("abs") or ast.Constant(ABSOLUTE)),
        ]
        return ast.copy_location(close, node)
