"""Asserts that spell out a call and what it returns, as most do.

They need no sandbox of their own: what the program answers is compared here.
"""

import ast
import builtins
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from filters.programs.sameness import same_value
from filters.programs.values import read_value
from schemas.ports import ProgramRun, ProgramTest

NO_DATA = re.compile(r'\["(?:object|iterator|said|range|deque|dict_\w+)"')
"""In a result: what it equals is not said by its content alone. No text holds these letters: its
quotes are escaped."""


@dataclass(frozen=True)
class PlainAssert:
    """`assert function(*arguments, **named) == expected`."""

    text: str
    function: str
    arguments: tuple[Any, ...]
    named: dict[str, Any]
    expected: Any
    is_identity: bool = False

    def test(self) -> ProgramTest:
        expression = f"{self.function}(*arguments[0], **arguments[1])"
        return ProgramTest(expression=expression, arguments=(self.arguments, self.named))

    def passes(self, run: ProgramRun) -> bool:
        answer = read_value(run.result or "")
        if self.is_identity:
            return answer is self.expected
        return same_value(answer, self.expected)

    def told(self, run: ProgramRun) -> str:
        return f"{self.text}: got {run.result or 'no result':.200}, expected {self.expected!r:.200}"


def is_data(run: ProgramRun) -> bool:
    return NO_DATA.search(run.result or "") is None


def plain_asserts(source: str, entry: str = "") -> tuple[PlainAssert, ...]:
    """The asserts of a test, if it is nothing but such, alone or in `def check(candidate)`; else
    none."""
    try:
        body = ast.parse(source).body
        return tuple(_read(body, entry))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return ()


def _read(body: Sequence[ast.stmt], entry: str) -> Iterator[PlainAssert]:
    for node in body:
        if isinstance(node, ast.Assert):
            if not (isinstance(node.test, ast.Constant) and node.test.value):
                yield _assert(node.test, {})
        elif isinstance(node, ast.FunctionDef) and node.name == "check" and entry:
            [candidate] = node.args.args
            for inner in node.body:
                if not isinstance(inner, ast.Assert):
                    raise ValueError("it does more")
                if not (isinstance(inner.test, ast.Constant) and inner.test.value):
                    yield _assert(inner.test, {candidate.arg: entry})
        elif not (isinstance(node, ast.Assign) and _is_metadata(node)) and not _calls_check(node):
            raise ValueError("it does more")


def _is_metadata(node: ast.Assign) -> bool:
    """Of HumanEval."""
    return [ast.unparse(target) for target in node.targets] == ["METADATA"]


def _calls_check(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and ast.unparse(node).startswith("check(")


def _assert(test: ast.expr, names: dict[str, str]) -> PlainAssert:
    """ValueError for another one."""
    if (
        not isinstance(test, ast.Compare)
        or len(test.ops) > 1
        or not isinstance(test.left, ast.Call)
    ):
        raise ValueError("no comparison of a call")
    call, [operator], [expected] = test.left, test.ops, test.comparators
    is_identity = isinstance(operator, ast.Is)
    is_single = isinstance(expected, ast.Constant) and expected.value in (None, True, False)
    if not (isinstance(operator, ast.Eq) or (is_identity and is_single)):
        raise ValueError("another comparison")
    if not isinstance(call.func, ast.Name) or call.func.id in dir(builtins):
        raise ValueError("no call of a function")
    return PlainAssert(
        ast.unparse(test)[:300],
        names.get(call.func.id, call.func.id),
        tuple(map(ast.literal_eval, call.args)),
        {str(one.arg): ast.literal_eval(one.value) for one in call.keywords},
        ast.literal_eval(expected),
        is_identity,
    )
