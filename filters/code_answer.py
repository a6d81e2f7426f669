"""Does the program of an answer pass the tests?"""

import math
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, ClassVar

from filters.in_sandbox import InSandbox
from filters.programs.extraction import program_of
from filters.programs.suite import Case, Script, Suite, read_suite
from filters.programs.values import read_value
from filters.scorer import FieldType, Response
from schemas.errors import SandboxError
from schemas.ports import ProgramLimits, ProgramRun, ProgramTest
from schemas.score import FALSE, TRUE, UNPARSABLE, FieldValue, Score

SUITES, LARGE_SUITES = 256, 2
"""That are remembered: samples of a prompt come one after the other."""
LARGE = 100_000
"""Characters of a reference."""
SLOWER = 5.0
"""So many times as long as the reference's solution may a program take."""
LEAST_SECONDS = 1.0
CHECK = "bool(check(*arguments))"
SIGKILL = 9
AN_OBJECT = '["object"'
"""In a result."""
BAD_TESTS = (
    ArithmeticError, AttributeError, LookupError, MemoryError, RecursionError, SyntaxError,
    TypeError, ValueError,
)  # fmt: skip
"""What reading tests raises that are none."""
LEETCODE = (
    "import bisect, collections, copy, functools, heapq, itertools, math, operator, random, re\n"
    "from bisect import *; from collections import *; from functools import *\n"
    "from heapq import *; from itertools import *; from math import *; from typing import *\n"
    "from builtins import *\n"  # math has another pow
)
EVIDENCE = 500
"""Characters."""


class CodeScorer(InSandbox):
    """All tests passed, or the reason of the first that did not.

    A program runs in a sandbox alone; what it answers is compared outside. Without a sandbox
    nothing runs, and the score is null for `no_sandbox`.
    """

    name: ClassVar[str] = "code"
    version: ClassVar[int] = 2
    fields: ClassVar[Mapping[str, FieldType]] = {"passed": int, "total": int, "isolation": str}
    sees_libraries: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__()
        self._small = lru_cache(SUITES)(self._prepare)
        self._large = lru_cache(LARGE_SUITES)(self._prepare)

    def libraries(self) -> Mapping[str, str]:
        return {"python": ".".join(map(str, sys.version_info[:2]))}

    def __call__(self, response: Response) -> Score:
        reference = response.reference or ""
        if not reference.strip():
            return self.unscored("no_reference")
        if self.sandbox is None:
            return self.without_sandbox()
        try:
            prepared = (self._small if len(reference) < LARGE else self._large)(reference)
            if isinstance(prepared, str):
                return self.unscored("bad_tests", prepared)
            program = program_of(response.answer, prepared.suite.defines)
            if program is None:
                end = response.answer[-EVIDENCE:]
                return self._score(prepared.suite, 0, "no_code", end, UNPARSABLE)
            return self._judged(prepared, _as_leetcode(program))
        except SandboxError as error:
            return self.unscored("no_sandbox", str(error))

    def _prepare(self, reference: str) -> "_Prepared | str":
        """The tests, with what they compute without a program, and the limit that the reference's
        solution sets; or what is wrong with them."""
        try:
            suite = read_suite(reference)
            prepared = _Prepared(
                suite,
                tuple(self._test(case, suite.limits) for case in suite.cases),
                tuple(
                    self._test(case.among_objects, suite.limits) if case.among_objects else None
                    for case in suite.cases
                ),
            )
            self._try_checker(suite)
            return self._scaled(prepared) if suite.solution else prepared
        except BAD_TESTS as error:
            return f"{type(error).__name__}: {error}"

    def _scaled(self, prepared: "_Prepared") -> "_Prepared":
        suite = prepared.suite
        runs = self._run(suite.solution, [case.test() for case in suite.cases], suite.limits)
        verdicts = self._verdicts(prepared, suite.solution, runs)
        if not all(verdicts):
            place = verdicts.index(False)
            raise ValueError(f"the solution fails test {place}: {_reason(runs[place])}")
        slowest = max(run.cpu_s for run in runs)
        seconds = min(suite.limits.cpu_s, max(LEAST_SECONDS, math.ceil(SLOWER * slowest)))
        return replace(prepared, suite=replace(suite, limits=replace(suite.limits, cpu_s=seconds)))

    def _test(self, case: Case, limits: ProgramLimits) -> "_Test":
        test = case.own()
        if test is None:
            return _Test(case, ())
        [run] = self._run("", [test], limits)
        if run.result is None:
            raise ValueError(f"a test cannot compute what it expects: {run.stderr[-200:]!r}")
        return _Test(case, read_value(run.result))

    def _run(
        self, source: str, tests: Sequence[ProgramTest], limits: ProgramLimits
    ) -> list[ProgramRun]:
        assert self.sandbox is not None
        return self.sandbox.run(source, tests, limits)

    def _judged(self, prepared: "_Prepared", program: str) -> Score:
        suite = prepared.suite
        runs = self._run(program, [case.test() for case in suite.cases], suite.limits)
        verdicts = self._verdicts(prepared, program, runs)
        if all(verdicts):
            return self._score(suite, len(verdicts), None, None, TRUE)
        place = verdicts.index(False)
        run, case = runs[place], suite.cases[place]
        reason = _reason(run)
        said = run.stderr.decode("utf-8", "replace").strip()[-EVIDENCE:]
        evidence = case.told(run) if reason == "wrong_answer" else said
        return self._score(suite, sum(verdicts), reason, f"test {place}: {evidence}", FALSE)

    def _verdicts(self, prepared: "_Prepared", program: str, runs: list[ProgramRun]) -> list[bool]:
        """Of each test; those behind a late one have not run, and have not passed."""
        suite = prepared.suite
        asked = list(zip(prepared.tests, runs, strict=False))
        verdicts = [_passes(test, run) for test, run in asked]
        self._ask_among_objects(prepared, program, asked, verdicts)
        self._ask_tests(suite, asked, verdicts)
        if suite.checker:
            self._ask_checker(suite, runs, verdicts)
        return verdicts + [False] * (len(suite.cases) - len(verdicts))

    def _ask_among_objects(
        self, prepared: "_Prepared", program: str, asked: list["_Asked"], verdicts: list[bool]
    ) -> None:
        """Where answers were objects: how they compare to each other is asked of the program."""
        among = {
            place: test
            for place, (_, run) in enumerate(asked)
            if (test := prepared.among_objects[place])
            and not verdicts[place]
            and AN_OBJECT in (run.result or "")
        }
        tests = [test.case.test() for test in among.values()]
        again = self._run(program, tests, prepared.suite.limits) if tests else []
        for (place, test), run in zip(among.items(), again, strict=False):
            asked[place] = test, run
            verdicts[place] = _passes(test, run)

    def _ask_tests(self, suite: Suite, asked: Sequence["_Asked"], verdicts: list[bool]) -> None:
        """Where a condition is code: it runs without the program, on what that has answered."""
        tests = {place: code for place, one in enumerate(asked) if (code := _decided_by(*one))}
        decided = self._run("", list(tests.values()), suite.limits) if tests else []
        for place, run in zip(tests, decided, strict=False):
            verdicts[place] = run.result == "true"

    def _ask_checker(self, suite: Suite, runs: Sequence[ProgramRun], verdicts: list[bool]) -> None:
        """Asks the prompt's checker, which never meets the program, of outputs that are not the
        expected ones. One that it fails on is wrong: it has understood the expected ones."""
        for place, (case, run) in enumerate(zip(suite.cases, runs, strict=False)):
            if isinstance(case, Script) and _ended_well(run) and not verdicts[place]:
                test = _checked(case, run.stdout.decode("utf-8", "replace"))
                [check, *_] = self._run(suite.checker, [test], suite.limits)
                verdicts[place] = check.result == "true"

    def _try_checker(self, suite: Suite) -> None:
        """ValueError where it fails on what is expected."""
        scripts = [case for case in suite.cases if isinstance(case, Script) and case.output.strip()]
        if not (suite.checker and scripts):
            return
        [check, *_] = self._run(
            suite.checker, [_checked(scripts[0], scripts[0].output)], suite.limits
        )
        if check.result is None:
            raise ValueError(f"the checker fails on an expected output: {check.stderr[-200:]!r}")

    def _score(
        self, suite: Suite, passed: int, reason: str | None, evidence: str | None, verdict: str
    ) -> Score:
        assert self.sandbox is not None
        isolation, total = self.sandbox.isolation, len(suite.cases)
        values: dict[str, FieldValue] = {"passed": passed, "total": total, "isolation": isolation}
        return Score(values, verdict, reason, evidence)


