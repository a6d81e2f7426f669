"""What verifiers share: a final answer, a reference, and a verdict on both."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from filters.final_answer import final_answers
from filters.scorer import FieldType, Response
from schemas.score import FALSE, TRUE, UNPARSABLE, Score


class Verifier(ABC):
    """A scorer that compares a response's final answer with the reference.

    What cannot be decided is `unparsable`, never true; so is what `same` raises. Several different
    boxes are all of them together: right where the reference is that list, and wrong where it is
    one of them. Without a reference the answer is told all the same, if it is one: it has a vote.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    fields: ClassVar[Mapping[str, FieldType]] = {"answer": str}
    verifies: ClassVar[bool] = True
    deadline_s: ClassVar[float | None] = None

    @abstractmethod
    def same(self, reference: str, answer: str) -> bool | None:
        """Whether both say the same; null where that cannot be told."""

    def libraries(self) -> Mapping[str, str]:
        return {}

    def __call__(self, response: Response) -> Score:
        reference = self.final_reference(response.reference or "").strip()
        answers = final_answers(response.answer)
        if not reference:
            answer = answers[0] if len(set(answers)) == 1 else None
            return Score(values={"answer": answer}, reason="no_reference")
        if not answers:
            return _undecided(None, "no_final_answer")
        try:
            hedges = any(self.same(answers[0], other) is not True for other in answers[1:])
            answer = ", ".join(answers) if hedges else answers[-1]
            verdict = self.same(reference, answer)
        except Exception as error:  # sympy raises every type on hostile input; none means "false"
            return _undecided(answers[-1], f"undecided_{type(error).__name__.lower()}")
        if verdict is None:
            return _undecided(answer, "several_answers" if hedges else "not_parsed")
        wrong = "several_answers" if hedges else "wrong_answer"
        return Score(
            values={"answer": answer},
            verdict=TRUE if verdict else FALSE,
            reason=None if verdict else wrong,
            evidence=f"{answer} against {reference}",
        )

    def final_reference(self, reference: str) -> str:
        """The part of a reference that is its answer."""
        return reference


def _undecided(answer: str | None, reason: str) -> Score:
    return Score(values={"answer": answer}, verdict=UNPARSABLE, reason=reason, evidence=answer)
