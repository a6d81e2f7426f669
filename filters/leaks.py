"""Leaks: prompts that are questions of evaluation sets, in the same words or nearly so.

Eight words in common, the rule of open-r1 and s1, flags 1.4 % of one half of GSM8K's training
problems against the other, for "what is the difference between the number of", and misses a short
question of which three words were changed. So shared words only make candidates here, and what
decides is how much of the question is in the prompt. Measured: docs/benchmarks.md; why so:
docs/decisions/0016.
"""

from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from typing import Final

import numpy as np
import polars as pl

from filters.words import (
    Numbers,
    Positions,
    Ragged,
    chunks,
    ngrams,
    ranges,
    shared,
    starts_of,
    word_numbers,
    words,
)

CANDIDATE: Final = 5
"""Words in a row that a prompt and a question must share to be compared."""
COMMON: Final = 64
COMMON_SHARE: Final = 0.2
COMMON_LEAST: Final = 5
"""What more questions than `COMMON`, or more than that share of them, have in common makes no
candidates: that is how questions begin, or the instructions around all of one set."""
COVERING: Final = 3
COVERED: Final = 0.5
"""Of a question's runs of three words; three changed words take at most nine of them."""
LONG_RUN: Final = 13
LONG_RUN_WORDS: Final = 8
"""Words in a row that are a leak wherever they stand (GPT-3's rule, Brown et al. 2020, C), if so
many of them are different: a row of zeros is none."""
REPORTED_RUN: Final = 8
"""Words in a row that are reported (open-r1's and s1's rule), though they alone are no leak."""
SHORTEST: Final = 3
"""Words of a question that may be a part of a prompt, one of which has three letters. A shorter one
is found as a whole prompt."""
BYTES_AT_ONCE: Final = 1 << 20
"""Of prompts, so that long ones take no more memory than many."""

LEAK_COLUMNS: Final[dict[str, pl.DataType]] = {
    "prompt.leaked": pl.Boolean(),
    "prompt.leak_share": pl.Float64(),
    "prompt.leak_run": pl.Int32(),
    "prompt.leak_set": pl.String(),
    "prompt.leak_text": pl.String(),
}


class Questions:
    """Evaluation sets, indexed by runs of their words."""

    def __init__(self, sets: Mapping[str, Sequence[str]]) -> None:
        once: dict[tuple[str, ...], tuple[str, str]] = {}
        for name, texts in sets.items():
            for text, own in zip(texts, words(pl.Series(texts, dtype=pl.String)), strict=True):
                if len(own):
                    once.setdefault(tuple(own), (name, text))
        self.names = [name for name, _ in once.values()]
        self.texts = [text for _, text in once.values()]
        numbers = word_numbers(pl.Series(self.texts, dtype=pl.String))
        self.lengths = numbers.lengths
        self.covering = _telling(ngrams(numbers, COVERING))
        self._runs = _Runs(ngrams(numbers, CANDIDATE))
        spoken = np.array([any(len(w) > 2 and w.isalpha() for w in own) for own in once], bool)
        self._short = {
            size: _Runs(ngrams(numbers, size), only=spoken & (self.lengths == size))
            for size in range(SHORTEST, CANDIDATE)
            if (spoken & (self.lengths == size)).any()
        }

    def candidates(self, numbers: Ragged) -> tuple[Positions, Positions, Positions]:
        """Pairs of a prompt's row and a question, and the words in a row that they share."""
        prompts, questions, steps, places = self._runs.find(ngrams(numbers, CANDIDATE))
        pairs, runs = _longest_runs(prompts * len(self.texts) + questions, places - steps, places)
        runs += CANDIDATE - 1
        for size, index in self._short.items():
            inside, short, _, _ = index.find(ngrams(numbers, size))
            pairs = np.append(pairs, inside * len(self.texts) + short)
            runs = np.append(runs, np.full(len(inside), size))
        pairs, first = np.unique(pairs, return_index=True)
        prompts, questions = np.divmod(pairs, len(self.texts))
        longest = np.minimum(
            runs[first], np.minimum(numbers.lengths[prompts], self.lengths[questions])
        )
        return prompts, questions, longest


def most_sharing(questions: int) -> int:
    """Of so many questions: what more of them have in common tells none from another."""
    return min(COMMON, max(COMMON_LEAST, int(questions * COMMON_SHARE)))


def _telling(grams: Ragged) -> Ragged:
    """Without what many questions have, unless one has nothing else."""
    rows, questions = grams.rows, len(grams.lengths)
    once = once_each(grams.flat, rows)
    numbers, counts = np.unique(grams.flat[once], return_counts=True)
    telling = counts[np.searchsorted(numbers, grams.flat)] <= most_sharing(questions)
    telling |= np.bincount(rows[telling], minlength=questions)[rows] == 0
    return Ragged(grams.flat[telling], starts_of(np.bincount(rows[telling], minlength=questions)))


def once_each(flat: Numbers, rows: Positions) -> Positions:
    """Where each number stands first in each row, sorted by the number. A run that a question
    repeats counts once: a row of zeros has one everywhere."""
    order = np.argsort(flat, kind="stable")
    first = np.ones(len(flat), bool)
    first[1:] = (flat[order][1:] != flat[order][:-1]) | (rows[order][1:] != rows[order][:-1])
    once: Positions = order[first]
    return once


