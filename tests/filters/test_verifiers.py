"""Small verifiers: letters and words."""

import pytest

from filters.choice import ChoiceScorer
from filters.exact_match import ExactMatchScorer
from filters.scorer import Response, Scorer

CHOICE, WORDS = ChoiceScorer(), ExactMatchScorer()


@pytest.mark.parametrize(
    ("scorer", "gold", "answer", "verdict", "reason"),
    [
        (CHOICE, "B", r"\boxed{B}", "true", None),
        (CHOICE, "B", "The answer is (B).", "true", None),
        (CHOICE, "(B)", r"\boxed{\textbf{(B)}\ 12}", "true", None),
        (CHOICE, "B", r"\boxed{C}", "false", "wrong_answer"),
        (CHOICE, "B", r"\boxed{12}", "false", "wrong_answer"),
        (CHOICE, "B", r"\boxed{A} or \boxed{B}", "false", "several_answers"),
        (CHOICE, "B", "I like the letter B", "unparsable", "no_final_answer"),
        (CHOICE, "B", "B", "true", None),
        (CHOICE, "twelve", r"\boxed{B}", "unparsable", "not_parsed"),
        (CHOICE, None, r"\boxed{B}", None, "no_reference"),
        (WORDS, "Marie Curie", r"\boxed{\text{marie curie}}", "true", None),
        (WORDS, "the Nile", "Final answer: Nile.", "true", None),
        (WORDS, "the Nile", r"\boxed{Amazon}", "false", "wrong_answer"),
        (WORDS, "the Nile", "", "unparsable", "no_final_answer"),
        (WORDS, " ", r"\boxed{Nile}", None, "no_reference"),
    ],
)
def test_verdicts(
    scorer: Scorer, gold: str | None, answer: str, verdict: str | None, reason: str | None
) -> None:
    score = scorer(Response("q", "thinking", answer, "stop", reference=gold))
    assert (score.verdict, score.reason) == (verdict, reason)
