"""Samples of a prompt that are unlike each other: the best one, and in turn the one that is least
like those before it (greedy max-min, Gonzalez 1985)."""

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from filters.distinct import SIGNATURE
from filters.near_duplicates import PERMUTATIONS
from filters.signature import in_common, signature_bytes

TAKEN: Final = PERMUTATIONS + 1
"""More than any two samples have in common."""
CACHED_ROWS: Final = 16_384
"""The signatures of so few stay in the processor's cache while turn after turn goes over them."""
Rows = npt.NDArray[np.int64]


def diverse_places(ranked: pl.DataFrame, per_prompt: int) -> pl.Series:
    """In which turn a sample is taken, from 1; null where it is not.

    `ranked` are samples that may be published, those of a prompt next to each other and the best
    first, with `prompt_id` and `SIGNATURE`. First comes a prompt's best one; each later one is that
    of which the greatest likeness to one before is least, by what signatures have in common, and
    the better one of several such. Who has no signature is unlike all others.
    """
    lengths = ranked["prompt_id"].rle().struct.field("len").to_numpy().astype(np.int64)
    found = [pl.Series([], dtype=pl.Int32)]
    for first, own in _cached(lengths):
        some = ranked[SIGNATURE].slice(first, int(own.sum()))
        found.append(pl.Series(_places(some, own, per_prompt)))
    places = pl.concat(found)
    return places.set(places == 0, None)


def _cached(lengths: Rows) -> Iterator[tuple[int, Rows]]:
    """Prompts whose signatures stay in the cache: the first row, and the length of each."""
    ends = np.cumsum(lengths)
    part = ends // CACHED_ROWS
    for own in np.split(np.arange(len(lengths)), np.flatnonzero(np.diff(part)) + 1):
        if len(own):
            yield int(ends[own[0]] - lengths[own[0]]), lengths[own]


def _places(signed: pl.Series, lengths: Rows, per_prompt: int) -> npt.NDArray[np.int32]:
    known = signed.is_not_null().to_numpy()
    signatures = np.zeros((len(signed), PERMUTATIONS), np.uint8)
    signatures[known] = signature_bytes(signed.drop_nulls())
    places = np.zeros(len(signed), np.int32)
    rows, greatest = np.arange(len(signed)), np.zeros(len(signed), np.int64)
    picks = np.cumsum(lengths) - lengths
    for turn in range(1, per_prompt + 1):
        places[picks] = turn
        more = lengths > turn
        if turn == per_prompt or not more.any():
            break
        own = np.repeat(more, lengths)
        rows, greatest, picks, lengths = rows[own], greatest[own], picks[more], lengths[more]
        taken = np.repeat(picks, lengths)
        both = known[rows] & known[taken]
        greatest = np.maximum(greatest, in_common(signatures[rows], signatures[taken]) * both)
        greatest[places[rows] > 0] = TAKEN
        order = greatest * len(rows) + np.arange(len(rows))
        first = np.minimum.reduceat(order, np.cumsum(lengths) - lengths)
        picks = rows[first % len(rows)]
    return places
