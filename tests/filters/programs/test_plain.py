"""Asserts that are nothing but a call and what it returns are read as such; others are not."""

from typing import Any

import pytest

from filters.programs.plain import plain_asserts


@pytest.mark.parametrize(
    ("source", "entry", "calls"),
    [
        ("assert f(1) == 2", "", [("f", (1,), {}, 2)]),
        ("assert f([1], k={'a': (2, -3.5)}) == {1, 2}, 'no'", "",
         [("f", ([1],), {"k": {"a": (2, -3.5)}}, {1, 2})]),
        ("assert f() is None\nassert g('x') is True", "",
         [("f", (), {}, None), ("g", ("x",), {}, True)]),
        ("METADATA = {}\ndef check(candidate):\n    assert candidate(1) == 2\n"
         "    assert True, 'x'\n\ncheck(f)", "f", [("f", (1,), {}, 2)]),
    ],
)  # fmt: skip
def test_plain(source: str, entry: str, calls: list[Any]) -> None:
    found = plain_asserts(source, entry)
    assert [(one.function, one.arguments, one.named, one.expected) for one in found] == calls


@pytest.mark.parametrize(
    "source",
    [
        "assert f(1) == g(2)",
        "assert f(x) == 2",
        "x = 1\nassert f(1) == 2",
        "assert f(1) < 2",
        "assert 1 < f(1) == 2",
        "assert f(1) is 2",
        "assert f(1)",
        "assert sorted(f(1)) == [1]",
        "assert s.f(1) == 2",
        "assert sum(1, 2) == 3",
        "assert f(*[1]) == 2",
        "assert f(1) == float('nan')",
        "import math\nassert f(1) == 2",
        "for n in (1,):\n    assert f(1) == 2",
        "def test_f():\n    assert f(1) == 2",
        "assert f(1) == 2\ndel f",
        "assert f(1) ==",
        "assert f({[]: 1}) == 2",
        "\x00",
    ],
)
def test_not_plain(source: str) -> None:
    assert plain_asserts(source) == ()
