"""What of a test's source runs, what is counted, and what the program is given."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.programs.assertions import prepared
from filters.programs.names import NotUnderstood


@pytest.mark.parametrize(
    ("source", "texts"),
    [
        ("assert f(1) == 2\nassert f(2) == 3, 'no'", ["f(1) == 2", "f(2) == 3"]),
        ("assert True, 'good for debugging'\nassert f(1)", ["f(1)"]),
        ("for n in g():\n    assert f(n) == n", ["f(n) == n"]),
        ("if f(1):\n    assert f(2)\nelse:\n    assert f(3)", ["f(2)", "f(3)"]),
        ("with pytest.raises(A):\n    f(1)", ["with pytest.raises(A):\n    f(1)"]),
        ("try:\n    assert f(1)\nexcept A:\n    pass",
         ["try:\n    assert f(1)\nexcept A:\n    pass"]),
        ("def test_f():\n    x = f(1)\n    assert x\n    assert f(x)", ["x", "f(x)"]),
        ("def test_f():\n    help_with(f)", ["test_f"]),
        ("def test_f():\n    with pytest.raises(A):\n        f(1)", ["test_f"]),
        ("def check(candidate):\n    assert candidate(1)\ncheck(f)", ["candidate(1)"]),
        ("def check_it(x):\n    assert x\nfor n in (1, 2):\n    check_it(f(n))", ["the test"]),
        ("class T(unittest.TestCase):\n    def test_a(self): ...\n    def helper(self): ...\n"
         "    def test_b(self):\n        assert f(1)", ["T.test_a", "T.test_b"]),
        ("class TestF:\n    async def test_a(self): assert f(1)", ["TestF.test_a"]),
    ],
)  # fmt: skip
def test_what_is_counted(source: str, texts: list[str]) -> None:
    assert prepared(source, "f")["texts"] == texts


@pytest.mark.parametrize(
    ("source", "functions"),
    [
        ("def test_a():\n    assert f(1)\ndef test_b():\n    f(2)",
         [(None, "test_a"), (1, "test_b")]),
        ("def test_a():\n    assert f(1)\ntest_a()", []),
        ("def check(candidate):\n    assert candidate(1)", [(None, "check")]),
        ("def check_order(x):\n    assert x\ncheck_order(f(1))", []),
        ("@pytest.fixture\ndef test_data():\n    return 1\nassert f(1)", []),
        ("def check(candidate):\n    assert candidate(1)\nif __name__ == '__main__':\n    check(f)",
         [(None, "check")]),
    ],
)  # fmt: skip
def test_what_runs_by_itself(source: str, functions: list[Any]) -> None:
    assert prepared(source, "f")["functions"] == functions


@pytest.mark.parametrize(
    ("source", "gives"),
    [
        ("class Node:\n    def __init__(self, x): self.x = x\nassert f(Node(1))", ["Node"]),
        ("class Reference:\n    def f(self, x): return x\nassert f(1) == Reference().f(1)", []),
        ("def ref(x): return x\nEXPECTED = 3\nassert f(1) == ref(1) == EXPECTED", []),
        ("class TestF:\n    def test(self): assert f(1)", []),
        ("class T(unittest.TestCase):\n    pass\nassert f(1)", []),
    ],
)
def test_what_the_program_is_given(source: str, gives: list[str]) -> None:
    """What holds data; what could be what it is compared to is not for it."""
    assert prepared(source)["gives"].keys() == set(gives)


def test_classes_of_the_setup_are_given() -> None:
    setup = "class Api:\n    def guess(self, n): return n"
    assert prepared("assert f(1)", setup=setup)["gives"] == {"Api": False}
    assert prepared(f"{setup}\nassert f(1)")["gives"] == {}


@pytest.mark.parametrize(
    ("source", "entry", "asks_for"),
    [
        ("assert f(g(1)) == 2", "", "f"),
        ("x = 3\nassert len(sorted(h(x))) == 2", "", "h"),
        ("from solution import f as g\nassert g(1)", "", "f"),
        ("import math\nassert math.sqrt(4) == f(1)", "", "f"),
        ("def ref(x): return x\nassert ref(1) == f(1)", "", "f"),
        ("def check(candidate):\n    assert candidate(1)\ncheck(f)", "", "f"),
        ("assert sum(1, 2) == 3", "sum", "sum"),
        ("assert sum(1, 2) == 3", "", ""),
    ],
)
def test_what_the_program_must_define(source: str, entry: str, asks_for: str) -> None:
    assert prepared(source, entry)["asks_for"] == asks_for


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("x = 1", "asserts nothing"),
        ("print(f(1))", "asserts nothing"),
        ("import numpy as np\nassert np.allclose(f(1), 2)", "needs numpy"),
        ("assert np.allclose(f(1), 2)", "needs np"),
        ("from pandas import DataFrame\nassert f(1)", "needs pandas"),
        ("import tempfile\nassert f(tempfile.mkdtemp())", "elsewhere"),
        ("assert open(f(1)).read() == ''", "elsewhere"),
        ("def check(candidate):\n    assert candidate(1)", "no entry_point"),
    ],
)
def test_what_cannot_run(source: str, why: str) -> None:
    with pytest.raises(NotUnderstood, match=why):
        prepared(source)


def test_a_variable_may_be_called_np() -> None:
    assert prepared("np = f(1)\nassert np.x == 1")["texts"] == ["np.x == 1"]


@given(st.text())
def test_no_source_is_executed(source: str) -> None:
    try:
        prepared(f"assert f({json.dumps(source)}) == {source}")
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return