def _checked(case: Script, output: str) -> ProgramTest:
    return ProgramTest(expression=CHECK, arguments=(case.input, case.output, output))


def _as_leetcode(program: str) -> str:
    """With the names that LeetCode has everywhere; answers to its prompts count on them."""
    needs = re.search(r"^class Solution\b", program, re.MULTILINE) and "__future__" not in program
    return LEETCODE + program if needs else program


@dataclass(frozen=True)
class _Test:
    """A case with what it computes without a program."""

    case: Case
    own: Sequence[Any]


_Asked = tuple[_Test, ProgramRun]


@dataclass(frozen=True)
class _Prepared:
    """A suite's tests, and what they are where a program's answers are objects."""

    suite: Suite
    tests: tuple[_Test, ...]
    among_objects: tuple[_Test | None, ...]


def _ended_well(run: ProgramRun) -> bool:
    return run.how == "ended" and run.status == 0


def _passes(test: _Test, run: ProgramRun) -> bool:
    try:
        return _ended_well(run) and test.case.passes(run, test.own)
    except Exception:  # it has no result, or one whose values raise what they like
        return False


def _decided_by(test: _Test, run: ProgramRun) -> ProgramTest | None:
    try:
        return test.case.decided_by(run, test.own) if _ended_well(run) else None
    except Exception:  # it has no result, or one whose values raise what they like
        return None


def _reason(run: ProgramRun) -> str:
    """Why a test was not passed."""
    if run.how == "not_compiled":
        return "syntax_error"
    if run.how == "late":
        return "timeout"
    if run.how == "greedy" or (run.how == "killed" and run.status == SIGKILL):
        return "memory"
    if run.how == "flooded":
        return "output_limit"
    last = run.stderr.strip().rpartition(b"\n")[2]
    if last.startswith(b"MemoryError"):
        return "memory"
    if last.startswith(b"OSError: [Errno 27]"):
        return "output_limit"
    return "wrong_answer" if _ended_well(run) else "crash"
