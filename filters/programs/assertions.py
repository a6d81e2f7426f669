"""Asserts taken apart: what the program must answer, and what must be true of its answers.

`assert sorted(f(3)) == [1, 2]` becomes the expression `f(3)`, evaluated beside the program, and
`sorted(_) == [1, 2]`, decided here. A program that shares a process with the comparison can answer
with an object that is equal to everything, or leave before it is made (11 of 17 wrong programs got
through a plain assert, measured). What a test computes without the program is computed without it
too: a program may have made `range` something else.
"""

import ast
import builtins
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from filters.programs.pure import FUNCTIONS, NotUnderstood, Place, check, evaluate, name_of

BUILTINS = frozenset(dir(builtins))
MODULES = sys.stdlib_module_names | {"np", "numpy", "pd", "pandas", "scipy", "sympy", "torch"}
"""Never a program's own, also where a test forgets to import them."""
NOT_THERE = {"solution", "pytest"}
"""Modules of harnesses; the first is how some of them call the program."""


@dataclass(frozen=True)
class Assertion:
    """What must be true of the values of two tuples of expressions."""

    condition: ast.expr
    places: tuple[tuple[bool, int], ...]
    """Where each value comes from: whether from the program, and its number there."""
    asked: tuple[str, ...]
    """Of the program, after `setup`."""
    setup: str
    computed: tuple[str, ...]
    """By the test alone, after `own_setup`."""
    own_setup: str

    def holds(self, answers: Sequence[Any], own: Sequence[Any]) -> bool:
        """Whether it is true; what the values are not fit for is false."""
        try:
            values = [(answers if asked else own)[number] for asked, number in self.places]
            return bool(evaluate(self.condition, values))
        except Exception:  # such as an order between a text and a number
            return False


def assertions_of(source: str, entry: str = "") -> list[Assertion]:
    """The asserts of a test's source.

    `def check(candidate): …`, whose argument is the program's `entry`, and `def test_…():` are
    what their bodies are. NotUnderstood for asserts in loops, SyntaxError and what else the parser
    raises.
    """
    statements = ast.parse(source).body
    tests = [
        node
        for node in statements
        if isinstance(node, ast.FunctionDef) and node.name.startswith(("test", "check"))
    ]
    if not tests:
        return _read(statements)
    entry = entry or next(filter(None, map(_argument, statements)), "")
    before = [node for node in statements if node not in tests and not _is_call(node)]
    return [one for test in tests for one in _read([*before, *test.body], _alias(test, entry))]


def _alias(test: ast.FunctionDef, entry: str) -> str:
    if not test.args.args:
        return ""
    if not entry or len(test.args.args) > 1 or test.decorator_list:
        raise NotUnderstood(f"{test.name} has arguments that are no entry_point")
    return f"{test.args.args[0].arg} = {entry}"


def _argument(node: ast.stmt) -> str:
    """`f` of `check(f)`."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        names = [one.id for one in node.value.args if isinstance(one, ast.Name)]
        return names[0] if len(names) == len(node.value.args) == 1 else ""
    return ""


def _is_call(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)


def _read(statements: Iterable[ast.stmt], alias: str = "") -> list[Assertion]:
    scope = _Scope()
    setup = [_Step.of(node) for node in ast.parse(alias).body]
    own_setup: list[str] = []
    found: list[Assertion] = []
    for node in statements:
        if isinstance(node, ast.ImportFrom | ast.Import) and _imports(node) & NOT_THERE:
            continue
        if _used(node) & NOT_THERE:
            raise NotUnderstood(f"it needs what is not there: {ast.unparse(node)[:80]}")
        if isinstance(node, ast.Assert):
            reader = _Reader(scope)
            condition = reader.visit(node.test)
            check(condition)
            if not reader.asked:
                if not reader.places and evaluate(condition, ()):
                    continue  # as in HumanEval: `assert True, "good for debugging"`
                raise NotUnderstood(f"it asks nothing of the program: {ast.unparse(node)}")
            needed = _needed(setup, reader.asked)
            found.append(reader.assertion(condition, needed, "\n".join(own_setup)))
            # What the program's objects have been asked may have changed them.
            setup += [_Step.of(ast.parse(text).body[0]) for text in reader.asked_of_objects]
        elif any(isinstance(inner, ast.Assert) for inner in ast.walk(node)):
            raise NotUnderstood(f"an assert inside of {type(node).__name__}, line {node.lineno}")
        else:
            setup.append(_Step.of(node))
            if scope.enter(node):
                own_setup.append(ast.unparse(node))
    return found


@dataclass(frozen=True)
class _Step:
    """A statement of a test before an assert."""

    text: str
    bound: frozenset[str]
    used: frozenset[str]

    @classmethod
    def of(cls, node: ast.stmt) -> "_Step":
        return cls(ast.unparse(node), frozenset(_bound(node)), frozenset(_used(node)))


def _needed(setup: Sequence[_Step], asked: Sequence[str]) -> str:
    """The statements that the program's answers depend on. No others: in `expected = 5` it would
    read what is expected."""
    names = {name for text in asked for name in _used(ast.parse(text))}
    kept: list[str] = []
    for step in reversed(setup):
        if step.bound & names or "*" in step.bound or (not step.bound and step.used & names):
            kept.append(step.text)
            names |= step.used
    return "\n".join(reversed(kept))


def _imports(node: ast.Import | ast.ImportFrom) -> set[str]:
    return {node.module or ""} if isinstance(node, ast.ImportFrom) else set(_bound(node))


class _Scope:
    """Which names of a test come from itself, and which from the program or what that made."""

    def __init__(self) -> None:
        self._own: set[str] = set()
        self._variables: set[str] = set()
        self.objects: set[str] = set()
        """Names of the test that hold what the program made."""

    def enter(self, statement: ast.stmt) -> bool:
        """Takes up what a statement binds; whether it is the test's own, without the program."""
        bound = set(_bound(statement))
        if self.needs_program(statement):
            if isinstance(statement, ast.Expr):  # asked for what it does, not for what it returns
                bound |= _used(statement) & self._variables
            self.objects |= bound
            self._own -= bound
            return False
        if isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
            self._variables |= bound
        self._own |= bound
        self.objects -= bound
        return True

    def needs_program(self, node: ast.AST) -> bool:
        """Whether it uses a name that the test does not have by itself."""
        return bool(_used(node) - set(_bound(node)) - self._own - BUILTINS - FUNCTIONS.keys())

    def is_of_program(self, name: str) -> bool:
        return name not in self._own | BUILTINS | MODULES | FUNCTIONS.keys()


