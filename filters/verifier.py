"""What verifiers share: a final answer, a reference, and a verdict on both."""

from collections.abc import Callable

from filters.final_answer import final_answers
from filters.scorer import Response
from schemas.score import FALSE, TRUE, UNPARSABLE, Score

SameAnswer = Callable[[str, str], bool | None]
"""(reference, answer) -> whether they say the same; null where that cannot be told."""


def verify(response: Response, reference: str | None, same: SameAnswer) -> Score:
    """The score of a verifier with the field `answer`.

    What cannot be decided is `unparsable`, never true; so is what `same` raises. Several different
    boxes are all of them together: right where the reference is that list, and wrong where it is
    one of them.
    """
    if reference is None or not reference.strip():
        return Score(values={"answer": None}, reason="no_reference")
    answers = final_answers(response.answer)
    if not answers:
        return _undecided(None, "no_final_answer")
    try:
        hedges = any(same(answers[0], other) is not True for other in answers[1:])
        answer = ", ".join(answers) if hedges else answers[-1]
        verdict = same(reference.strip(), answer)
    except Exception as error:  # sympy raises every type on hostile input; none means "false"
        return _undecided(answers[-1], f"undecided_{type(error).__name__.lower()}")
    if verdict is None:
        return _undecided(answer, "several_answers" if hedges else "not_parsed")
    wrong = "several_answers" if hedges else "wrong_answer"
    return Score(
        values={"answer": answer},
        verdict=TRUE if verdict else FALSE,
        reason=None if verdict else wrong,
        evidence=f"{answer} against {reference.strip()}",
    )


def _undecided(answer: str | None, reason: str) -> Score:
    return Score(values={"answer": answer}, verdict=UNPARSABLE, reason=reason, evidence=answer)
