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


def test_a_question_that_is_there_many_times_is_found() -> None:
    question = "abc def ghi jkl mno pqr stu"
    assert leak(question, *[question] * 100)["prompt.leaked"] is True


def test_what_is_not_leaked_has_no_run_and_no_share() -> None:
    found = leak("Something that no evaluation set has ever asked anybody about at all")
    assert (found["prompt.leak_run"], found["prompt.leak_share"]) == (0, 0.0)


@pytest.mark.parametrize("row", ["-" * 20, "0 " * 20, "| --- | --- | --- |" * 8, "=" * 30])
def test_a_drawn_line_and_a_row_of_zeros_are_no_leak(row: str) -> None:
    """Nor do they take long: each of a thousand places would be paired with each of sixty."""
    question = f"How long is the way of the knight on this board?\n{row}\nEach step counts once."
    assert leak(f"My shopping list:\n{row}\nbread and butter", question)["prompt.leaked"] is False
    assert leak("0 " * 5_000, "0 " * 60 + "and what is the sum?")["prompt.leaked"] is False


def test_instructions_around_all_questions_are_no_leak() -> None:
    told = "Solve the following math problem step by step. The last line should read Answer: X. {}"
    index = Questions({"set": [told.format(text) for text in QUESTIONS[:30]]})
    others = leaks(pl.Series([told.format(text) for text in made(100, 8)]), index)
    assert others["prompt.leaked"].sum() == 0
    assert leaks(pl.Series(QUESTIONS[:30]), index)["prompt.leaked"].all()


def test_a_short_formula_is_no_question_in_another_prompt() -> None:
    assert leak("We know that x = 5 here, so what is y?", "x = 5")["prompt.leaked"] is False
    assert leak("x=5", "x = 5")["prompt.leaked"] is True


def test_digits_of_other_scripts_are_digits() -> None:
    first, other = (
        "\u0627\u062d\u0633\u0628 \u0663 + \u0665",
        "\u0627\u062d\u0633\u0628 \u0667 + \u0669",
    )
    assert leak(first, other)["prompt.leaked"] is False
    assert leak(first, first)["prompt.leaked"] is True


def test_a_run_has_no_gap() -> None:
    """Words that stand in the same places and are not next to each other are no run."""
    question = " ".join(f"a{chr(97 + at // 26)}{chr(97 + at % 26)}" for at in range(60))
    changed = question.split()[:13]
    changed[6] = "zebra"
    found = leak(" ".join(changed), question)
    assert found["prompt.leak_run"] == 0


def test_a_grid_of_few_symbols_hides_no_leak_of_another_question() -> None:
    long_one = " ".join(f"a{chr(97 + at // 26)}{chr(97 + at % 26)}" for at in range(120))
    grid = " ".join("00000100011001010011101011011111")
    told = " ".join(f"b{chr(97 + at)}{chr(97 + at)}" for at in range(14))
    part = " ".join(long_one.split()[40:56])
    found = leak(f"{grid} and then {part}", long_one, f"{grid} {told}")
    assert found["prompt.leaked"] is True
    assert found["prompt.leak_text"] == part
    assert leak(f"{grid} and more", f"{grid} {told}")["prompt.leaked"] is False
