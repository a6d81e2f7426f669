"""Loops are found, honest repetition is not."""

import random

import pytest

from filters.repetition import RepetitionScorer
from filters.scorer import Response

WORDS = ("so", "we", "take", "the", "first", "number", "and", "add", "what", "is", "left", "of")


def prose(count: int, seed: int = 0) -> str:
    rng = random.Random(seed)
    return " ".join(f"{rng.choice(WORDS)}{rng.randrange(100)}" for _ in range(count))


def judge(text: str) -> tuple[float, str | None]:
    score = RepetitionScorer()(Response("q", text, "", "stop"))
    share = score.values["share"]
    assert isinstance(share, float)
    return share, score.reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (prose(300) + " Wait, let me check that again." * 60, "tail_loop"),
        (prose(300) + "aaaaaaaa" * 500, "tail_loop"),
        (prose(100) + " the sum of all these numbers over there is nine so" * 25 + prose(200, 1),
         "loop"),
        ("是" * 300, "tail_loop"),
        ("我们再检查一遍这个步骤，看看有没有问题。" * 25 + prose(400), "loop"),
    ],
)  # fmt: skip
def test_loops(text: str, reason: str) -> None:
    assert judge(text)[1] == reason


@pytest.mark.parametrize(
    "text",
    [
        "",
        "short",
        prose(400),
        "\n".join(f"Case {i}: {i} times {i + 3} is {i * (i + 3)}." for i in range(300)),
        "\n".join(f"| {i} | {i * 7 % 13} | {i**3 % 101} |" for i in range(100)),
    ],
)
def test_honest_text(text: str) -> None:
    assert judge(text)[1] is None


def test_share_is_of_repeated_ngrams() -> None:
    assert judge(prose(200))[0] == 0.0
    assert judge(prose(100) + " " + prose(100))[0] == pytest.approx(0.48, abs=0.03)


def test_the_period_of_the_end() -> None:
    text = prose(50) + " and so on, as before" * 20
    values = RepetitionScorer()(Response("q", text, "", "length")).values
    assert values["tail_period"] == len(" and so on, as before")
    assert values["tail_repeats"] == pytest.approx(20, abs=0.1)
    cut = RepetitionScorer()(Response("q", text[:-7], "", "length")).values
    assert cut["tail_period"] == values["tail_period"]
    assert RepetitionScorer()(Response("q", prose(50), "", "length")).values["tail_period"] == 0
