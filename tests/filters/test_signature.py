"""Signatures of samples: as good as what they stand for."""

import numpy as np
import polars as pl
import pytest

from benchmarks.made_texts import Texts
from filters.near_duplicates import jaccard, shingles
from filters.scorer import Response
from filters.signature import (
    NO_WORDS,
    SignatureScorer,
    alikeness,
    signature_bytes,
    whole_text,
)

MADE = Texts(9)
SCORER = SignatureScorer()


def response(reasoning: str | None, answer: str) -> Response:
    return Response("", reasoning, answer, "stop")


def minhash(text: str) -> str:
    value = SCORER(response(text, "")).values["minhash"]
    assert isinstance(value, str)
    return value


@pytest.mark.parametrize("edits", [0, 1, 4, 10, 25, 60])
def test_it_tells_how_alike_texts_are(edits: int) -> None:
    texts = [MADE.text(200) for _ in range(50)]
    both = [[" ".join(t) for t in texts], [" ".join(MADE.edited(t, edits)) for t in texts]]
    columns = [pl.Series([minhash(text) for text in some]) for some in both]
    left, right = map(signature_bytes, columns)
    truth = jaccard(*(shingles(pl.Series(some)) for some in both))
    errors = alikeness(left, right) - truth
    assert abs(errors.mean()) < 0.02
    assert errors.std() < 0.06
    assert np.abs(errors).max() < 0.15


def test_many_are_what_each_is_alone() -> None:
    responses = [response(" ".join(MADE.text(n)), "x") for n in range(40)]
    assert SCORER.many(responses) == [SCORER(one) for one in responses]
    assert SCORER.many([]) == []


def test_thinking_counts_and_where_it_ends_does_not_matter() -> None:
    assert SCORER(response("one two", "three")) == SCORER(response(None, "one two\nthree"))
    assert SCORER(response("one two", "three")) != SCORER(response("one too", "three"))


@pytest.mark.parametrize("text", ["", " \n", "!?", "\0", "\u200b"])
def test_without_words_there_is_none(text: str) -> None:
    score = SCORER(response(text, text))
    assert (score.values["minhash"], score.reason) == (None, NO_WORDS)


@pytest.mark.parametrize(
    "text",
    ["\ud800 lone", "a\0b c", "א ב ג ד ה", "x" * 1_000_000, "日本語のテキスト", "a " * 500_000],
)
def test_hostile_texts_have_one(text: str) -> None:
    assert len(minhash(text)) == 172
    assert "\ud800" not in whole_text(text, text)