def _used(node: ast.AST) -> set[str]:
    return {
        inner.id
        for inner in ast.walk(node)
        if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Load)
    }


def _bound(node: ast.AST) -> Iterable[str]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name) and not isinstance(inner.ctx, ast.Load):
            yield inner.id
        elif isinstance(inner, ast.FunctionDef | ast.ClassDef):
            yield inner.name
        elif isinstance(inner, ast.alias):
            yield (inner.asname or inner.name).partition(".")[0]
        elif isinstance(inner, ast.arg):
            yield inner.arg


class _Reader(ast.NodeTransformer):
    """Takes out of a condition what the program must answer, and what the test computes."""

    def __init__(self, scope: _Scope) -> None:
        self._scope = scope
        self._computed: list[str] = []
        self.places: list[tuple[bool, int]] = []
        self.asked: list[str] = []
        self.asked_of_objects: list[str] = []

    def visit(self, node: ast.AST) -> Any:
        if not isinstance(node, ast.expr) or isinstance(node, ast.Constant):
            return super().visit(node)
        if not self._scope.needs_program(node):
            return node if _is_pure(node) else self._taken(node, self._computed, of_program=False)
        root = _root(node)
        if root and self._scope.is_of_program(root):
            if root in self._scope.objects:
                self.asked_of_objects.append(ast.unparse(node))
            return self._taken(node, self.asked, of_program=True)
        if isinstance(node, ast.Call):
            return self._with_visited_arguments(node)
        return self.generic_visit(node)

    def _with_visited_arguments(self, node: ast.Call) -> ast.Call:
        """What is called is judged by its name, or by what it is a method of."""
        if isinstance(node.func, ast.Attribute) and name_of(node.func) not in FUNCTIONS:
            node.func.value = self.visit(node.func.value)
        node.args = [self.visit(argument) for argument in node.args]
        for keyword in node.keywords:
            keyword.value = self.visit(keyword.value)
        return node

    def _taken(self, node: ast.expr, expressions: list[str], *, of_program: bool) -> ast.expr:
        expressions.append(ast.unparse(node))
        self.places.append((of_program, len(expressions) - 1))
        place: Any = Place(len(self.places) - 1)
        return ast.copy_location(ast.Constant(place), node)

    def assertion(self, condition: ast.expr, setup: str, own_setup: str) -> Assertion:
        return Assertion(
            condition,
            tuple(self.places),
            tuple(self.asked),
            setup,
            tuple(self._computed),
            own_setup,
        )


def _is_pure(node: ast.expr) -> bool:
    try:
        check(node)
    except NotUnderstood:
        return False
    return True


def _root(node: ast.expr) -> str | None:
    """The name that a call, an attribute or an item begins with."""
    while not isinstance(node, ast.Name):
        if isinstance(node, ast.Call):
            node = node.func
        elif isinstance(node, ast.Attribute | ast.Subscript | ast.Starred):
            node = node.value
        else:
            return None
    return node.id
