"""Asserts taken apart: what the program must answer, and what must be true of its answers.

`assert sorted(f(3)) == [1, 2]` becomes the expression `f(3)`, evaluated beside the program, and
`sorted(_) == [1, 2]`, decided here. A program that shares a process with the comparison can answer
with an object that is equal to everything, or leave before it is made (11 of 17 wrong programs got
through a plain assert, measured). What a test computes without the program is computed without it
too: a program may have made `range` something else.
"""

import ast
from collections.abc import Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

from filters.programs.names import LIBRARIES, Scope, bound, used
from filters.programs.plain import RAISED, asserts, parametrized, plain
from filters.programs.pure import NotUnderstood, evaluate
from filters.programs.reader import Reader
from filters.programs.unit_tests import functions_of

NOT_THERE = {"solution", "pytest", *LIBRARIES}
"""Modules; the first is how some harnesses call the program."""


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
    asks_for: str
    """A name that the program must define."""
    code: str = ""
    """The condition as Python over `arguments`, which the answers are, for a process of its own
    after `own_setup`."""
    is_understood: bool = True
    """Or it is more than what can be decided here, as in `is_valid(f(1))`."""
    among_objects: "Assertion | None" = None
    """The same, for answers that are objects and mean nothing outside of the program."""

    def holds(self, answers: Sequence[Any], own: Sequence[Any]) -> bool:
        """Whether it is true, if that is understood; what the values are not fit for is false."""
        try:
            return bool(evaluate(self.condition, self.values(answers, own)))
        except Exception:  # such as an order between a text and a number
            return False

    def values(self, answers: Sequence[Any], own: Sequence[Any]) -> list[Any]:
        """That stand at the places of the condition."""
        return [(answers if asked else own)[number] for asked, number in self.places]


def assertions_of(source: str, entry: str = "") -> list[Assertion]:
    """The asserts of a test's source.

    `def check(candidate): …`, whose argument is the program's `entry`, `def test_…():` and the
    tests of a `unittest.TestCase` are what their bodies are; loops over what a test spells out, and
    what must raise, are understood. NotUnderstood for what cannot be taken apart, SyntaxError and
    what else the parser raises.
    """
    statements = functions_of(ast.parse(source).body)
    tests = [node for node in statements if isinstance(node, ast.FunctionDef) and _is_test(node)]
    if not tests:
        return _read(statements)
    entry = entry or next(filter(None, map(_argument, statements)), "")
    before = [node for node in statements if node not in tests and not _is_call(node)]
    found = []
    for test in tests:
        alias = _alias(test, entry)
        body = test.body if alias else parametrized(test)
        found += _read([*before, *body], alias)
    return found


def _is_test(node: ast.FunctionDef) -> bool:
    """A helper called `check_order` is none, as long as it asserts nothing."""
    return node.name == "check" or (node.name.startswith(("test", "check")) and asserts(node.body))


def _alias(test: ast.FunctionDef, entry: str) -> str:
    if not test.args.args or test.decorator_list:
        return ""
    if not entry or len(test.args.args) > 1:
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


def _read(statements: Sequence[ast.stmt], alias: str = "") -> list[Assertion]:
    spelt = plain(statements)
    try:
        return _Reading(alias).of(spelt)
    except AsksNothing as nothing:
        if not nothing.built_in:
            raise
        return _Reading(alias, nothing.built_in).of(spelt)


class AsksNothing(NotUnderstood):
    """An assert without a call of the program, if the program's is not this built-in name: MBPP
    has a task whose answer is called `sum`."""

    def __init__(self, node: ast.Assert) -> None:
        super().__init__(f"it asks nothing of the program: {ast.unparse(node)[:80]}")
        calls = [inner for inner in ast.walk(node) if isinstance(inner, ast.Call)]
        names = [call.func.id for call in calls if isinstance(call.func, ast.Name)]
        self.built_in = names[0] if names else ""


