"""The tests of a programming prompt, as a reference spells them."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from filters.programs.assertions import Assertion, assertions_of
from filters.programs.outputs import same_output
from filters.programs.values import as_json, is_plain, is_shallow, read_value, same_value
from schemas.ports import ProgramLimits, ProgramRun, ProgramTest

MIB = 2**20
LONGEST = 4_000_000
"""Characters of an input or output; a program's own are cut at about as many."""
LARGE = 100_000
"""Characters of a result."""
DEFAULT_SECONDS = 4.0
SECONDS, MEMORY_MB = (0.1, 60.0), (32, 1024)
"""What a reference may ask for."""


class Decided:
    """A test that is decided by its run alone."""

    @property
    def among_objects(self) -> "Asserted | None":
        """The same test, for a program whose answers are objects."""
        return None

    def own(self) -> ProgramTest | None:
        """What the test computes without the program."""
        return None

    def decided_by(self, run: ProgramRun, own: Sequence[Any]) -> ProgramTest | None:
        """What decides in a process of its own, without the program; ValueError where the program
        has said nothing that makes sense."""
        return None


@dataclass(frozen=True)
class Script(Decided):
    """What a program writes for an input."""

    input: str
    output: str

    def test(self) -> ProgramTest:
        return ProgramTest(stdin=self.input.encode("utf-8", "surrogatepass"))

    def passes(self, run: ProgramRun, own: Sequence[Any]) -> bool:
        return same_output(self.output, run.stdout.decode("utf-8", "replace"))

    def told(self, run: ProgramRun) -> str:
        got = run.stdout.decode("utf-8", "replace")
        return f"input {self.input!r:.200}: expected {self.output!r:.200}, got {got!r:.200}"


@dataclass(frozen=True)
class Call(Decided):
    """What a function returns, or a method (`Class.method`); one that is not there by itself is
    looked for in a class `Solution`, as LeetCode and its datasets have it."""

    function: str
    arguments: tuple[Any, ...]
    returns: Any
    or_returns: tuple[Any, ...] = ()
    """APPS wraps what is returned in a list of its own, and TACO does not always."""

    def test(self) -> ProgramTest:
        owner, dot, method = self.function.rpartition(".")
        plain = f"({method} if {method!r} in globals() else Solution().{method})"
        function = f"{owner}().{method}" if dot else plain
        return ProgramTest(expression=f"{function}(*arguments)", arguments=self.arguments)

    def passes(self, run: ProgramRun, own: Sequence[Any]) -> bool:
        answer = as_json(read_value(run.result or ""))
        return any(same_value(as_json(one), answer) for one in (self.returns, *self.or_returns))

    def told(self, run: ProgramRun) -> str:
        called = f"{self.function}{self.arguments!r:.200}"
        return f"{called}: expected {self.returns!r:.200}, got {run.result or 'no result':.200}"


@dataclass(frozen=True)
class Asserted(Decided):
    """What an assert says of a program's answers."""

    assertion: Assertion

    @property
    def among_objects(self) -> "Asserted | None":
        among = self.assertion.among_objects
        return Asserted(among) if among else None

    def test(self) -> ProgramTest:
        setup = _repeatable(self.assertion.setup)
        return ProgramTest(expression=_tuple(self.assertion.asked), setup=setup)

    def own(self) -> ProgramTest | None:
        if not self.assertion.computed:
            return None
        computed = _tuple(self.assertion.computed)
        return ProgramTest(expression=computed, setup=_repeatable(self.assertion.own_setup))

    def passes(self, run: ProgramRun, own: Sequence[Any]) -> bool:
        answers = read_value(run.result or "")
        return not self._is_code(run) and self.assertion.holds(answers, own)

    def decided_by(self, run: ProgramRun, own: Sequence[Any]) -> ProgramTest | None:
        """Where the condition is code, and the answers are data."""
        if not self._is_code(run):
            return None
        values = self.assertion.values(read_value(run.result or ""), own)
        if not all(map(is_plain, values)):
            return None
        setup, code = self.assertion.own_setup, f"bool({self.assertion.code})"
        return ProgramTest(expression=code, setup=_repeatable(setup), arguments=tuple(values))

    def _is_code(self, run: ProgramRun) -> bool:
        """Also where the answers are large: what they cost is then the sandbox's to limit."""
        return not self.assertion.is_understood or len(run.result or "") > LARGE

    def told(self, run: ProgramRun) -> str:
        return f"{', '.join(self.assertion.asked):.300}: got {run.result or 'no result':.200}"


def _repeatable(setup: str) -> str:
    """What is asked and what is computed are two processes, and must draw the same numbers."""
    return f"import random as _random\n_random.seed(0)\n{setup}" if "random" in setup else setup


Case = Script | Call | Asserted


@dataclass(frozen=True)
class Suite:
    """Tests, what a run of one may use, and what else a reference brings."""

    cases: tuple[Case, ...]
    limits: ProgramLimits
    checker: str = ""
    """Source of `check(input, expected, actual)`, for scripts with many right outputs."""
    solution: str = ""
    """A program that is right; how long it takes scales the limit."""
    defines: str = ""
    """A name that the program must define."""


