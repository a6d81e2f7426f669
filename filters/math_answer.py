"""Is the final answer right, as mathematics?"""

from collections.abc import Mapping
from importlib.metadata import version
from typing import ClassVar

from filters.equivalence import all_equivalent, equivalent
from filters.final_answer import final_answers
from filters.scorer import FieldType, Response
from schemas.score import FALSE, TRUE, UNPARSABLE, Score

GSM8K_MARK = "####"


class MathScorer:
    """The final answer behind the thinking against the reference.

    What cannot be decided is `unparsable`, never true. Several different boxes are all of them
    together: right where the reference is that list, and wrong where it is one of them. Algebra may
    hang, so that it runs in a process that can be killed.
    """

    name: ClassVar[str] = "math"
    version: ClassVar[int] = 2
    fields: ClassVar[Mapping[str, FieldType]] = {"answer": str}
    verifies: ClassVar[bool] = True
    deadline_s: ClassVar[float | None] = 2.0

    def __call__(self, response: Response) -> Score:
        gold = final_reference(response.reference)
        if gold is None:
            return Score(values={"answer": None}, reason="no_reference")
        answers = final_answers(response.answer)
        if not answers:
            return _unparsable(None, "no_final_answer")
        hedges = len(answers) > 1 and not all_equivalent(answers)
        answer = ", ".join(answers) if hedges else answers[-1]
        try:
            verdict = equivalent(gold, answer)
        except Exception as error:  # sympy raises every type on hostile input; none means "false"
            return _unparsable(answer, f"undecided_{type(error).__name__.lower()}")
        if verdict is None:
            return _unparsable(answer, "several_answers" if hedges else "not_parsed")
        wrong = "several_answers" if hedges else "wrong_answer"
        return Score(
            values={"answer": answer},
            verdict=TRUE if verdict else FALSE,
            reason=None if verdict else wrong,
            evidence=f"{answer} against {gold}",
        )

    def libraries(self) -> Mapping[str, str]:
        return {
            name: version(name)
            for name in ("math-verify", "latex2sympy2_extended", "antlr4-python3-runtime", "sympy")
        }


def _unparsable(answer: str | None, reason: str) -> Score:
    return Score(values={"answer": answer}, verdict=UNPARSABLE, reason=reason, evidence=answer)


def final_reference(reference: str | None) -> str | None:
    """The final answer of a reference; GSM8K's references end in `#### answer`, and those with a
    whole solution have it in a box."""
    if reference is None or not reference.strip():
        return None
    own = reference.rpartition(GSM8K_MARK)[2].strip()
    if "\\boxed" in own:
        own = ", ".join(final_answers(own)) or own
    return own