class _Reading:
    """Of the statements of a test, from the first to the last."""

    def __init__(self, alias: str, built_in: str = "") -> None:
        self._scope = Scope({built_in} - {""})
        self._setup = [_Step.of(node) for node in ast.parse(alias).body]
        self._own_setup: list[str] = []
        self._found: list[Assertion] = []

    def of(self, statements: Iterable[ast.stmt]) -> list[Assertion]:
        for node in statements:
            if isinstance(node, ast.ImportFrom | ast.Import) and _imports(node) & NOT_THERE:
                continue
            if used(node) & NOT_THERE:
                raise NotUnderstood(f"it needs what is not there: {ast.unparse(node)[:80]}")
            if isinstance(node, ast.Assert):
                self._assert(node)
            elif any(isinstance(inner, ast.Assert) for inner in ast.walk(node)):
                kind = type(node).__name__
                raise NotUnderstood(f"an assert inside of {kind}, line {node.lineno}")
            else:
                self._setup.append(_Step.of(node))
                if self._scope.enter(node):
                    self._own_setup.append(ast.unparse(node))
        return self._found

    def _assert(self, node: ast.Assert) -> None:
        scope = self._scope
        try:
            reader = self._reader(node, scope)
        except NotUnderstood as error:
            scope = scope.with_changes()
            try:
                reader = self._reader(node, scope, with_changes=True)
            except NotUnderstood:
                raise error from None
        if not reader.asked:
            return  # as in HumanEval: `assert True, "good for debugging"`
        found = self._assertion(reader)
        among = self._reader(node, scope, among_objects=True)
        if among.asked != reader.asked:
            found = replace(found, among_objects=self._assertion(among))
        self._found.append(found)
        # What the program's objects have been asked may have changed them.
        self._setup += [_Step.of(ast.parse(text).body[0]) for text in reader.asked_of_objects]
        for text in reader.asked:
            call = ast.parse(text)
            if text.startswith(RAISED):
                self._setup.append(self._raised(text))
            elif self._scope.hand(call):
                self._setup.append(replace(_Step.of(call.body[0]), changes_only=True))

    def _raised(self, text: str) -> "_Step":
        """What raises may change what it uses."""
        step = _Step.of(ast.parse(text).body[0])
        bodies = [one.used for one in self._setup if one.bound & step.used]
        return replace(step, used=step.used.union(*bodies))

    def _reader(
        self,
        node: ast.Assert,
        scope: Scope,
        *,
        among_objects: bool = False,
        with_changes: bool = False,
    ) -> Reader:
        reader = Reader(scope, among_objects=among_objects, with_changes=with_changes)
        reader.read(deepcopy(node.test))
        if not reader.asked and (reader.places or not _is_true(reader.condition)):
            raise AsksNothing(node)
        return reader

    def _assertion(self, reader: Reader) -> Assertion:
        objects = reader.objects()
        setup = _needed(self._setup, reader.asked, objects, with_changes=reader.with_changes)
        return Assertion(
            reader.condition,
            tuple(reader.places),
            tuple(reader.asked),
            setup,
            tuple(reader.computed),
            "\n".join(self._own_setup),
            self._scope.first_of_program((setup, *reader.asked)),
            reader.code(),
            reader.is_understood(),
        )


@dataclass(frozen=True)
class _Step:
    """A statement of a test before an assert."""

    text: str
    bound: frozenset[str]
    used: frozenset[str]
    changes_only: bool = False
    """It is an earlier question, repeated for what it may have changed."""

    @classmethod
    def of(cls, node: ast.stmt) -> "_Step":
        return cls(ast.unparse(node), frozenset(bound(node)), frozenset(used(node)))


def _needed(
    setup: Sequence[_Step], asked: Sequence[str], objects: set[str], *, with_changes: bool
) -> str:
    """The statements that the program's answers depend on. No others: in `expected = 5` it would
    read what is expected."""
    names = {name for text in asked for name in used(ast.parse(text))}
    kept: set[int] = set()
    size = -1
    while size < len(kept):
        size = len(kept)
        for place in set(range(len(setup))) - kept:
            step = setup[place]
            if step.changes_only and not with_changes:
                continue
            # What an object of the program's is used for may change it, whatever that binds.
            changes = step.used & names and (not step.bound or step.used & names & objects)
            if step.bound & names or "*" in step.bound or changes:
                kept.add(place)
                names |= step.used
    return "\n".join(setup[place].text for place in sorted(kept))


def _imports(node: ast.Import | ast.ImportFrom) -> set[str]:
    return {node.module or ""} if isinstance(node, ast.ImportFrom) else set(bound(node))


def _is_true(condition: ast.expr) -> bool:
    try:
        return bool(evaluate(condition, ()))
    except Exception:  # whatever a wrong test raises
        return False