def read_suite(reference: str) -> Suite:
    """The suite of a reference, which is JSON (or the source of asserts alone):

    `{"tests": [{"input": …, "output": …}, {"call": "f", "arguments": […], "returns": …},
    "assert f(1) == 2"], "setup": …, "entry_point": "f", "checker": …, "solution": …,
    "time_limit": seconds, "memory_limit": MB}`, a list of such tests, APPS' and TACO's
    `{"inputs": …, "outputs": …, "fn_name": …}`, and LiveCodeBench's lists with `testtype`.

    ValueError with what is wrong.
    """
    try:
        told = json.loads(reference)
    except (ValueError, RecursionError):
        told = reference
    told = told if isinstance(told, dict) else {"tests": told}
    entry = _text(told, "entry_point") or _text(told, "fn_name") or _text(told, "func_name")
    if "inputs" in told:
        cases = list(_paired(told, entry))
    else:
        tests = told.get("tests") or told.get("test_list") or told.get("test")
        listed = _joined(tests if isinstance(tests, list) else [tests])
        setup = _text(told, "setup") or _text(told, "test_setup_code")
        cases = [case for test in listed for case in _cases(test, setup, entry)]
    if not cases:
        raise ValueError("there are no tests")
    return Suite(
        tuple(cases),
        ProgramLimits(
            cpu_s=_number(told, "time_limit", DEFAULT_SECONDS, *SECONDS),
            memory_bytes=int(_number(told, "memory_limit", 512, *MEMORY_MB)) * MIB,
        ),
        checker=_text(told, "checker"),
        solution=_text(told, "solution"),
        defines=_defined(cases, entry),
    )


def _joined(tests: list[Any]) -> list[Any]:
    """Statements may stand in several texts, as those of an object's life."""
    texts = [test for test in tests if isinstance(test, str)]
    return ["\n".join(texts)] if texts and len(texts) == len(tests) else tests


def _cases(test: Any, setup: str, entry: str) -> Iterator[Case]:
    if isinstance(test, str):
        yield from map(Asserted, assertions_of(f"{setup}\n{test}", entry))
    elif not isinstance(test, dict):
        raise ValueError(f"a test is an object or an assert, not {str(test)[:80]!r}")
    elif "call" in test:
        arguments = test.get("arguments", [])
        if not isinstance(arguments, list):
            raise ValueError(f"arguments must be a list, not {arguments!r:.80}")
        yield _call(test["call"], arguments, test.get("returns"))
    elif test.get("testtype") == "functional":
        lines = [json.loads(line) for line in test["input"].split("\n") if line.strip()]
        name = (test.get("metadata") or {}).get("func_name") or entry
        if not name:
            raise ValueError("a functional test needs func_name, in its metadata or beside it")
        yield _call(name, lines, json.loads(test["output"]))
    elif {"input", "output"} <= test.keys():
        yield Script(_lines(test["input"]), _lines(test["output"]))
    else:
        raise ValueError(f"a test has input and output, or call and returns, not {list(test)}")


def _paired(told: dict[str, Any], entry: str) -> Iterator[Case]:
    inputs, outputs = told["inputs"], told.get("outputs")
    if not (isinstance(inputs, list) and isinstance(outputs, list) and len(inputs) == len(outputs)):
        raise ValueError("inputs and outputs must be lists of the same length")
    for one, other in zip(inputs, outputs, strict=True):
        if entry:
            unwrapped = tuple(other) if isinstance(other, list) and len(other) == 1 else ()
            yield _call(entry, one, other, unwrapped)
        else:
            yield Script(_lines(one), _lines(other))


def _lines(value: Any) -> str:
    """APPS also has lists of lines."""
    if isinstance(value, list):
        value = "\n".join(map(str, value))
    if not isinstance(value, str):
        raise ValueError(f"input and output are texts, not {value!r:.80}")
    if len(value) > LONGEST:
        raise ValueError(f"an input or output has {len(value):,} characters, more than {LONGEST:,}")
    return value


def _call(name: Any, arguments: Any, returns: Any, or_returns: tuple[Any, ...] = ()) -> Call:
    if not (is_shallow(arguments) and is_shallow(returns)):
        raise ValueError("a test is nested too deeply")
    return Call(_function(name), tuple(arguments), returns, or_returns)


def _function(name: Any) -> str:
    if not isinstance(name, str) or not all(part.isidentifier() for part in name.split(".")):
        raise ValueError(f"{name!r:.80} is no function's name")
    return name


def _defined(cases: Sequence[Case], entry: str) -> str:
    called = next((case.function for case in cases if isinstance(case, Call)), "")
    asserted = next((case.assertion.asks_for for case in cases if isinstance(case, Asserted)), "")
    return (called or entry or asserted).partition(".")[0]


def _tuple(expressions: Sequence[str]) -> str:
    return f"({', '.join(expressions)},)"


def _text(told: dict[str, Any], name: str) -> str:
    value = told.get(name) or ""
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a text")
    return value


def _number(told: dict[str, Any], name: str, otherwise: float, least: float, most: float) -> float:
    value = told.get(name) or otherwise
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ValueError(f"{name} must be a number from {least} to {most}")
    return float(value)
