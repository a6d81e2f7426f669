"""Made-up texts of given lengths, and edits of them, for benchmarks of what compares texts."""

import random
import re
from collections.abc import Sequence
from itertools import accumulate

SYLLABLES = ("pra", "ste", "kli", "tron", *re.findall("..", "bacedifogulamenirosutavewixozu"))


class Texts:
    """A stream of texts over one vocabulary, whose words are as frequent as those of a language."""

    def __init__(self, seed: int, vocabulary: int = 20_000) -> None:
        self.random = random.Random(seed)
        self.words = list(
            dict.fromkeys(
                "".join(self.random.choices(SYLLABLES, k=self.random.randint(1, 4)))
                for _ in range(vocabulary)
            )
        )
        # Zipf's law, as words of natural texts are distributed.
        self._weights = list(accumulate(1 / rank for rank in range(2, len(self.words) + 2)))

    def text(self, words: int) -> list[str]:
        """So many words."""
        return self.random.choices(self.words, cum_weights=self._weights, k=words)

    def edited(self, text: Sequence[str], edits: int) -> list[str]:
        """The text with so many words, at random places, in exchange for others."""
        changed = list(text)
        for place in self.random.sample(range(len(text)), edits):
            changed[place] = self.random.choice(self.words)
        return changed