class _Runs:
    """Which questions have a run of words, and at which of their words it begins."""

    def __init__(self, grams: Ragged, only: "np.ndarray | None" = None) -> None:
        rows = grams.rows
        places = np.arange(len(grams.flat)) - np.repeat(grams.starts[:-1], grams.lengths)
        once = once_each(grams.flat, rows)
        once = once if only is None else once[only[rows[once]]]
        flat, self._rows, self._places = grams.flat[once], rows[once], places[once]
        self._most = most_sharing(len(grams.lengths))
        self._numbers, starts = np.unique(flat, return_index=True)
        self._starts = np.append(starts, len(flat)).astype(np.int64)

    def find(self, grams: Ragged) -> tuple[Positions, Positions, Positions, Positions]:
        """Of each run of the prompts that a question has: prompt, question, and where it begins in
        the one and in the other."""
        if not len(self._numbers):
            return (np.empty(0, np.int64),) * 4
        at = np.searchsorted(self._numbers, grams.flat)
        at[at == len(self._numbers)] = 0
        counts = np.diff(self._starts)[at]
        hits = np.flatnonzero((self._numbers[at] == grams.flat) & (counts <= self._most))
        at, counts = at[hits], counts[hits]
        found = ranges(self._starts[at], counts)
        prompts = np.searchsorted(grams.starts, hits, "right") - 1
        steps = hits - grams.starts[prompts]
        return (
            np.repeat(prompts, counts),
            self._rows[found],
            np.repeat(steps, counts),
            self._places[found],
        )


def _longest_runs(
    pairs: Positions, diagonals: Positions, places: Positions
) -> tuple[Positions, Positions]:
    """Each pair once, and how many of its hits follow one another without a gap, at most."""
    order = np.lexsort((places, diagonals, pairs))
    pairs, diagonals, places = pairs[order], diagonals[order], places[order]
    breaks = np.ones(len(pairs), bool)
    breaks[1:] = (
        (pairs[1:] != pairs[:-1])
        | (diagonals[1:] != diagonals[:-1])
        | (places[1:] != places[:-1] + 1)
    )
    starts = np.flatnonzero(breaks)
    lengths = np.diff(np.append(starts, len(pairs)))
    found, first = np.unique(pairs[starts], return_index=True)
    return found, np.maximum.reduceat(lengths, first) if len(first) else lengths


def leaks(prompts: pl.Series, questions: Questions) -> pl.DataFrame:
    """`LEAK_COLUMNS` of each prompt: whether a question of an evaluation set is in it.

    `leak_share`: how much of the question is in the prompt, `leak_run`: how many words in a row
    they share, of the question of which most is; both 0 unless it is leaked or eight words are
    shared, as `leak_set` and `leak_text` (those words) are null.
    """
    parts = [_leaks(chunk, questions) for chunk in chunks(prompts, BYTES_AT_ONCE)]
    return pl.concat([pl.DataFrame(schema=LEAK_COLUMNS), *parts])


def _leaks(prompts: pl.Series, questions: Questions) -> pl.DataFrame:
    numbers = word_numbers(prompts)
    rows, found, runs = questions.candidates(numbers)
    common, _, sizes = shared(ngrams(numbers, COVERING).take(rows), questions.covering.take(found))
    shares = common / np.maximum(sizes, 1)
    leaked = shares >= COVERED
    for at in np.flatnonzero(~leaked & (runs >= LONG_RUN)):
        leaked[at] = _is_telling(_longest(prompts[int(rows[at])], questions.texts[found[at]]))
    best = np.lexsort((-runs, -shares, ~leaked, rows))
    _, first = np.unique(rows[best], return_index=True)
    best = best[first]
    best = best[leaked[best] | (runs[best] >= REPORTED_RUN)]
    texts = [_longest(prompts[int(rows[at])], questions.texts[found[at]]) for at in best]
    told = pl.DataFrame(
        {
            "row": rows[best],
            "prompt.leaked": leaked[best],
            "prompt.leak_share": shares[best],
            "prompt.leak_run": [len(text) for text in texts],
            "prompt.leak_set": [questions.names[at] for at in found[best]],
            "prompt.leak_text": [" ".join(text) for text in texts],
        },
        schema={"row": pl.Int64(), **LEAK_COLUMNS},
    )
    return (
        pl.DataFrame({"row": np.arange(len(prompts))}, schema={"row": pl.Int64()})
        .join(told, on="row", how="left", maintain_order="left")
        .with_columns(
            pl.col("prompt.leaked").fill_null(value=False),
            pl.col("prompt.leak_share", "prompt.leak_run").fill_null(0),
        )
        .drop("row")
    )


def _is_telling(run: Sequence[str]) -> bool:
    return len(run) >= LONG_RUN and len({*run}) >= LONG_RUN_WORDS


def _longest(prompt: str, question: str) -> list[str]:
    """The most words in a row that both have."""
    one, other = (list[str](own) for own in words(pl.Series([prompt, question])))
    match = SequenceMatcher(None, one, other, autojunk=False).find_longest_match()
    return one[match.a : match.a + match.size]
