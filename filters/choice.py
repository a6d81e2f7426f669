"""Is the letter right, in a multiple choice?"""

from typing import ClassVar

from filters.conventions import same_choice
from filters.math_text import normal
from filters.verifier import Verifier


class ChoiceScorer(Verifier):
    """The reference is a letter; the answer may repeat what it stands for."""

    name: ClassVar[str] = "choice"
    version: ClassVar[int] = 3

    def same(self, reference: str, answer: str) -> bool | None:
        return same_choice(normal(reference), normal(answer))
