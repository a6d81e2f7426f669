"""What holds for every scorer."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.scorer import Response, Scorer, scorer_id
from filters.scorers import SCORERS, build_scorers, scorers_of
from schemas.errors import RecipeError
from schemas.score import VERDICTS

QUESTIONS = {"set": ["What is the sum of all numbers from one to ten, and what is half of it?"]}
ALL = [*build_scorers(SCORERS, lambda: QUESTIONS).values()]
HOSTILE = [
    "",
    "\0",
    "\ud800 lone surrogate",
    "x" * 1_000_000,
    "\\boxed{" * 1000,
    "\\boxed{" + "(" * 1000 + ")" * 1000 + "}",
    "</think>" * 100,
    "\u202eright to left\u202c \u200b zero width",
]
IDS = ["empty", "nul", "surrogate", "1MB", "boxes", "nesting", "closings", "bidi"]


def assert_scored(scorer: Scorer, text: str, *, thinking_open: bool) -> None:
    response = Response.of_text(
        text, prompt="What?", reference="1", finish_reason="stop", thinking_open=thinking_open
    )
    score = scorer(response)
    assert score.values.keys() == scorer.fields.keys()
    for field, kind in scorer.fields.items():
        assert score.values[field] is None or type(score.values[field]) is kind
    assert score.verdict is None or (scorer.verifies and score.verdict in VERDICTS)
    json.dumps(dict(score.values), allow_nan=False)


@pytest.mark.parametrize("scorer", ALL, ids=lambda s: s.name)
@pytest.mark.parametrize("text", HOSTILE, ids=IDS)
def test_hostile_text_gets_a_score(scorer: Scorer, text: str) -> None:
    assert_scored(scorer, text, thinking_open=True)


@pytest.mark.parametrize("scorer", [s for s in ALL if s.deadline_s is None], ids=lambda s: s.name)
@settings(max_examples=200)
@given(text=st.text(), thinking_open=st.booleans())
def test_any_text_gets_a_score(scorer: Scorer, text: str, thinking_open: bool) -> None:
    assert_scored(scorer, text, thinking_open=thinking_open)


def test_identities_differ() -> None:
    assert len({scorer_id(scorer) for scorer in ALL}) == len(ALL)


def test_an_unknown_scorer_is_named_with_the_nearest() -> None:
    with pytest.raises(RecipeError, match="did you mean 'repetition'"):
        build_scorers(["repetitions"])


def test_scorers_of_a_domain_include_those_of_all() -> None:
    by_domain = {"math": ("math", "format"), "*": ("format", "language")}
    assert scorers_of(by_domain, "math") == ("format", "language", "math")
    assert scorers_of(by_domain, "law") == ("format", "language")
