"""Scores beside their samples: what is missing, and what may not be there twice."""

from typing import Any

import polars as pl
import pytest

from filters.scored import with_reasons, with_scores
from filters.scorer import scorer_id
from filters.scorers import SCORERS
from schemas.errors import StoreError

NAMES = ("format", "math")
USED = {name: SCORERS[name]() for name in NAMES}
BY_DOMAIN = {"*": ("format",), "math": ("math",)}
LIMIT = 100
FORMAT = '{"complete": true}'


def sample(prompt: str, domain: str = "math", outcome: str = "done") -> dict[str, Any]:
    about = {"domain": domain, "outcome": outcome, "failure_reason": None, "finish_reason": "stop"}
    return {**key(prompt), **about, "max_tokens": LIMIT}


def key(prompt: str) -> dict[str, Any]:
    return {
        "prompt_id": prompt,
        "teacher_id": "t",
        "sample_index": 0,
        "text_digest": f"x {prompt}",
        "reference_id": "r",
    }


def score(prompt: str, name: str, **more: Any) -> dict[str, Any]:
    values = "{}" if name == "math" else FORMAT
    verdict = "true" if name == "math" else None
    return {
        **key(prompt),
        "scorer_id": scorer_id(USED[name]),
        "verdict": verdict,
        "reason": None,
        "values": values,
        **more,
    }


def scored(samples: list[dict[str, Any]], scores: list[dict[str, Any]]) -> pl.DataFrame:
    text = {"failure_reason": pl.String, "verdict": pl.String, "reason": pl.String}
    empty = [*scores, score("of none", "math")]
    return with_scores(
        pl.DataFrame(samples, schema_overrides=text),
        pl.DataFrame(empty, schema_overrides=text),
        USED,
        BY_DOMAIN,
    )


def test_what_a_sample_lacks_is_named() -> None:
    samples = [
        sample("a"),
        sample("b"),
        sample("c"),
        sample("d", "chat"),
        sample("e", "math", "failed"),
    ]
    scores = [score("a", "format"), score("a", "math"), score("b", "math"), score("d", "format")]
    found = with_reasons(scored(samples, scores), {}, LIMIT)
    assert found["missing"].to_list() == ["", "format", "format,math", "", ""]
    assert found["judged"].to_list() == [True, False, False, True, True]
    assert found["correct"].to_list() == [True, True, None, None, None]


def test_wrong_is_what_is_complete_and_not_right() -> None:
    truncated = {**sample("c"), "finish_reason": "length"}
    incomplete = score("d", "format", values='{"complete": false}')
    scores = [score(prompt, "math", verdict="false") for prompt in "bcd"]
    scores += [score("a", "math"), *(score(prompt, "format") for prompt in "abc"), incomplete]
    found = scored([sample("a"), sample("b"), truncated, sample("d"), sample("e")], scores)
    assert with_reasons(found, {}, LIMIT)["wrong"].to_list() == [False, True, False, False, False]


def test_what_was_truncated_too_soon_is_not_judged() -> None:
    truncated = {"finish_reason": "length"}
    samples = [
        sample("a"),
        {**sample("b"), **truncated},
        {**sample("c"), **truncated, "max_tokens": LIMIT - 1},
        {**sample("d"), "max_tokens": LIMIT - 1},
        {**sample("e", "math", "failed"), "finish_reason": None, "max_tokens": LIMIT - 1},
    ]
    scores = [score(prompt, name) for prompt in "abcd" for name in NAMES]
    found = with_reasons(scored(samples, scores), {}, LIMIT)
    assert found["extensible"].to_list() == [False, False, True, False, False]
    assert found["judged"].to_list() == [True, True, False, True, True]


def test_values_become_columns() -> None:
    scores = [score("a", "format"), score("b", "format", values='{"complete": false}')]
    found = scored([sample("a"), sample("b"), sample("c")], scores)
    assert found["format.complete"].to_list() == [True, False, None]


def test_another_versions_scores_do_not_count() -> None:
    scores = [score("a", "math", scorer_id="an older one", verdict="false")]
    assert scored([sample("a")], scores)["correct"].to_list() == [None]


def test_two_scores_of_one_sample_are_an_error() -> None:
    with pytest.raises(StoreError, match="1 samples have two scores of one scorer"):
        scored([sample("a"), sample("b")], [score("a", "math"), score("a", "math")])


def test_without_scorers_nothing_is_missing() -> None:
    samples = pl.DataFrame([sample("a")])
    assert with_scores(samples, pl.DataFrame(), {}, {"*": ()})["missing"].to_list() == [""]
