"""Near-duplicates among a prompt's samples: found by signatures, decided by texts."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.made_texts import Texts
from filters import distinct
from filters.distinct import SIGNATURE, near_duplicates_of_better
from filters.near_duplicates import jaccard, shingles
from filters.scorer import Response
from filters.signature import SignatureScorer, whole_text

MADE = Texts(3)
ORIGINAL = MADE.text(80)
VARIANTS = [
    " ".join(MADE.edited(ORIGINAL, edits)) for edits in (0, 1, 2, 4, 8, 16, 32) for _ in "ab"
]


def ranked(samples: list[tuple[str, str | None]]) -> pl.DataFrame:
    """Samples of prompts, the best first; a null has no words."""
    responses = [Response("", text, "" if text is None else "done", "stop") for _, text in samples]
    scores = SignatureScorer().many(responses)
    return pl.DataFrame(
        {
            "prompt_id": [prompt for prompt, _ in samples],
            SIGNATURE: pl.Series([score.values["minhash"] for score in scores], dtype=pl.String),
            "reasoning": pl.Series([text for _, text in samples], dtype=pl.String),
            "answer": ["" if text is None else "done" for _, text in samples],
        }
    )


def found(samples: list[tuple[str, str | None]], similar: float) -> list[bool]:
    return near_duplicates_of_better(ranked(samples), similar, lambda rows: rows).to_list()


def expected(samples: list[tuple[str, str | None]], similar: float) -> list[bool]:
    """By comparing everything with everything."""
    sets = [shingles(pl.Series([whole_text(text, "done")])) for _, text in samples]
    out: list[bool] = []
    for at, (prompt, text) in enumerate(samples):
        out.append(
            text is not None
            and any(
                not out[better] and jaccard(sets[better], sets[at])[0] >= similar
                for better in range(at)
                if samples[better][0] == prompt and samples[better][1] is not None
            )
        )
    return out


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from([None, *VARIANTS]))),
    st.sampled_from([0.3, 0.5, 0.8, 1.0]),
)
def test_it_is_what_comparing_all_texts_says(
    samples: list[tuple[str, str | None]], similar: float
) -> None:
    samples = sorted(samples, key=lambda sample: sample[0])
    assert found(samples, similar) == expected(samples, similar)


def test_who_is_alike_with_one_that_is_left_out_may_be_published() -> None:
    """The second is left out for the first; the third is alike with the second alone."""
    words = MADE.text(100)
    second = [*words[:-12], *MADE.text(12)]
    third = [*MADE.text(12), *second[12:]]
    chain: list[tuple[str, str | None]] = [("p", " ".join(text)) for text in (words, second, third)]
    sets = shingles(pl.Series([text for _, text in chain]))
    assert (jaccard(sets.take(np.array([0, 1])), sets.take(np.array([1, 2]))) > 0.7).all()
    assert found(chain, 0.7) == [False, True, False]


def test_texts_are_read_of_those_alone_that_seem_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distinct, "COMPARED_AT_ONCE", 2)
    texts = [VARIANTS[0], *(" ".join(MADE.text(80)) for _ in range(20)), *VARIANTS[1:4]]
    rows = ranked([("p", text) for text in texts])
    read: list[pl.DataFrame] = []

    def texts_of(some: pl.DataFrame) -> pl.DataFrame:
        read.append(some)
        return some

    flags = near_duplicates_of_better(
        rows.drop("answer").with_columns(answer=pl.lit("done")), 0.8, texts_of
    )
    assert flags.to_list() == [*[False] * 21, True, True, True]
    assert {text for some in read for text in some["reasoning"]} <= {*VARIANTS[:4]}
    assert max(some.height for some in read) <= 4


def test_signatures_that_say_a_little_less_decide_nothing() -> None:
    samples: list[tuple[str, str | None]] = []
    for number in range(100):
        text = MADE.text(80)
        samples += [(f"{number:03d}", " ".join(own)) for own in (text, MADE.edited(text, 2))]
    assert found(samples, 0.75) == expected(samples, 0.75)
    assert sum(expected(samples, 0.75)) > 50


def test_no_samples_have_no_duplicates() -> None:
    assert found([], 0.8) == []
    assert found([("p", None)] * 3, 0.8) == [False] * 3
