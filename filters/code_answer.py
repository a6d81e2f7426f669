"""Does the program of an answer pass the tests?"""

import math
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import ClassVar

from filters.in_sandbox import InSandbox
from filters.programs.apart import modules, tester
from filters.programs.extraction import program_of
from filters.programs.plain import PlainAssert, is_data
from filters.programs.suite import Asserted, Call, Script, Suite, read_suite
from filters.programs.tester import ASKED, BAD, ENDED, RAISED, UNDECIDED, WRONG
from filters.programs.values import read_value
from filters.scorer import FieldType, Response
from schemas.errors import SandboxError
from schemas.ports import ApartTest, ProgramLimits, ProgramRun, ProgramTest
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
REASONS = {WRONG: "wrong_answer", RAISED: "crash", UNDECIDED: "undecided", BAD: "bad_tests"}
"""By what the tester says."""
NO_VERDICT = {"undecided", "bad_tests"}
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

    A program runs in a sandbox alone; what it answers is compared outside, or by a test in a
    sandbox of its own. Null for `undecided` where only an object of the program's could say whether
    it is what is expected, for `bad_tests`, and for `no_sandbox`, without which nothing runs.
    """

    name: ClassVar[str] = "code"
    version: ClassVar[int] = 3
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
            program = program_of(response.answer, prepared.defines)
            if program is None:
                end = response.answer[-EVIDENCE:]
                return self._score(prepared, 0, "no_code", end, UNPARSABLE)
            return self._judged(prepared, _as_leetcode(program))
        except SandboxError as error:
            return self.unscored("no_sandbox", str(error))

    def _prepare(self, reference: str) -> Suite | str:
        """The tests, with the limit that the reference's solution sets; or what is wrong with
        them."""
        try:
            suite = read_suite(reference)
            self._try_checker(suite)
            return self._scaled(suite) if suite.solution else suite
        except BAD_TESTS as error:
            return f"{type(error).__name__}: {error}"

    def _scaled(self, suite: Suite) -> Suite:
        outcomes = self._outcomes(suite, suite.solution)
        for place, outcome in enumerate(outcomes):
            if outcome.reason:
                told = f"{outcome.reason}, {outcome.evidence}"
                raise ValueError(f"the solution fails test {place}: {told}")
        slowest = max(outcome.cpu_s for outcome in outcomes)
        seconds = min(suite.limits.cpu_s, max(LEAST_SECONDS, math.ceil(SLOWER * slowest)))
        return replace(suite, limits=replace(suite.limits, cpu_s=seconds))

    def _run(
        self, source: str, tests: Sequence[ProgramTest], limits: ProgramLimits
    ) -> list[ProgramRun]:
        assert self.sandbox is not None
        return self.sandbox.run(source, tests, limits)

    def _judged(self, suite: Suite, program: str) -> Score:
        outcomes = self._outcomes(suite, program)
        passed = sum(outcome.passed for outcome in outcomes)
        failed = [(place, one) for place, one in enumerate(outcomes) if one.reason]
        if not failed:
            return self._score(suite, passed, None, None, TRUE)
        # Whoever fails one test is wrong, whatever nobody can say about the others.
        place, first = min(failed, key=lambda one: one[1].reason in NO_VERDICT)
        verdict = None if first.reason in NO_VERDICT else FALSE
        return self._score(suite, passed, first.reason, f"test {place}: {first.evidence}", verdict)

    def _outcomes(self, suite: Suite, program: str) -> list["_Outcome"]:
        """Of each test; those behind a late one have not run, and have not passed."""
        shared = [case for case in suite.cases if not isinstance(case, Asserted)]
        tests = [case.test() for case in shared]
        runs = iter(self._run(program, tests, suite.limits) if tests else [])
        outcomes: list[_Outcome] = []
        for case in suite.cases:
            if outcomes and outcomes[-1].reason in ("timeout", "not_run"):
                outcomes.append(_Outcome(0, "not_run", "another one was late"))
            elif isinstance(case, Asserted):
                outcomes.append(self._asserted(case, program, suite.limits))
            elif (run := next(runs, None)) is None:
                outcomes.append(_Outcome(0, "not_run", "another one ended the program"))
            else:
                outcomes.append(self._answered(case, run, suite))
        return outcomes

    def _answered(self, case: Script | Call, run: ProgramRun, suite: Suite) -> "_Outcome":
        if _ended_well(run):
            is_right = _passes(case, run)
            if isinstance(case, Script) and suite.checker and not is_right:
                is_right = self._accepts(suite, case, run)
            if is_right:
                return _Outcome(1, cpu_s=run.cpu_s)
            if isinstance(case, Script) or run.result is not None:
                return _Outcome(0, "wrong_answer", case.told(run))
        return _Outcome(0, _reason(run), _end_of(run))

    def _accepts(self, suite: Suite, case: Script, run: ProgramRun) -> bool:
        """Whether the prompt's checker, which never meets the program, takes an output that is not
        the expected one. One that it fails on is wrong: it has understood the expected ones."""
        test = _checked(case, run.stdout.decode("utf-8", "replace"))
        [check, *_] = self._run(suite.checker, [test], suite.limits)
        return check.result == "true"

    def _asserted(self, case: Asserted, program: str, limits: ProgramLimits) -> "_Outcome":
        assert self.sandbox is not None
        if case.plain and (outcome := self._plainly(case, program, limits)):
            return outcome
        test = case.test
        given = test["gives"]
        apart = ApartTest(
            tester(),
            (modules(), dict(test)),
            given=tuple(given),
            fixed=tuple(name for name, is_fixed in given.items() if is_fixed),
        )
        run, of_test = self.sandbox.run_apart(program, apart, limits)
        if run.how == "not_compiled":
            return _Outcome(0, "syntax_error", _end_of(run))
        told = _told(of_test.result)
        if told is None:
            # Before it has met the program, it is the test that takes too long.
            has_asked = of_test.stderr.startswith(ASKED)
            reason = _reason(run) if not _ended_well(run) else _reason(of_test)
            reason = reason if has_asked or not _ended_well(run) else "undecided"
            said = _end_of(run) or _end_of(of_test).removeprefix(ASKED.decode().strip()).strip()
            return _Outcome(0, reason, said)
        passed, kind, evidence = told
        if not kind:
            return _Outcome(passed, cpu_s=run.cpu_s)
        if kind == ENDED:
            reason = "crash" if _ended_well(run) else _reason(run)
            return _Outcome(passed, reason, _end_of(run) or evidence)
        if kind == RAISED and (known := _known_error(evidence)):
            return _Outcome(passed, known, evidence)
        return _Outcome(passed, REASONS[kind], evidence)

    def _plainly(self, case: Asserted, program: str, limits: ProgramLimits) -> "_Outcome | None":
        """By what the program answers alone; null where that is no data."""
        runs = self._run(program, [one.test() for one in case.plain], limits)
        asked = list(zip(case.plain, runs, strict=False))
        if not all(is_data(run) for _, run in asked):
            return None
        passed = [_ended_well(run) and _passes(one, run) for one, run in asked]
        if all(passed) and len(passed) == len(case.plain):
            return _Outcome(len(passed), cpu_s=max(run.cpu_s for run in runs))
        one, run = asked[passed.index(False)]
        if run.result is not None and _ended_well(run):
            return _Outcome(sum(passed), "wrong_answer", one.told(run))
        return _Outcome(sum(passed), _reason(run), _end_of(run))

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
        self,
        suite: Suite,
        passed: int,
        reason: str | None,
        evidence: str | None,
        verdict: str | None,
    ) -> Score:
        assert self.sandbox is not None
        isolation, total = self.sandbox.isolation, suite.checks
        values: dict[str, FieldValue] = {"passed": passed, "total": total, "isolation": isolation}
        return Score(values, verdict, reason, evidence)


def _checked(case: Script, output: str) -> ProgramTest:
    return ProgramTest(expression=CHECK, arguments=(case.input, case.output, output))


def _as_leetcode(program: str) -> str:
    """With the names that LeetCode has everywhere; answers to its prompts count on them."""
    needs = re.search(r"^class Solution\b", program, re.MULTILINE) and "__future__" not in program
    return LEETCODE + program if needs else program


@dataclass(frozen=True)
class _Outcome:
    """Of a test: how many of its checks were passed, and why not all."""

    passed: int
    reason: str | None = None
    evidence: str = ""
    cpu_s: float = 0.0


def _ended_well(run: ProgramRun) -> bool:
    return run.how == "ended" and run.status == 0


def _passes(case: Script | Call | PlainAssert, run: ProgramRun) -> bool:
    try:
        return case.passes(run)
    except Exception:  # it has no result, or one whose values raise what they like
        return False


def _told(result: str | None) -> tuple[int, str, str] | None:
    """What the tester says: checks passed, and why not all; null for nothing that makes sense."""
    try:
        passed, total, kind, evidence = read_value(result or "")
    except (TypeError, ValueError):
        return None
    is_known = kind in ("", ENDED, *REASONS) and isinstance(evidence, str)
    is_count = type(passed) is type(total) is int and 0 <= passed <= total
    return (passed, kind, evidence) if is_known and is_count else None


def _end_of(run: ProgramRun) -> str:
    return run.stderr.decode("utf-8", "replace").strip()[-EVIDENCE:]


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
    last = run.stderr.strip().rpartition(b"\n")[2].decode("utf-8", "replace")
    return _known_error(last) or ("wrong_answer" if _ended_well(run) else "crash")


def _known_error(text: str) -> str | None:
    if "MemoryError" in text:
        return "memory"
    return "output_limit" if "OSError: [Errno 27]" in text else None
