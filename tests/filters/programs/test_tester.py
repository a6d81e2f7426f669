"""Tests in all the shapes that people write them in: `shapes.txt` has a right program for each, and
a wrong one."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from filters.code_answer import CodeScorer
from filters.scorer import Response
from infra.sandbox.bubblewrap import Bubblewrap
from schemas.score import Score

HERE = Path(__file__).parent


def table(name: str) -> dict[str, list[str]]:
    """The parts of each entry of a file."""
    return {
        title: [part.strip("\n") for part in re.split(r"^--- \w+$", rest, flags=re.MULTILINE)]
        for entry in (HERE / name).read_text().split("=== ")[1:]
        for title, _, rest in [entry.partition("\n")]
    }


SHAPES, MORE_SHAPES, LIES = map(table, ("shapes.txt", "more_shapes.txt", "lies.txt"))


@pytest.fixture(scope="module")
def scorer() -> Iterator[CodeScorer]:
    sandbox, one = Bubblewrap(), CodeScorer()
    one.use(sandbox)
    yield one
    sandbox.close()


def judged(scorer: CodeScorer, tests: str, program: str) -> Score:
    reference = tests.removeprefix("#json ") if tests.startswith("#json ") else json.dumps([tests])
    return scorer(Response("q", None, f"```python\n{program}\n```", "stop", reference=reference))


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in MORE_SHAPES]


@pytest.mark.parametrize("name", [*SHAPES, *SLOW])
def test_right_and_wrong(scorer: CodeScorer, name: str) -> None:
    tests, right, wrong = (SHAPES | MORE_SHAPES)[name]
    assert judged(scorer, tests, right).verdict == "true", judged(scorer, tests, right)
    score = judged(scorer, tests, wrong)
    assert score.verdict == "false" or score.reason == "undecided", score


@pytest.mark.parametrize("name", LIES)
def test_no_lie_is_right(scorer: CodeScorer, name: str) -> None:
    """Programs that do not do the job, and want the test to believe it: `lies.txt`."""
    tests, program = LIES[name]
    score = judged(scorer, tests, program)
    assert score.verdict != "true", score
    assert score.verdict == "false" or score.reason in ("undecided", "bad_tests"), score


ALL_LIES = (
    "class Lie:\n    def __init__(self, *a): pass\n"
    "    def __getattr__(self, name): return lambda *a, **k: True\n"
    + "".join(
        f"    def __{name}__(self, *a): return {value}\n"
        for name, value in {
            "eq": True, "ne": True, "lt": True, "gt": True, "le": True, "ge": True,
            "contains": True, "hash": 3, "len": 1, "bool": True, "sub": 0, "rsub": 0, "abs": 0,
            "add": 0, "round": 0, "call": "Lie()", "iter": "iter([])", "getitem": "Lie()",
        }.items()
    )
    + "f = g = Lie()\nC = Lie\n"
)  # fmt: skip


@pytest.mark.parametrize(
    "tests",
    [
        "assert f(1) == 2",
        "assert 2 == f(1)",
        "assert f(1) in (1, 2)",
        "assert (1, 2) == (f(1), f(2))",
        "assert [f(1)] == [2]",
        "assert {'a': f(1)} == {'a': 2}",
        "assert f(1) >= 2",
        "assert 2 <= f(1)",
        "assert sorted([f(1), 3]) == [2, 3]",
        "assert abs(f(1) - 2.5) < 1e-6",
        "assert round(f(1), 2) == 2.5",
        "assert f(1) == pytest.approx(2.5)",
        "assert 3 in f(1)",
        "assert 'x' in f(1)",
        "assert f(1).startswith('x')",
        "assert f(1) - f(2) == 5",
        "assert max(f(1), 2) == 2",
        "assert str(f(1)) == '2'",
        "assert len(f(1)) == 2",
        "assert isinstance(f(1), int)",
        "assert C(1) == C(2)",
        "def same(a, b): return a == b\nassert same(f(1), 2)",
        "import unittest\nclass T(unittest.TestCase):\n    def test(self):\n"
        "        self.assertEqual(f(1), 2)",
        "import unittest\nclass T(unittest.TestCase):\n    def test(self):\n"
        "        self.assertIn(f(1), [1, 2])",
        "try:\n    ok = f(1) == 2\nexcept BaseException:\n    ok = True\nassert ok",
        "with pytest.raises(ValueError):\n    f(1)",
        "assert not f(1)",
    ],
)
def test_an_object_that_lies_is_never_right(scorer: CodeScorer, tests: str) -> None:
    score = judged(scorer, tests, ALL_LIES)
    assert score.verdict != "true", score
    assert score.verdict == "false" or score.reason == "undecided", score


@pytest.mark.parametrize(
    "program",
    [
        "import os\ndef f(x): os._exit(0)",
        "import sys\ndef f(x): sys.exit(0)",
        "raise SystemExit(0)",
        "import os\nos._exit(0)",
        "def f(x): raise KeyboardInterrupt",
        "def f(x): raise BaseException('x')",
        "import os\ndef f(x): os.close(4); return 2",
        "import os\ndef f(x): os.write(4, b'\\xff' * 100); return 2",
        "import os\ndef f(x): os.write(4, (10).to_bytes(8, 'big') + b'[\"=\",[2]]'); os._exit(0)",
        "import sys\nsys.modules['peer'].Peer.serve = lambda self: None\ndef f(x): return 2",
        "def f(x):\n    return f(x)",
        "class L(list):\n    pass\ndef f(x):\n    a = L()\n    a.append(a)\n    return a",
        "def f(x):\n    a = []\n    for _ in range(10**5): a = [a]\n    return a",
        "import threading\ndef f(x):\n    threading.Thread(target=f, args=(x,)).start()\n"
        "    return 0",
        "def f(x): return 10 ** 10 ** 6",
        "import sys\ndef f(x):\n    class E(Exception):\n        def __str__(self): raise self\n"
        "    raise E",
    ],
)  # fmt: skip
def test_who_leaves_or_talks_nonsense_is_wrong(scorer: CodeScorer, program: str) -> None:
    tests = "ok = True\ntry:\n    ok = f(1) == 2\nexcept:\n    pass\nassert ok and f(1) == 2"
    assert (
        judged(scorer, json.dumps({"tests": [tests], "time_limit": 1}), program).verdict != "true"
    )
    tests = f"#json {json.dumps({'tests': [tests], 'time_limit': 1})}"
    score = judged(scorer, tests, program)
    assert score.verdict == "false", score


@pytest.mark.parametrize(
    "steals",
    [
        "cb.__globals__['EXPECTED']", "cb.__code__.co_consts", "cb.__closure__[0].cell_contents",
        "cb.__self__", "cb.__class__.__subclasses__()", "cb.__func__", "g.gi_frame.f_globals",
        "g.gi_code", "node.__class__.__init__.__globals__", "node.__dict__",
        "node.helper.__globals__",
        "cb.__reduce__()", "cb.__getattribute__('__globals__')", "node.__init__.__globals__",
        "__import__('sys').modules['peer'].Peer", "cb._peer.request('names', ['EXPECTED'])",
        "type(cb)._peer.given(['EXPECTED'])", "type(cb)._peer.request('get', cb, '__globals__')",
        "type(cb)._peer.request('derive', 'X', (), ())", "type(cb)._peer.request('run', cb)",
        "type(cb)._peer.request('copy', cb, 'deepcopy')", "type(g)._peer.given(['EXPECTED'])",
        "type(cb)._peer.request('operate', '__getattribute__', cb, ('__globals__',))",
        "type(cb)._peer.request('set', cb, 'x', 1)", "EXPECTED", "expected",
    ],
)  # fmt: skip
def test_what_a_test_knows_is_not_to_be_had(scorer: CodeScorer, steals: str) -> None:
    tests = (
        "EXPECTED = 'secret-4711'\nclass Node:\n    def helper(self): return EXPECTED[:0]\n"
        "def test():\n    expected = EXPECTED\n    cb = lambda: expected[:0]\n"
        "    assert f(cb, (x for x in [expected[:0]]), Node()) is None\n"
    )
    program = (
        "def f(cb, g, node):\n    try:\n"
        f"        found = {steals}\n"
        "        text = repr(found) if not isinstance(found, type) else repr(vars(found))\n"
        "    except Exception as error:\n        text = repr(error)\n"
        "    if 'secret' in text or '4711' in text: return 'stolen'\n"
    )
    score = judged(scorer, tests, program)
    assert score.verdict == "true", score


def test_checks_are_counted(scorer: CodeScorer) -> None:
    tests = "\n".join(f"assert f({n}) == {n}" for n in range(10))
    score = judged(scorer, tests, "def f(x): return x if x != 3 else 0")
    assert (score.values["passed"], score.values["total"]) == (9, 10)
    assert score.evidence == "test 0: f(3) == 3: got 0, expected 3"
    looped = "def check(candidate):\n    for n in range(3):\n        assert candidate(n) == n\n"
    score = judged(scorer, f"{looped}    assert candidate(7) == 8\ncheck(f)", "def f(x): return x")
    assert (score.values["passed"], score.values["total"]) == (1, 2)


@pytest.mark.parametrize(
    ("tests", "reason"),
    [
        ("x = 1 / 0\nassert f(1) == 1", "bad_tests"),
        ("assert 1 == 2", "bad_tests"),
        ("x = 1\nassert x == 1", "bad_tests"),
        ("assert len([]) == 0", "bad_tests"),
        ("def test_it(db):\n    assert f(1) == db", "bad_tests"),
        ("import numpy as np\nassert np.allclose(f(1), 1)", "bad_tests"),
        ("assert open(f(1)).read() == 'x'", "bad_tests"),
        ("print(f(1))", "bad_tests"),
        ("assert f(1) ==", "bad_tests"),
        ("assert m == 5", "undecided"),
        ("while True: pass\nassert f(1)", "undecided"),
    ],
)
def test_what_is_no_verdict(scorer: CodeScorer, tests: str, reason: str) -> None:
    program = (
        "class M:\n    def __init__(self, x): self.x = x\n"
        "    def __eq__(self, other): return self.x == other\nm = M(5)\ndef f(x): return x\n"
    )
    reference = f"#json {json.dumps({'tests': [tests], 'time_limit': 0.5})}"
    score = judged(scorer, reference, program)
    assert (score.verdict, score.reason) == (None, reason), score


@pytest.mark.parametrize(
    ("program", "verdict", "reason"),
    [
        ("def f(): return [1, 2]", "true", None),
        ("def f(): return (1, 2)", "false", "wrong_answer"),
        ("from collections import deque\ndef f(): return deque([1, 2])", "false", "wrong_answer"),
        ("def f(): return {1: 0, 2: 0}.keys()", "false", "wrong_answer"),
        ("def f(): return iter([1, 2])", "false", "wrong_answer"),
        ("def f(): return object()", "false", "wrong_answer"),
        ("class A:\n    def __eq__(self, other): return other == [1, 2]\nf = A", None, "undecided"),
        ("class A(list): pass\ndef f(): return A([1, 2])", "true", None),
        ("def f(): return 1 / 0", "false", "crash"),
        ("g = 1", "false", "crash"),
        ("def f(): return 1 +", "false", "syntax_error"),
    ],
)
def test_a_plain_assert_is_as_strict_as_python(
    scorer: CodeScorer, program: str, verdict: str | None, reason: str | None
) -> None:
    score = judged(scorer, "assert f() == [1, 2]", program)
    assert (score.verdict, score.reason) == (verdict, reason), score


TWICE = (
    "class P:\n    def __init__(self, x): self.x = x\n    def __eq__(self, o): return self.x == o.x"
)
"""A class that the test has, and the program too."""


@pytest.mark.parametrize(
    ("setup", "tests", "program"),
    [
        # The test's own is what both use: it may be what decides.
        ("", f"{TWICE}\nassert f(1) == P(2)\nassert isinstance(f(1), P)",
         "class P:\n    def __init__(self, x): self.x = x\ndef f(x): return P(x + 1)"),
        # The setup's is there for the program, which may define it in its own way.
        (TWICE, "assert isinstance(f(1), P)\nassert f(1).twice() == 4",
         "class P:\n    def __init__(self, x): self.x = x\n    def twice(self): return 2 * self.x\n"
         "def f(x): return P(x + 1)"),
        # Marks of pytest are the test's to make.
        ("", "def test_f():\n    assert f(1) == 2",
         "def f(x): return x + 1\nf.fixture = {'autouse': True, 'params': []}"),
    ],
)  # fmt: skip
def test_whose_names_count(scorer: CodeScorer, setup: str, tests: str, program: str) -> None:
    reference = json.dumps({"tests": [tests], "setup": setup, "entry_point": "f"})
    score = judged(scorer, f"#json {reference}", program)
    assert score.verdict == "true", score
