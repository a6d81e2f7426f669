"""Majority votes over final answers."""

import random
from collections.abc import Sequence

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.math_verdicts import typical
from filters.votes import LONGEST, VOTE_COLUMNS, canonical, with_votes

Row = tuple[str, str | None, bool]


def voted(rows: Sequence[Row]) -> pl.DataFrame:
    schema = {"prompt_id": pl.String(), "final_answer": pl.String(), "eligible": pl.Boolean()}
    return with_votes(pl.DataFrame(rows, schema=schema, orient="row"))


def told(answers: list[str | None]) -> tuple[object, ...]:
    """majority, votes and share of one prompt."""
    row = voted([("a", answer, True) for answer in answers]).row(0, named=True)
    return row["group.majority"], row["group.votes"], row["group.vote_share"]


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        (["12", "12", "13"], ("12", 3, 2 / 3)),
        (["0.5", r"\frac{1}{2}", "1/2", "2"], ("0.5", 4, 0.75)),
        ([r"\text{Paris}", "paris", "Rome"], ("paris", 3, 2 / 3)),
        (["(1,2)", "(1, 2)", "(12)"], ("(1,2)", 3, 2 / 3)),
        (["x + 1", "x+1", "y"], ("x+1", 3, 2 / 3)),
        ([r"4\sqrt{2}", r"\sqrt{32}", "5"], (r"4\sqrt{2}", 3, 2 / 3)),
        (["(x+1)(x+2)", "x^2+3x+2", "x^2+3x"], ("x^2+3x+2", 3, 2 / 3)),
        ([r"\sqrt{9}", "3", "1+2", "4"], ("3", 4, 0.75)),
        ([r"\sqrt{x^2}", "x", "x"], ("x", 3, 2 / 3)),
        (["|x|", "x", "x"], ("x", 3, 2 / 3)),
        ([r"\sqrt{x}", "x^{1/2}", "x"], ("x^{1/2}", 3, 2 / 3)),
        ([r"2\sqrt{2}", "2.828427", "2.828427"], ("2.828427", 3, 2 / 3)),
        (["1", "2"], (None, 2, None)),
        (["1", None, None], ("1", 1, 1.0)),
        ([None, None], (None, 0, None)),
        (["9^{9^{9^9}}", "9^{9^{9^9}}"], ("9^{9^{9^9}}", 2, 1.0)),
    ],
)
def test_majorities(answers: list[str | None], expected: tuple[object, ...]) -> None:
    assert told(answers) == expected


def test_who_agrees() -> None:
    found = voted([("a", "1", True), ("a", "1.0", True), ("a", "2", True), ("a", None, True)])
    assert found["group.agrees"].to_list() == [True, True, False, None]
    assert found.schema["group.votes"] == VOTE_COLUMNS["group.votes"]


def test_surplus_has_no_vote_and_prompts_do_not_mix() -> None:
    rows = [("a", "1", True), ("a", "2", False), ("a", "2", False), ("b", "2", True)]
    found = voted(rows).unique("prompt_id").sort("prompt_id")
    assert found["group.majority"].to_list() == ["1", "2"]


@given(
    st.lists(
        st.tuples(
            st.sampled_from("ab"), st.sampled_from(["1", "1.0", "x", "X", None]), st.booleans()
        )
    ),
    st.randoms(use_true_random=False),
)
def test_the_order_of_the_rows_does_not_matter(rows: list[Row], random_: random.Random) -> None:
    shuffled = list(rows)
    random_.shuffle(shuffled)
    one, other = (
        voted(own)
        .drop("final_answer", "answer_form", "eligible", "group.agrees")
        .unique()
        .sort("prompt_id")
        for own in (rows, shuffled)
    )
    assert one.equals(other)


@pytest.mark.parametrize(
    "answer", ["", "\x00", "\ud7ff", "(" * 150, "1" * 10_000, "{" * 200, r"\frac" * 40]
)
def test_any_answer_has_a_form(answer: str) -> None:
    assert isinstance(canonical(answer), str)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (r"\frac{a}{bc}", r"\frac{ab}{c}"), ("x^{a}b", "x^{ab}"), ("n!", "n"), ("f'", "f"),
        ("x, y", "xy"), ("1 2", "12"), ("3 4 5", "345"), ("2x", "2X"),
    ],
)  # fmt: skip
def test_different_answers_have_different_forms(one: str, other: str) -> None:
    assert canonical(one) != canonical(other)


@pytest.mark.parametrize(
    "answer",
    [
        r"\sin((9^{99999})^{99999})",
        r"\tan(((9^{99999})^{99999})^{99999})",
        r"\exp(\exp(\exp(99)))",
        "((9^{99999})^{99999})^{99999}",
        "(((9!)!)!)!",
        r"\frac{1}{0}",
        r"\ln(0)",
        r"\binom{10^6}{5}",
    ],
)
def test_what_cannot_be_computed_stands_for_itself(answer: str) -> None:
    """In no time: a sine of such a number would take all there is."""
    assert canonical(answer) == canonical(f" {answer} ")


def test_what_is_not_equal_is_not_one_vote() -> None:
    for gold, answer, right in typical(2000, seed=5):
        assert (canonical(gold) == canonical(answer)) == right, (gold, answer)


@given(st.integers())
def test_whole_numbers_have_one_form(number: int) -> None:
    if len(f"{number}.0") <= LONGEST:
        assert canonical(str(number)) == canonical(f"{number}.0") == str(number)
    assert canonical(f"00{abs(number)}"[-LONGEST:]) == str(abs(number))
