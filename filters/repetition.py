"""Does the response go round in circles?"""

import zlib
from collections import Counter
from collections.abc import Mapping
from typing import ClassVar

from filters.scorer import FieldType, Response
from schemas.score import Score

NGRAM = 10
TAIL_CHARS = 2048
TAIL_RATIO_OF_A_LOOP = 0.12
"""Clean reasoning compresses to 0.36 or more, a loop at the end to 0.05 or less."""
REPEATS_OF_A_LOOP = 20
MIN_TAIL_CHARS = 512
"""A shorter text compresses too unevenly to say anything."""


class RepetitionScorer:
    """Share of words in repeated 10-grams, and how well the end of the text compresses.

    The thresholds were calibrated on clean, enumerating and looping text; a loop is only a reason
    here, what it costs a sample is up to the recipe's rules.
    """

    name: ClassVar[str] = "repetition"
    version: ClassVar[int] = 1
    fields: ClassVar[Mapping[str, FieldType]] = {
        "share": float,
        "max_count": int,
        "tail_ratio": float,
    }
    verifies: ClassVar[bool] = False
    deadline_s: ClassVar[float | None] = None

    def __call__(self, response: Response) -> Score:
        text = f"{response.reasoning or ''}\n{response.answer}"
        share, max_count = _repeated_ngrams(text.split())
        tail_ratio = _tail_ratio(text)
        looping = max_count >= REPEATS_OF_A_LOOP or (
            tail_ratio is not None and tail_ratio < TAIL_RATIO_OF_A_LOOP
        )
        return Score(
            values={"share": share, "max_count": max_count, "tail_ratio": tail_ratio},
            reason="loop" if looping else None,
        )

    def libraries(self) -> Mapping[str, str]:
        return {}


def _repeated_ngrams(words: list[str]) -> tuple[float, int]:
    """Share of 10-grams seen before, and the count of the commonest."""
    counts = Counter(zip(*(words[i:] for i in range(NGRAM)), strict=False))
    total = counts.total()
    if total == 0:
        return 0.0, 0
    return 1 - len(counts) / total, max(counts.values())


def _tail_ratio(text: str) -> float | None:
    """Compressed over plain bytes of the last 2,048 characters; null for a short text."""
    tail = text[-TAIL_CHARS:].encode("utf-8", "replace")
    if len(tail) < MIN_TAIL_CHARS:
        return None
    return len(zlib.compress(tail, 6)) / len(tail)
