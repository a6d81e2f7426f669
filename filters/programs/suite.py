"""The tests of a programming prompt, as a reference spells them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from filters.programs.assertions import prepared
from filters.programs.outputs import same_output
from filters.programs.plain import PlainAssert, plain_asserts
from filters.programs.sameness import same_value
from filters.programs.values import as_json, is_shallow, read_value
from schemas.ports import ProgramLimits, ProgramRun, ProgramTest

MIB = 2**20
LONGEST = 4_000_000
"""Characters of an input or output; a program's own are cut at about as many."""
DEFAULT_SECONDS = 4.0
SECONDS, MEMORY_MB = (0.1, 60.0), (32, 1024)
"""What a reference may ask for."""


@dataclass(frozen=True)
class Script:
    """What a program writes for an input."""

    input: str
    output: str
    checks: ClassVar[int] = 1

    def test(self) -> ProgramTest:
        return ProgramTest(stdin=self.input.encode("utf-8", "surrogatepass"))

    def passes(self, run: ProgramRun) -> bool:
        return same_output(self.output, run.stdout.decode("utf-8", "replace"))

    def told(self, run: ProgramRun) -> str:
        got = run.stdout.decode("utf-8", "replace")
        return f"input {self.input!r:.200}: expected {self.output!r:.200}, got {got!r:.200}"


@dataclass(frozen=True)
class Call:
    """What a function returns, or a method (`Class.method`); one that is not there by itself is
    looked for in a class `Solution`, as LeetCode and its datasets have it."""

    function: str
    arguments: tuple[Any, ...]
    returns: Any
    or_returns: tuple[Any, ...] = ()
    """APPS wraps what is returned in a list of its own, and TACO does not always."""
    checks: ClassVar[int] = 1

    def test(self) -> ProgramTest:
        owner, dot, method = self.function.rpartition(".")
        plain = f"({method} if {method!r} in globals() else Solution().{method})"
        function = f"{owner}().{method}" if dot else plain
        return ProgramTest(expression=f"{function}(*arguments)", arguments=self.arguments)

    def passes(self, run: ProgramRun) -> bool:
        answer = as_json(read_value(run.result or ""))
        return any(same_value(answer, as_json(one)) for one in (self.returns, *self.or_returns))

    def told(self, run: ProgramRun) -> str:
        called = f"{self.function}{self.arguments!r:.200}"
        return f"{called}: expected {self.returns!r:.200}, got {run.result or 'no result':.200}"


@dataclass(frozen=True)
class Asserted:
    """A test's source: asserts, functions, classes, made ready to run apart from the program."""

    test: Mapping[str, Any]
    """See `assertions.prepared`."""
    plain: tuple[PlainAssert, ...]
    """The same, if it is nothing but such."""

    @property
    def checks(self) -> int:
        return len(self.test["texts"])


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

    @property
    def checks(self) -> int:
        return sum(case.checks for case in self.cases)


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
        yield Asserted(prepared(test, entry, setup), () if setup else plain_asserts(test, entry))
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
    asserted = next((case.test["asks_for"] for case in cases if isinstance(case, Asserted)), "")
    return (called or entry or asserted).partition(".")[0]


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
