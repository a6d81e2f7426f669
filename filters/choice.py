"""Is the letter right, in a multiple choice?"""

from collections.abc import Mapping
from typing import ClassVar

from filters.conventions import same_choice
from filters.math_text import normal
from filters.scorer import FieldType, Response
from filters.verifier import verify
from schemas.score import Score


class ChoiceScorer:
    """The reference is a letter; the answer may repeat what it stands for."""

    name: ClassVar[str] = "choice"
    version: ClassVar[int] = 1
    fields: ClassVar[Mapping[str, FieldType]] = {"answer": str}
    verifies: ClassVar[bool] = True
    deadline_s: ClassVar[float | None] = None

    def __call__(self, response: Response) -> Score:
        return verify(response, response.reference, _same_letter)

    def libraries(self) -> Mapping[str, str]:
        return {}


def _same_letter(reference: str, answer: str) -> bool | None:
    return same_choice(normal(reference), normal(answer))
