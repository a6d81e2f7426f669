"""Programs against tests: right ones pass, wrong ones are told why, no trick gets through."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from filters.code_answer import CodeScorer
from filters.scorer import Response
from infra.sandbox.bubblewrap import Bubblewrap
from schemas.errors import SandboxError
from schemas.score import Score
from tests.filters.programs.hacks import HACKS

RIGHT = "def add(a, b):\n    return a + b"
ASSERTS = "assert add(1, 2) == 3\nassert add(2, 2) == 4\nassert sum([add(0, 7)]) == len(range(7))"
PLAIN = "assert add(1, 2) == 3\nassert add(2, 2) == 4\nassert add(a=0, b=7) == 7"
CALLS = {
    "tests": [
        {"call": "add", "arguments": [1, 2], "returns": 3},
        {"call": "add", "arguments": [2, 2], "returns": 4},
        {"call": "add", "arguments": [0, 7], "returns": 7},
    ]
}
SCRIPTS = {"inputs": ["1 2\n", "2 2\n"], "outputs": ["3\n", "4\n"]}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Bubblewrap]:
    one = Bubblewrap()
    yield one
    one.close()


@pytest.fixture(scope="module")
def scorer(sandbox: Bubblewrap) -> CodeScorer:
    one = CodeScorer()
    one.use(sandbox)
    return one


def judged(scorer: CodeScorer, tests: Any, program: str, *, fenced: bool = True) -> Score:
    reference = tests if isinstance(tests, str) else json.dumps(tests)
    answer = f"So:\n```python\n{program}\n```\nThat is it." if fenced else program
    return scorer(Response("q", None, answer, "stop", reference=reference))


def told(scorer: CodeScorer, tests: Any, program: str, *, fenced: bool = True) -> tuple[Any, Any]:
    score = judged(scorer, tests, program, fenced=fenced)
    return score.verdict, score.reason


@pytest.mark.parametrize("tests", [ASSERTS, PLAIN, CALLS], ids=["asserts", "plain", "calls"])
def test_the_right_one_passes(scorer: CodeScorer, tests: Any) -> None:
    score = judged(scorer, tests, RIGHT)
    assert (score.verdict, score.reason, score.values["passed"], score.values["total"]) == (
        "true",
        None,
        3,
        3,
    )
    assert str(score.values["isolation"]).startswith("bubblewrap")


@pytest.mark.parametrize("hack", HACKS)
@pytest.mark.parametrize("tests", [ASSERTS, PLAIN, CALLS], ids=["asserts", "plain", "calls"])
def test_no_hack_passes(scorer: CodeScorer, tests: Any, hack: str) -> None:
    # Many of them end by being late.
    tests = {"tests": [tests]} if isinstance(tests, str) else tests
    short = tests | {"time_limit": 1}
    score = judged(scorer, short, HACKS[hack])
    assert score.verdict == "false", score
    assert score.values["passed"] != score.values["total"]


@pytest.mark.slow
def test_hacks_pass_elsewhere() -> None:
    """Beside their asserts, with the exit code for a verdict, as many do it."""
    plain = "assert add(1, 2) == 3\nassert add(2, 2) == 4\nassert add(0, 7) == 7"
    passed = set()
    for name, program in HACKS.items():
        command = [sys.executable, "-c", f"{program}\n{plain}"]
        try:
            ran = subprocess.run(command, capture_output=True, timeout=5, check=False)
        except subprocess.TimeoutExpired:
            continue
        passed |= {name} if ran.returncode == 0 else set()
    assert len(HACKS) >= 25
    assert len(passed) >= 10, passed


@pytest.mark.parametrize(
    ("tests", "program"),
    [
        (SCRIPTS, "a, b = map(int, input().split())\nprint(a + b)"),
        (SCRIPTS, "import sys\nfor line in sys.stdin: print(sum(map(int, line.split())), '\\r')"),
        ({"inputs": ["2"], "outputs": ["0.333333333"]}, "print(1 / 3)"),
        ({"inputs": [["1", "2"]], "outputs": [["3"]]}, "print(int(input()) + int(input()))"),
        ({"fn_name": "add", "inputs": [[1, 2]], "outputs": [3]}, RIGHT),
        ({"fn_name": "add", "inputs": [[1, 2]], "outputs": [[3]]}, RIGHT),
        (
            {"fn_name": "add", "inputs": [[1, 2]], "outputs": [3]},
            "class Solution:\n    def add(self, a, b):\n        return a + b",
        ),
        (
            {
                "func_name": "add",
                "tests": [{"input": "1\n2", "output": "3", "testtype": "functional"}],
            },
            "class Solution:\n    def add(self, a, b):\n        return a + b",
        ),
        ([{"input": "1 2", "output": "3"}], "print(sum(map(int, input().split())))"),
        (
            {"tests": [{"call": "Stack.size", "arguments": [], "returns": 0}]},
            "class Stack:\n    def size(self):\n        return 0",
        ),
        (
            {"fn_name": "f", "inputs": [[[3, 1]]], "outputs": [[1, 9]]},
            "class Solution:\n    def f(self, x: List[int]) -> Optional[List[int]]:\n"
            "        heapify(x)\n        return [x[0], pow(3, 2)]",
        ),
        (
            [{"input": "1\n2", "output": "3", "testtype": "functional",
              "metadata": {"func_name": "add"}}],
            "class Solution:\n    def add(self, a, b):\n        return a + b",
        ),
        (
            {"test_list": ["assert f(1) == g(1)"], "test_setup_code": "def g(x): return x"},
            "def f(x): return x",
        ),
        (
            {"test": "def check(candidate):\n    assert candidate(1) == 1", "entry_point": "f"},
            "def f(x): return x",
        ),
        (
            {"tests": ["s = Stack()", "s.push(1)\nassert s.size() == 1"]},
            "class Stack(list):\n    push = list.append\n    size = list.__len__",
        ),
        (
            "def check(candidate):\n    assert candidate([1, 2]) == (1, 2)\ncheck(f)",
            "def f(x): return tuple(x)",
        ),
        ({"tests": ["assert f() == {'a': [0.3]}"]}, "def f(): return {'a': [0.1 + 0.2]}"),
        (
            {"tests": ["s = Stack()\ns.push(1)\nassert s.pop() == 1\nassert s.pop() is None"]},
            "class Stack(list):\n    push = list.append\n"
            "    def pop(self): return list.pop(self) if self else None",
        ),
        ({"setup": "from math import factorial", "tests": ["assert f(5) == factorial(5)"]},
         "def f(n): return n * f(n - 1) if n else 1"),
        ({"tests": [{"call": "f", "arguments": [], "returns": [[1, 2]]}]},
         "def f(): return [(1, 2)]"),
    ],
)  # fmt: skip
def test_right(scorer: CodeScorer, tests: Any, program: str) -> None:
    if isinstance(tests, str) and "candidate" in tests:
        tests = {"tests": tests, "entry_point": "f"}
    assert told(scorer, tests, program) == ("true", None)


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("def add(a, b): return a - b", "wrong_answer"),
        ("def add(a, b): return object()", "wrong_answer"),
        ("def add(a, b): return 1 / 0", "crash"),
        ("def plus(a, b): return a + b", "crash"),
        ("def add(a, b) return a + b", "syntax_error"),
        ("def add(a, b):\n    while True: pass", "timeout"),
        ("def add(a, b): return bytearray(10**10)", "memory"),
        ("import os\ndef add(a, b): os.kill(os.getpid(), 11)", "crash"),
        ("def add(a, b):\n    while True: print('x' * 10**6)", "output_limit"),
    ],
)
def test_reasons(scorer: CodeScorer, program: str, reason: str) -> None:
    score = judged(scorer, CALLS | {"time_limit": 0.5}, program)
    assert (score.verdict, score.reason) == ("false", reason)
    assert score.evidence is not None
    assert score.evidence.startswith("test 0:")


def test_what_is_expected_cannot_be_read(scorer: CodeScorer) -> None:
    tests = "def ref(x): return x + 1\nexpected = 3\nassert f(2) == expected == ref(2)"
    assert told(scorer, tests, "def f(x): return x + 1") == ("true", None)
    assert told(scorer, tests, "def f(x): return expected") == ("false", "crash")
    assert told(scorer, tests, "def f(x): return ref(x)") == ("false", "crash")


OBJECTS = (
    "from dataclasses import dataclass\n"
    "@dataclass(order=True)\n"
    "class Point:\n    x: int = 0\n"
    "    def __len__(self): return self.x\n"
    "def f(x): return Point(x)\n"
)
EQUAL_TO_ALL = (
    "class Point:\n    def __init__(self, x=0): pass\n    def __eq__(self, other): return True\n"
    "    def __contains__(self, other): return True\n"
    "def f(x): return Point(x)\n"
    "def isinstance(*x): return True\n"
    "def all(*x): return True\n"
)

ANYTHING = (
    "class E:\n    def __eq__(self, other): return True\n    def __sub__(self, other): return 0\n"
    "    def __abs__(self): return 0\n    def __iter__(self): return iter([])\n"
    "    def __getattr__(self, name): return lambda *a: True\n"
    "def f(x): return E()\n"
)


@pytest.mark.parametrize(
    ("tests", "right", "wrong"),
    [
        ("assert Point(1) == Point(1) and Point(1) < Point(2)", OBJECTS, "class Point: pass"),
        ("assert len(f(3)) == 3", OBJECTS, EQUAL_TO_ALL),
        ("assert isinstance(f(3), Point)", OBJECTS, "def f(x): return x\nclass Point: pass"),
        ("assert isinstance(f(3), int)", "def f(x): return x", EQUAL_TO_ALL),
        ("assert f(3) == 5", "def f(x): return 5", EQUAL_TO_ALL),
        ("p = f(3)\nassert p == [5]", "def f(x): return [5]", EQUAL_TO_ALL),
        ("assert 3 in f(3)", "def f(x): return {x}", EQUAL_TO_ALL),
        ("assert all(f(x) == x for x in range(3))", "def f(x): return x", EQUAL_TO_ALL),
        ("from fractions import Fraction\nassert f(3) == Fraction(1, 3)",
         "from fractions import Fraction\ndef f(x): return Fraction(1, x)",
         "def f(x): return 1 / x"),
        ("from datetime import date\nassert f(2024) > date(2023, 1, 1)",
         "from datetime import date\ndef f(x): return date(x, 1, 1)",
         EQUAL_TO_ALL),
        ("assert list(f(3)) == [0, 1, 2] and next(f(1)) == 0",
         "def f(x): yield from range(x)", EQUAL_TO_ALL),
        ("def is_heap(x): return all(x[0] <= y for y in x)\nassert is_heap(f([2, 1]))",
         "f = sorted", EQUAL_TO_ALL),
        ("with pytest.raises(ValueError):\n    f(-1)\nassert f(1) == 1",
         "def f(x):\n    if x < 0: raise ValueError\n    return x", "def f(x): return x"),
        ("x = [2, 1]\nk = f(x)\nassert x[:k] == [1, 2]",
         "def f(x):\n    x.sort()\n    return 2", "def f(x): return 2"),
        ("assert sum(10, 15) == 25", "def sum(a, b): return a + b", "def sum(a, b): return a"),
        ("import random\nfor _ in range(3):\n    x = random.random()\n    assert f(x) == x + 1",
         "def f(x): return x + 1", "def f(x): return x"),
        # What is expected is not told.
        ("for x, y in [(1, 2), (5, 6)]:\n    assert f(x) == y", "def f(x): return x + 1",
         "def f(x): return globals().get('y')"),
        ("assert all(f(x) == y for x, y in [(1, 2), (5, 6)])", "def f(x): return x + 1",
         "def f(x): return y"),
        ("for c in [{'x': 1, 'y': 2}]:\n    assert f(c['x']) == c['y']", "def f(x): return x + 1",
         "def f(x): return c['y']"),
        ("expected = True\nassert f(1) is expected", "def f(x): return True",
         "def f(x): return globals().get('expected', False)"),
        # Objects of the program's do not decide.
        ("assert Extract([1]) == [1]", "def Extract(x): return x",
         f"{EQUAL_TO_ALL}\ndef Extract(x): return Point()"),
        ("assert abs(f(2) - 12.5) < 1e-6", "def f(x): return 12.5",
         f"{ANYTHING}\ndef abs(x): return 0"),
        ("assert len(set(f([1, 1])) ^ {1}) == 0", "def f(x): return x",
         f"{ANYTHING}\ndef len(x): return 0"),
        ("assert f('a').startswith('b')", "def f(x): return 'b' + x", ANYTHING),
        ("assert P(1) != P(2)", f"{OBJECTS}\nP = Point", f"{EQUAL_TO_ALL}\nP = Point"),
        ("s = S()\nassert s", "class S: pass", "class S:\n    def __len__(self): return 0"),
        # What changes objects happens.
        ("q = Q()\nq.add(1)\nq.add(2)\nv = q.poll()\nassert v == 1\nassert q.poll() == 2",
         "class Q(list):\n    add = list.append\n    def poll(self): return self.pop(0)",
         "class Q(list):\n    add = list.append\n    def poll(self): return self[0]"),
        ("a = A(1)\nwith pytest.raises(ValueError):\n    a.take(2)\nassert a.left == 1",
         "class A:\n    def __init__(self, left): self.left = left\n"
         "    def take(self, n): raise ValueError",
         "class A:\n    def __init__(self, left): self.left = left\n"
         "    def take(self, n):\n        self.left -= n\n        raise ValueError"),
        ("s = S()\nfor n in range(3):\n    s.add(n)\nassert s.size() == 3",
         "class S(list):\n    add = list.append\n    size = list.__len__",
         "class S(list):\n    def add(self, n): pass\n    size = list.__len__"),
        ("x = [2, 1]\ny = f(x)\nassert y is not x\nassert y == [1, 2]", "f = sorted",
         "def f(x):\n    x.sort()\n    return x"),
        ("with pytest.raises(ValueError):\n    f(1)", "def f(x): raise ValueError",
         "class ValueError(Exception): pass\ndef f(x): raise ValueError"),
        ("with pytest.raises(Exception):\n    f(1)", "def f(x): raise KeyError", "g = 1"),
        # Objects and data in one test.
        ("x = 3\ny = [1]\nt = T()\nt.put(x)\nassert x in t and f(1) == y",
         "class T:\n    def put(self, x): self.x = x\n"
         "    def __contains__(self, x): return x == self.x\ndef f(x): return [x]",
         "class T:\n    def put(self, x): self.x = x\n"
         "    def __contains__(self, x): return x == self.x\ndef f(x): return 3"),
        ("def ok(a, b): return a < b\nassert ok(P(1) == P(1), 2) and ok(f(1), 2)",
         "class P:\n    def __init__(self, x): self.x = x\n"
         "    def __eq__(self, other): return self.x == other.x\ndef f(x): return 1",
         "class P:\n    def __init__(self, x): self.x = x\n"
         "    def __eq__(self, other): return self.x == other.x\ndef f(x): return 2"),
        ("assert f(3) == [0] * 3 and f(1) | {1} == {1}",
         "def f(x): return [0] * 3 if x == 3 else {x}", "def f(x): return [0]"),
        ({"fn_name": "f", "inputs": [[1]], "outputs": [[5]]}, "def f(x): return [5]",
         "def f(x): return [[5]]"),
    ],
)  # fmt: skip
def test_what_tests_say_in_other_ways(
    scorer: CodeScorer, tests: Any, right: str, wrong: str
) -> None:
    score = judged(scorer, tests, right)
    assert score.verdict == "true", score
    score = judged(scorer, tests, wrong)
    assert score.verdict == "false" or (score.verdict, score.reason) == (None, "undecided"), score


def test_the_first_failing_test_is_shown(scorer: CodeScorer) -> None:
    score = judged(scorer, CALLS, "def add(a, b): return 3")
    assert score.values["passed"] == 1
    assert score.evidence == "test 1: add(2, 2): expected 4, got 3"


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (f"```python\n{RIGHT}\n```\nUse it so:\n```python\nprint(add(1, 2))\n```", "true"),
        (f"```python\ndef add(a, b): pass\n```\nRather:\n```py\n{RIGHT}\n```", "true"),
        (f"```\n{RIGHT}\n```\nwhich prints\n```\n3\n```", "true"),
        (
            f"1. First\n\n   ```python\n   {RIGHT.splitlines()[0]}\n       return a + b\n   ```",
            "true",
        ),
        (f"```python\n{RIGHT}", "true"),
        (RIGHT, "true"),
        (f"~~~python\n{RIGHT}\n~~~", "true"),
        ("```cpp\nint add(int a, int b) { return a + b; }\n```", "unparsable"),
        ("It adds both numbers.", "unparsable"),
        ("", "unparsable"),
    ],
)
def test_where_the_program_is(scorer: CodeScorer, answer: str, verdict: str) -> None:
    score = judged(scorer, CALLS, answer, fenced=False)
    assert score.verdict == verdict
    assert (score.reason == "no_code") == (verdict == "unparsable")


CHECKER = (
    "def check(input, expected, actual):\n"
    "    a, b = map(int, actual.split())\n    return a * b == int(input)"
)


def test_a_checker_accepts_other_outputs(scorer: CodeScorer) -> None:
    tests = {"tests": [{"input": "12", "output": "3 4"}], "checker": CHECKER}
    assert told(scorer, tests, "print(2, 6)") == ("true", None)
    assert told(scorer, tests, "print(2, 7)") == ("false", "wrong_answer")
    assert told(scorer, tests, "print('x')") == ("false", "wrong_answer")
    broken = tests | {"checker": "def check(input, expected, actual): return 1 / 0"}
    assert told(scorer, broken, "print(3, 4)") == (None, "bad_tests")


def test_the_solution_sets_the_limit(scorer: CodeScorer) -> None:
    slow = "def add(a, b):\n    for _ in range(10**8): pass\n    return a + b"
    tests = CALLS | {"solution": RIGHT, "time_limit": 20}
    assert told(scorer, tests, slow) == ("false", "timeout")
    assert told(scorer, tests, RIGHT) == ("true", None)
    wrong = CALLS | {"solution": "def add(a, b): return 3"}
    score = judged(scorer, wrong, RIGHT)
    assert (score.verdict, score.reason) == (None, "bad_tests")
    assert score.evidence is not None
    assert score.evidence.startswith(
        "ValueError: the solution fails test 1: wrong_answer, add(2, 2)"
    )


@pytest.mark.parametrize(
    "tests",
    [
        "[]",
        "{}",
        "not a test",
        "assert 1 == 1",
        "assert 1 / 0 == 1",
        "for n in x:\n    assert add(n, n) == 2 * n",
        "assert np.allclose(add(1, 2), 3)",
        '{"tests": [3]}',
        '{"tests": [{"input": "1"}]}',
        '{"inputs": [1], "outputs": []}',
        '{"tests": [{"call": "os.system(1)", "arguments": []}]}',
        '{"tests": ["assert add(1, 2) == 3"], "time_limit": 1e9}',
        '{"tests": ["assert add(1, 2) == 3"], "time_limit": NaN}',
        '{"tests": ["assert add(1, 2) == undefined(3)"], "setup": "x = 1 / 0"}',
        "assert add(1, 2) == 1 / 0 + len(str(range(3)) * 2)",
        "[" * 100_000,
        '[{"call": "add", "arguments": [' + "[" * 900 + "]" * 900 + '], "returns": 2}]',
        "\x00",
    ],
)
def test_bad_tests_are_no_verdict(scorer: CodeScorer, tests: str) -> None:
    score = judged(scorer, tests, RIGHT)
    if score.verdict is None:
        assert score.reason == "bad_tests"
        assert score.evidence
    else:  # what a test cannot compute is not true
        assert score.verdict == "false"


def test_without_a_sandbox_nothing_is_scored() -> None:
    scorer = CodeScorer()
    scorer.use(SandboxError("sandbox: there is no bubblewrap"))
    score = judged(scorer, CALLS, RIGHT)
    assert (score.verdict, score.reason) == (None, "no_sandbox")
    assert score.evidence == "sandbox: there is no bubblewrap"
    assert judged(scorer, "", RIGHT).reason == "no_reference"
