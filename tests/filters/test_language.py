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
    assert reason == "foreign_sentences"
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


def test_thinking_and_answer_are_told_apart() -> None:
    score = LanguageScorer()(Response(ENGLISH, ENGLISH * 3, CHINESE, "stop"))
    shares = [score.values[f"{part}_share"] for part in ("reasoning", "answer")]
    assert shares == [1.0, 0.0]
    assert (score.values["language"], score.values["foreign_sentences"]) == ("en", 1)
    assert score.evidence == "我 们 先 把 两 个 数 字 加 起 来"


def test_a_word_among_others_is_mixed() -> None:
    assert judge(ENGLISH, ENGLISH + "So the 答案 is five and we are done.")[1] == "mixed_scripts"
    assert judge(ENGLISH, ENGLISH + "The character 数 means number here.")[1] is None


def test_another_language_of_the_same_script() -> None:
    german = "Also ist die gesuchte Zahl durch drei teilbar. "
    share, reason = judge(ENGLISH, ENGLISH * 20 + german)
    assert reason == "foreign_sentences"
    assert float(str(share)) == pytest.approx(1 - 8 / (20 * 14 + 8), abs=0.01)
    assert judge(german, german * 5) == (1.0, None)
    assert judge(german, german * 5 + ENGLISH)[1] == "foreign_sentences"
