"""What a response gives as its final answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.final_answer import boxes, final_answers


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (r"\boxed{1}", ["1"]),
        (r"\boxed{\frac{a}{\{b\}}} end", [r"\frac{a}{\{b\}}"]),
        (r"\boxed 7", ["7"]),
        (r"\fbox{7}", ["7"]),
        (r"\boxed{x = \boxed{7}}", [r"x = \boxed{7}"]),
        (r"\boxed{1} and \boxed{2}", ["1", "2"]),
        (r"\boxed{1} and \boxed{", ["1"]),
        (r"\boxed{\}", []),
        (r"\boxed{}", []),
        ("no box", []),
    ],
)
def test_boxes(text: str, found: list[str]) -> None:
    assert boxes(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (r"so \boxed{1}, I say \boxed{1}", ["1"]),
        (r"\boxed{1} or \boxed{2}", ["1", "2"]),
        ("The answer is 12.", ["12."]),
        ("Final answer: 12", ["12"]),
        ("**Final Answer:** $x+1$", ["$x+1$"]),
        ("#### 12", ["12"]),
        ("The correct choice is C", ["C"]),
        ("The answer is 12.\nThat was easy.", []),
        ("12", ["12"]),
        (r"$\frac{1}{2}$", [r"$\frac{1}{2}$"]),
        (" 12 apples ", ["12 apples"]),
        ("I have 12 apples today", []),
        ("There are two.\n12", []),
        (r"\boxed{12", []),
        ("", []),
    ],
)
def test_final_answers(text: str, found: list[str]) -> None:
    assert final_answers(text) == found


@given(st.text())
def test_any_text(text: str) -> None:
    assert all(answer.strip() for answer in final_answers(text))
