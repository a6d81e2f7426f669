"""Is the answer the reference, word by word?"""

from typing import ClassVar

from filters.math_text import words
from filters.verifier import Verifier


class ExactMatchScorer(Verifier):
    """Without capitals, punctuation, fonts and an article."""

    name: ClassVar[str] = "exact_match"
    version: ClassVar[int] = 3

    def same(self, reference: str, answer: str) -> bool | None:
        return words(reference) == words(answer)
