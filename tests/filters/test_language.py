"""Scripts of the response against that of its prompt."""

import pytest

from filters.language import LanguageScorer
from filters.scorer import Response

ENGLISH = "We add the two numbers and then we look at what is left over. "
CHINESE = "我们先把两个数字加起来。"


def judge(prompt: str, reasoning: str, answer: str = "") -> tuple[object, str | None]:
    score = LanguageScorer()(Response(prompt, reasoning, answer, "stop"))
    return score.values["share"], score.reason


def test_one_foreign_sentence_shows() -> None:
    share, reason = judge(ENGLISH, ENGLISH * 20 + CHINESE)
    assert reason == "mixed_scripts"
    assert 0.9 < float(str(share)) < 1


@pytest.mark.parametrize(
    ("prompt", "reasoning"),
    [
        (ENGLISH, ENGLISH * 3),
        (CHINESE, CHINESE * 3),
        (ENGLISH, f"{ENGLISH} $α + β = 数$ and \\(x\\) ```print('数')```"),
        ("これは何ですか。", "答えは三つの数字です。"),
        (ENGLISH, "α is β times γ, thus x = y"),
    ],
)
def test_clean(prompt: str, reasoning: str) -> None:
    assert judge(prompt, reasoning) == (1.0, None)


@pytest.mark.parametrize("reasoning", ["", "12 + 3 = 15", "$x$", "\\frac{1}{2}"])
def test_without_words_there_is_no_share(reasoning: str) -> None:
    assert judge(ENGLISH, reasoning) == (None, "no_words")


def test_answers_in_another_language_than_the_prompt() -> None:
    assert judge(CHINESE, ENGLISH)[0] == 0.0
