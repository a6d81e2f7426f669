"""Verdicts on responses; nothing undecided ever counts as right."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from filters.math_answer import MathScorer
from filters.scorer import Response
from infra.killable import TIMEOUT, Failed, Killable
from schemas.score import Score


def verdict(gold: str | None, answer: str) -> tuple[str | None, str | None]:
    score = MathScorer()(Response("q", "thinking", answer, "stop", reference=gold))
    return score.verdict, score.reason


RESPONSES = Path(__file__).with_name("responses.jsonl")
"""Ends of responses against references, labelled by hand before any scorer saw them."""
NOT_YET = {"first box explicitly retracted, final box right"}
"""Whether a retraction is meant, or one more guess, no rule can tell."""


def test_the_set_of_responses() -> None:
    rows = [json.loads(line) for line in RESPONSES.read_text(encoding="utf-8").splitlines()]
    assert len(rows) >= 100
    differs = {
        row["why"]
        for row in rows
        if (verdict(row["reference"], row["response"])[0] == "true") != row["right"]
    }
    assert differs == NOT_YET


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("72", r"so \boxed{72}."),
        ("72", r"\boxed{72}, that is \boxed{72.0}"),
        ("72", "The answer is 72."),
        ("72", "So it is.\n**Answer:** 72"),
        ("B", "The answer is (B)."),
        ("B", "The correct option is B"),
        ("1, 2", r"either \boxed{2} or \boxed{1}"),
        ("1/2", r"\boxed{\frac{1}{2}}"),
        ("0.5", r"\boxed{\frac12}"),
        ("x+1", r"\boxed{1+x}"),
        ("(1,2)", r"\boxed{(1, 2)}"),
        ("She has 5 left.\n#### 1200", r"\boxed{1200}"),
        ("20", r"\boxed{\$20}"),
        ("12", r"\boxed{12 \text{ apples}}"),
        (r"\frac{3}{\sqrt{5}}", r"\boxed{\frac{3\sqrt{5}}{5}}"),
    ],
)
def test_right(gold: str, answer: str) -> None:
    assert verdict(gold, answer) == ("true", None)


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("72", r"\boxed{27}"),
        ("72", r"\boxed{-72}"),
        ("1/2", r"\boxed{\frac{1}{3}}"),
        ("12", r"\boxed{3$ or $12}"),
    ],
)
def test_wrong(gold: str, answer: str) -> None:
    assert verdict(gold, answer) == ("false", "wrong_answer")


@pytest.mark.parametrize(
    "answer",
    [
        r"\boxed{5} but rather \boxed{6}",
        r"\boxed{6}, no: \boxed{5}",
        r"\boxed{1} \boxed{2} \boxed{3} \boxed{4} \boxed{5}",
    ],
)
def test_who_offers_several_answers_has_none(answer: str) -> None:
    assert verdict("5", answer) == ("false", "several_answers")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("the problem mentions 12 apples", "no_final_answer"),
        ("I cannot solve this. The problem mentions 12 apples.", "no_final_answer"),
        ("The answer is 12, I first thought.\nBut I do not know.", "no_final_answer"),
        ("", "no_final_answer"),
        (r"\boxed{}", "no_final_answer"),
        (r"\boxed{ }", "no_final_answer"),
        (r"\boxed{12", "no_final_answer"),
        (r"\boxed{@@@}", "not_parsed"),
    ],
)
def test_what_cannot_be_decided_is_unparsable(answer: str, reason: str) -> None:
    assert verdict("12", answer) == ("unparsable", reason)


@pytest.mark.parametrize("gold", [None, "", "  "])
def test_without_a_reference_there_is_no_verdict(gold: str | None) -> None:
    assert verdict(gold, r"\boxed{12}") == (None, "no_reference")


def test_gsm8k_references_end_in_the_answer() -> None:
    final_reference = MathScorer().final_reference
    assert final_reference("48/2 = 24\n#### 72") == "72"
    assert final_reference(r"Half of it: $\boxed{\frac{1}{2}}$.") == r"\frac{1}{2}"


@pytest.mark.parametrize(
    "payload", ["__import__('os').system('touch HACKED')", "exec(open('/etc/passwd').read())"]
)
def test_model_text_is_never_run(
    payload: str, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(str(tmp_path))
    assert verdict("1", rf"\boxed{{{payload}}}")[0] != "true"
    assert list(__import__("pathlib").Path(str(tmp_path)).iterdir()) == []


@pytest.mark.parametrize(
    "text",
    ["", "x" * 10**6, "\x00", "\ud800", "{" * 1000 + "}" * 1000, r"\frac{" * 1000, "((" * 500],
    ids=range(7),
)
def test_hostile_text_gets_a_verdict_or_a_reason(text: str) -> None:
    for answer in (text, rf"\boxed{{{text}}}", rf"The answer is {text}"):
        found, reason = verdict("12", answer)
        assert found != "true"
        assert reason is not None
        assert verdict(text, r"\boxed{12}")[0] != "true"


@pytest.fixture(scope="module")
def killable() -> Iterator[Killable[Response, Score]]:
    one: Killable[Response, Score] = Killable(MathScorer, 1.0)
    yield one
    one.close()


@settings(max_examples=200)
@given(st.text(max_size=40))
@example(r"9^{9^{9^9}}")
@example(r"\sin((9^{99999})^{99999})")
def test_any_text_gets_a_verdict_or_a_reason(
    killable: Killable[Response, Score], text: str
) -> None:
    """Where algebra can be killed: Hypothesis draws the strings of these files too, and nine of
    them held CI until its end."""
    response = Response("q", "thinking", rf"\boxed{{{text}}}", "stop", reference="12")
    [score] = killable([response])
    if isinstance(score, Failed):
        assert score == TIMEOUT
    else:
        assert (score.verdict == "true") == (score.reason is None)
