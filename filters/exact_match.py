"""Is the answer the reference, word by word?"""

from collections.abc import Mapping
from typing import ClassVar

from filters.math_text import words
from filters.scorer import FieldType, Response
from filters.verifier import verify
from schemas.score import Score


class ExactMatchScorer:
    """Without capitals, punctuation, fonts and an article."""

    name: ClassVar[str] = "exact_match"
    version: ClassVar[int] = 1
    fields: ClassVar[Mapping[str, FieldType]] = {"answer": str}
    verifies: ClassVar[bool] = True
    deadline_s: ClassVar[float | None] = None

    def __call__(self, response: Response) -> Score:
        return verify(response, response.reference, _same_words)

    def libraries(self) -> Mapping[str, str]:
        return {}


def _same_words(reference: str, answer: str) -> bool | None:
    return words(reference) == words(answer)
