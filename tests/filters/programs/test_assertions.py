"""Asserts are taken apart such that the program only ever answers."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.programs.assertions import assertions_of
from filters.programs.pure import NotUnderstood


@pytest.mark.parametrize(
    ("source", "asked", "computed"),
    [
        ("assert f(1) == 2", ("f(1)",), ()),
        ("assert 2 == f(1)", ("f(1)",), ()),
        ("assert sorted(f(3)) == [1, 2]", ("f(3)",), ()),
        ("assert f(1) == f(2)", ("f(1)", "f(2)"), ()),
        ("assert not f(1)", ("f(1)",), ()),
        ("assert f(1)", ("f(1)",), ()),
        ("assert decode(encode('a')) == 'a'", ("decode(encode('a'))",), ()),
        ("assert abs(f(1) - 3.2) < 1e-6", ("f(1)",), ()),
        ("import math\nassert math.isclose(f(2.0), 0.5, rel_tol=1e-6)", ("f(2.0)",), ()),
        ("assert f(3) == [n for n in range(3)]", ("f(3)",), ("[n for n in range(3)]",)),
        ("x = [1, 2]\nassert f(x) == x", ("f(x)",), ("x",)),
        ("def g(x): return x\nassert f(1) == g(1)", ("f(1)",), ("g(1)",)),
        ("def g(x): return f(x)\nassert g(1) == 1", ("g(1)",), ()),
        ("assert Solution().f(1) == 2", ("Solution().f(1)",), ()),
        ("assert isinstance(f(1), int)", ("f(1)",), ()),
        ("assert ' '.join(f(1)) == 'a b'", ("f(1)",), ()),
        ("assert f(1)[0] == 2 and len(f(2)) == 1", ("f(1)[0]", "f(2)"), ()),
        ("assert f(float('inf')) == -1, 'no'", ("f(float('inf'))",), ()),
        ("def test_f():\n    assert f(1) == 2", ("f(1)",), ()),
        ("assert True, 'good for debugging'\nassert f(1) == 2", ("f(1)",), ()),
        (
            "import pytest\nfrom solution import f\ndef test_f():\n    assert f(1) == 2",
            ("f(1)",),
            (),
        ),
    ],
)
def test_who_says_what(source: str, asked: tuple[str, ...], computed: tuple[str, ...]) -> None:
    [assertion] = assertions_of(source)
    assert (assertion.asked, assertion.computed) == (asked, computed)


def test_objects_are_asked_in_order() -> None:
    source = "s = Stack()\ns.push(1)\nassert s.pop() == 1\nassert s.empty()"
    first, second = assertions_of(source)
    assert first.setup == "s = Stack()\ns.push(1)"
    assert second.setup == "s = Stack()\ns.push(1)\ns.pop()"
    assert first.own_setup == second.own_setup == ""


@pytest.mark.parametrize(
    ("source", "setup"),
    [
        ("expected = 5\nassert f(2) == expected", ""),
        ("x = [2]\nexpected = [4]\nassert f(x) == expected", "x = [2]"),
        ("def ref(x): return x * x\nassert f(7) == ref(7)", ""),
        ("x = []\nx.append(1)\ny = 3\nassert f(x) == y", "x = []\nx.append(1)"),
        ("from a import *\nassert f(1) == 1", "from a import *"),
    ],
)
def test_the_program_is_not_told_what_is_expected(source: str, setup: str) -> None:
    assert assertions_of(source)[0].setup == setup


def test_what_a_call_has_changed_is_asked_of_the_program() -> None:
    [changed] = assertions_of("x = [2, 1]\nsort(x)\nassert x == [1, 2]")
    assert (changed.asked, changed.setup) == (("x",), "x = [2, 1]\nsort(x)")
    [returned] = assertions_of("x = [2, 1]\ny = f(x)\nassert y == sorted(x)")
    assert (returned.asked, returned.computed) == (("y",), ("sorted(x)",))


def test_the_argument_of_check_is_the_program() -> None:
    source = "X = 1\ndef check(candidate):\n    assert candidate(X) == 2\n\ncheck(f)"
    [assertion] = assertions_of(source, "f")
    assert (assertion.asked, assertion.setup) == (("candidate(X)",), "candidate = f\nX = 1")
    assert assertions_of(source)[0].setup == assertion.setup
    with pytest.raises(NotUnderstood, match="no entry_point"):
        assertions_of(source.replace("check(f)", ""))
    with pytest.raises(NotUnderstood, match="no entry_point"):
        assertions_of(source.replace("candidate)", "candidate, x)"), "f")


@pytest.mark.parametrize(
    "source",
    [
        "for n in range(3):\n    assert f(n) == n",
        "assert 1 == 2",
        "x = 1\nassert x == 1",
        "import pytest\nwith pytest.raises(ValueError): f(1)",
        "assert np.allclose(f(1), 2)",
        "import numpy as np\nassert np.allclose(f(1), 2)",
        "assert (lambda x: True)(f(1))",
        "assert f'{f(1)}' == '1'",
        "assert open(f(1)).read() == ''",
        "assert __import__('os').system(f(1)) == 0",
        "assert getattr(f(1), 'x') == 1",
        "assert ''.format(f(1)) == ''",
        "with x:\n    assert f(1) == 1",
    ],
)
def test_what_would_need_the_program_beside_the_comparison(source: str) -> None:
    """Or code of a test outside of the sandbox."""
    with pytest.raises(NotUnderstood):
        assertions_of(source)


@pytest.mark.parametrize(
    ("source", "answers", "holds"),
    [
        ("assert f(1) == 2", [2], True),
        ("assert f(1) == 2", [3], False),
        ("assert f(1) == 2", ["2"], False),
        ("assert f(1) == 0.3", [0.1 + 0.2], True),
        ("assert f(1) == (1, 2)", [[1, 2]], False),
        ("assert f(1) is None", [None], True),
        ("assert f(1) is True", [1], False),
        ("assert f(1) in (1, 2)", [2], True),
        ("assert f(1) not in 'abc'", ["d"], True),
        ("assert f(1) < 3", ["x"], False),
        ("assert 0 < f(1) <= 3", [3], True),
        ("assert f(1) ** 2 == 4", [2], True),
        ("assert f(1) ** 9 == 4", [10**14], False),
        ("assert f(1) * 10 == 'x'", ["x" * 10**6], False),
        ("assert set(f(1)) == {1, 2}", [[2, 1, 1]], True),
        ("assert set(f(1)) == {1, 2}", [[[1]]], False),
        ("assert f(1)[0:2].upper() == 'AB'", ["AB"], True),
        ("assert ','.join(f(1)) == 'a,b'", [["a", "b"]], True),
        ("assert Counter(f(1)) == {'a': 2}", [["a", "a"]], True),
        ("assert isinstance(f(1), str)", ["a"], True),
        ("assert not f(1) or f(1) > 2", [0, 0], True),
        ("assert len(f(1)) == 3", [None], False),
        ("assert max(f(1), key=abs) == -3", [[1, -3]], True),
    ],
)
def test_what_must_be_true(source: str, answers: list[Any], holds: bool) -> None:
    [assertion] = assertions_of(source)
    assert assertion.holds(answers, []) is holds


@given(st.text())
def test_no_source_is_executed(source: str) -> None:
    try:
        assertions_of(f"assert f({json.dumps(source)}) == {source}")
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return
