"""Scorers of text say of labelled texts what the labels say, and of any text something."""

import random
from collections.abc import Iterator

import pytest

from filters.scorer import Response
from filters.scorers import SCORERS, build_scorers
from tests.filters.labelled.texts import HOSTILE, PROMPTS, QUESTIONS, Labelled, labelled

OF_TEXT = ("control", "format", "language", "leaks", "pii", "refusal", "repetition")
ALL = labelled()
ALL_SCORERS = build_scorers(OF_TEXT, lambda: QUESTIONS)


def test_there_are_enough() -> None:
    assert len(ALL) >= 500
    assert {one.scorer for one in ALL} == {*OF_TEXT} - {"format"}
    assert [one.response for one in ALL] == [one.response for one in labelled()]


@pytest.mark.parametrize("name", sorted({one.scorer for one in ALL}))
def test_what_the_labels_say(name: str) -> None:
    scorer = ALL_SCORERS[name]
    wrong: list[tuple[Labelled, str | None]] = []
    for one in ALL:
        if one.scorer == name and (reason := scorer(one.response).reason) != one.reason:
            wrong.append((one, reason))
    assert not wrong, [(one.kind, one.reason, reason) for one, reason in wrong[:10]]


@pytest.mark.parametrize("kind", HOSTILE)
def test_any_text_has_a_score_or_a_reason(kind: str) -> None:
    text = HOSTILE[kind]
    for name, scorer in ALL_SCORERS.items():
        for response in (
            Response(PROMPTS["en"], text, text, "stop"),
            Response(text, None, text, "length"),
        ):
            score = scorer(response)
            assert set(score.values) == set(SCORERS[name].fields)


def noise(rng: random.Random) -> Iterator[str]:
    pool = "aZ1 .\n$\\[]{}<>|@-+*`数。é\u200bА\x00"
    for _ in range(200):
        yield "".join(rng.choice(pool) for _ in range(rng.randrange(200)))


def test_noise_has_a_score() -> None:
    for name, scorer in ALL_SCORERS.items():
        for text in noise(random.Random(0)):
            score = scorer(Response(text, text, text, "stop"))
            assert set(score.values) == set(SCORERS[name].fields)


@pytest.mark.parametrize(
    ("answer", "evidence"),
    [("Write to jane.roe@gmail.com.", "email"), ("Her SSN is 536-90-4399.", "ssn")],
)
def test_what_is_private_is_not_evidence(answer: str, evidence: str) -> None:
    score = SCORERS["pii"]()(Response("q", None, answer, "stop"))
    assert (score.evidence, score.values["kinds"], score.values["count"]) == (evidence, evidence, 1)
