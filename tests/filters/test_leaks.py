"""Questions of evaluation sets are found in prompts however they are written; others are not."""

import random

import polars as pl
import pytest

from benchmarks.leaks import edited, made, reformatted
from filters.leaks import LEAK_COLUMNS, Questions, leaks

QUESTIONS = made(300, 3)
INDEX = Questions({"first": QUESTIONS[:150], "second": QUESTIONS[150:]})


def leak(prompt: str, *questions: str) -> dict[str, object]:
    index = Questions({"set": questions}) if questions else INDEX
    return leaks(pl.Series([prompt]), index).row(0, named=True)


def test_verbatim_and_reformatted_ones_are_all_found() -> None:
    random_ = random.Random(5)
    for change in (str, lambda text: reformatted(text, random_)):
        found = leaks(pl.Series([change(text) for text in QUESTIONS]), INDEX)
        assert found["prompt.leaked"].all()
        assert found["prompt.leak_set"].to_list() == ["first"] * 150 + ["second"] * 150


def test_three_changed_words_hide_few() -> None:
    random_ = random.Random(5)
    found = leaks(pl.Series([edited(text, random_) for text in QUESTIONS]), INDEX)
    assert found["prompt.leaked"].mean() >= 0.9  # type: ignore[operator]


def test_other_prompts_are_not_flagged() -> None:
    found = leaks(pl.Series(made(2_000, 4)), INDEX)
    assert found["prompt.leaked"].sum() == 0


def test_the_words_and_the_set_are_told() -> None:
    found = leak(f"Here is one for you: {QUESTIONS[200]} Think.")
    assert found["prompt.leak_set"] == "second"
    assert found["prompt.leak_share"] == 1.0
    assert str(found["prompt.leak_text"]).split()[0] == QUESTIONS[200].split()[0].lower()
    assert found["prompt.leak_run"] == len(str(found["prompt.leak_text"]).split())


@pytest.mark.parametrize(
    ("prompt", "question", "expected"),
    [
        ("Compute 2+2.", "compute 2 + 2", True),
        ("Compute 2*2.", "compute 2 + 2", False),
        ("Please compute 2+2 now, quickly, and tell me.", "Compute 2+2", True),
        ("1+1", "1 + 1?", True),
        ("What is 1 and 1?", "1 and?", False),
        ("", "", False),
        ("???", "!!!", False),
        ("What is the sum?", "", False),
        ("求所有满足条件的正整数的和", "求所有满足条件的正整数的和", True),
        ("求所有满足条件的正整数的和", "证明这个三角形是等腰的", False),
    ],
)
def test_short_ones(prompt: str, question: str, expected: bool) -> None:
    assert leak(prompt, question)["prompt.leaked"] is expected


def test_what_many_questions_begin_with_is_no_leak() -> None:
    start = "What is the difference between the number of"
    found = leak(
        f"{start} cats here and dogs there today?",
        f"{start} red marbles in a box of ten and blue ones of the other kind?",
    )
    assert found["prompt.leaked"] is False
    assert found["prompt.leak_run"] == 8, "it is told all the same"


def test_thirteen_words_in_a_row_are_a_leak_of_a_long_question() -> None:
    question = " ".join(QUESTIONS[:8])
    part = " ".join(question.split()[20:36])
    found = leak(f"Something else entirely. {part}. And more.", question)
    assert found["prompt.leaked"] is True
    assert float(str(found["prompt.leak_share"])) < 0.2


def test_hostile_prompts_have_flags() -> None:
    prompts = ["x " * 500_000, "\x00" * 100, "\u200b\u202e", "a" * 1_000_000, ""]
    found = leaks(pl.Series(prompts), INDEX)
    assert found["prompt.leaked"].to_list() == [False] * 5
    assert found.schema == pl.Schema(LEAK_COLUMNS)
    assert leaks(pl.Series([], dtype=pl.String), INDEX).schema == pl.Schema(LEAK_COLUMNS)
    assert not leaks(pl.Series(prompts), Questions({}))["prompt.leaked"].any()
