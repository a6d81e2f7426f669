"""Does the response go round in circles?"""

import re
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
END, PIECE = 160, 16
"""Characters: of what counts as the end, and of what is looked for before it."""
PERIODIC_CHARS = 4096
"""At the end, in which a period is looked for."""
PROBE = 24
"""Characters of the end that must have been there before, one period ago."""
TAIL_REPEATS_OF_A_LOOP, TAIL_CHARS_OF_A_LOOP = 6, 200
"""Shorter ends are rules of tables, or a row of zeros."""
DISTINCT = 3
"""Words of a 10-gram: a row of zeros has fewer."""
WITHOUT_SPACES = re.compile("[㐀-䶿一-鿿぀-ヿ฀-๿]")


class RepetitionScorer:
    """Share of words in repeated 10-grams, how well the end compresses, and how often its period
    comes round.

    `tail_loop`: it was going round when it ended, however it ended; a text that was merely cut off
    has no such reason. `loop`: it did so before. The thresholds were calibrated on clean,
    enumerating and looping text; a loop is only a reason here, what it costs a sample is up to the
    recipe's rules.
    """

    name: ClassVar[str] = "repetition"
    version: ClassVar[int] = 2
    fields: ClassVar[Mapping[str, FieldType]] = {
        "share": float,
        "max_count": int,
        "tail_ratio": float,
        "tail_period": int,
        "tail_repeats": float,
    }
    verifies: ClassVar[bool] = False
    deadline_s: ClassVar[float | None] = None

    def __call__(self, response: Response) -> Score:
        text = f"{response.reasoning or ''}\n{response.answer}".rstrip()
        words, length = _words(text)
        share, max_count = _repeated_ngrams(words, length)
        tail_ratio = _tail_ratio(text)
        period, repeats = _tail_period(text[-PERIODIC_CHARS:])
        is_periodic = repeats >= TAIL_REPEATS_OF_A_LOOP and period * repeats >= TAIL_CHARS_OF_A_LOOP
        reason = None
        is_dense = tail_ratio is not None and tail_ratio < TAIL_RATIO_OF_A_LOOP
        if is_periodic or (is_dense and _is_repeated(text[-END:], text[-TAIL_CHARS:-END])):
            reason = "tail_loop"
        elif is_dense or max_count >= REPEATS_OF_A_LOOP:
            reason = "loop"
        return Score(
            values={
                "share": share,
                "max_count": max_count,
                "tail_ratio": tail_ratio,
                "tail_period": period,
                "tail_repeats": repeats,
            },
            reason=reason,
        )

    def libraries(self) -> Mapping[str, str]:
        return {}


def _words(text: str) -> tuple[list[str], int]:
    """And how many say something: every character is one where words are not written apart."""
    if WITHOUT_SPACES.search(text):
        return WITHOUT_SPACES.sub(r" \g<0> ", text).split(), 2 * NGRAM
    return text.split(), NGRAM


def _repeated_ngrams(words: list[str], length: int) -> tuple[float, int]:
    """Share of 10-grams seen before, and the count of the commonest that is no row of numbers."""
    counts = Counter(zip(*(words[i:] for i in range(length)), strict=False))
    total = counts.total()
    if total == 0:
        return 0.0, 0
    often = [count for words, count in counts.items() if count > 1 and len(set(words)) >= DISTINCT]
    return 1 - len(counts) / total, max(often, default=1)


def _tail_ratio(text: str) -> float | None:
    """Compressed over plain bytes of the last 2,048 characters; null for a short text."""
    tail = text[-TAIL_CHARS:].encode("utf-8", "replace")
    if len(tail) < MIN_TAIL_CHARS:
        return None
    return len(zlib.compress(tail, 6)) / len(tail)


def _is_repeated(end: str, before: str) -> bool:
    """Most of it stood there before."""
    pieces = [end[at : at + PIECE] for at in range(0, len(end) - PIECE + 1, PIECE // 2)]
    return sum(piece in before for piece in pieces) * 2 >= len(pieces)


def _tail_period(tail: str) -> tuple[int, float]:
    """The shortest period of the end, in characters, and how often it comes round there; 0 and 1
    where it does not."""
    probe = tail[-PROBE:]
    before = tail.rfind(probe, 0, len(tail) - 1)
    if before < 0 or len(probe) < PROBE:
        return 0, 1.0
    period = len(tail) - PROBE - before
    # As far back as each character is the one a period later.
    start = len(tail) - period
    while start > 0 and tail[start - 1] == tail[start - 1 + period]:
        start -= 1
    return period, (len(tail) - start) / period
