"""Samples of a prompt that say nearly the same: the better one is published, the others are not."""

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from filters.near_duplicates import jaccard, shingles
from filters.signature import alikeness, signature_bytes, whole_text

SIGNATURE: Final = "signature.minhash"
MARGIN: Final = 0.15
"""Three and a half standard deviations of what signatures say; who is so near is compared."""
COMPARED_AT_ONCE: Final = 1000

ReadTexts = Callable[[pl.DataFrame], pl.DataFrame]
"""Rows with `path` and `row` -> the same rows, in their order, with `reasoning` and `answer`."""
Rows = npt.NDArray[np.int64]


def near_duplicates_of_better(ranked: pl.DataFrame, similar: float, texts: ReadTexts) -> pl.Series:
    """Whether a sample is alike with a better one of its prompt that is not itself such a one.

    `ranked` are samples that may be published, those of a prompt next to each other and the best
    first, with `prompt_id`, `SIGNATURE`, `path` and `row`. `similar` is the Jaccard index of their
    five-word runs from which on two are alike. Who has no signature is alike with nobody.
    """
    duplicate = np.zeros(ranked.height, bool)
    # Pairs are in order, so that it is known of the better one before it counts.
    for better, worse in zip(*alike(ranked, similar, texts), strict=True):
        duplicate[worse] |= not duplicate[better]
    return pl.Series(duplicate)


def alike(ranked: pl.DataFrame, similar: float, texts: ReadTexts) -> tuple[Rows, Rows]:
    """The rows of every two samples of a prompt that are alike, in order, the better one first;
    takes what `near_duplicates_of_better` does."""
    left, right, found = compared(ranked, similar, texts)
    return left[found >= similar], right[found >= similar]


def compared(
    ranked: pl.DataFrame, similar: float, texts: ReadTexts
) -> tuple[Rows, Rows, npt.NDArray[np.float64]]:
    """The same with the Jaccard index of each pair, also of some that are less alike than that."""
    left, right = _candidates(ranked, similar - MARGIN)
    found = np.zeros(len(left))
    for start in range(0, len(left), COMPARED_AT_ONCE):
        some = slice(start, start + COMPARED_AT_ONCE)
        found[some] = _compared(ranked, left[some], right[some], texts)
    return left, right, found


def _candidates(ranked: pl.DataFrame, least: float) -> tuple[Rows, Rows]:
    """Pairs of one prompt, the better one first, whose signatures are as near."""
    rows = ranked.select("prompt_id", SIGNATURE).with_row_index().drop_nulls(SIGNATURE)
    index = rows["index"].to_numpy().astype(np.int64)
    prompt = rows["prompt_id"].rle_id().to_numpy()
    known = signature_bytes(rows[SIGNATURE])
    found = [(index[:0], index[:0])]
    for step in range(1, len(index)):
        first = np.flatnonzero(prompt[:-step] == prompt[step:])
        if not len(first):
            break
        first = first[alikeness(known[first], known[first + step]) >= least]
        found.append((index[first], index[first + step]))
    left, right = (np.concatenate(side) for side in zip(*found, strict=True))
    order = np.lexsort((right, left))  # prompt by prompt, so that a text is read about once
    return left[order], right[order]


def _compared(
    ranked: pl.DataFrame, left: Rows, right: Rows, texts: ReadTexts
) -> npt.NDArray[np.float64]:
    rows, places = np.unique(np.concatenate([left, right]), return_inverse=True)
    read = texts(ranked[rows])
    sets = shingles(
        pl.Series([whole_text(*row) for row in read.select("reasoning", "answer").iter_rows()])
    )
    return jaccard(sets.take(places[: len(left)]), sets.take(places[len(left) :]))
