"""Which split a prompt is in: by a hash of the name of its cluster, so that what is alike stays
together, and for ever.

Clusters are never joined (docs/decisions/0017), so a prompt that came later may be alike with two
of them, in different splits. `crossing` finds those that would bring a split's text into another.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from filters.candidates import Pairs, SetsOf, pairs_among
from filters.near_duplicates import (
    PAIRS_AT_ONCE,
    SIMILAR,
    Bands,
    bucketed,
    jaccard,
    share_first,
)
from filters.words import Ragged
from schemas.recipe import TRAIN

NEAR_OTHER_SPLIT: Final = "near_other_split"
"""Why a prompt is left out that is alike with one in another split."""
Codes = npt.NDArray[np.int64]
"""Which split each row is in, as a number."""
Mask = npt.NDArray[np.bool_]
NO_PAIRS: Final[Pairs] = (np.empty(0, np.int64), np.empty(0, np.int64))


def splits_of(clusters: pl.Series, shares: Mapping[str, float]) -> pl.Series:
    """The split of each cluster, by its name. Splits have the intervals of [0, 1) in which they
    stand in `shares`, from 0 on; what lies behind them is `train`."""
    names = [*shares, TRAIN]
    own = clusters.unique()
    places = np.searchsorted(np.cumsum([*shares.values()]), _points(own), side="right")
    found = pl.Series(names).gather(places)
    return clusters.replace_strict(own, found, return_dtype=pl.Enum(names)).alias("split")


def _points(names: pl.Series) -> npt.NDArray[np.float64]:
    """A number in [0, 1) for each name, the same everywhere. A `prompt_id` is a hash already, but
    lists are in its order: the first prompts of a list, as a target takes them, would be one
    split."""
    digests = b"".join(hashlib.sha256(name.encode()).digest()[:8] for name in names)
    bits = np.frombuffer(digests, ">u8") >> np.uint64(11)
    return bits.astype(np.float64) * 2.0**-53


def in_mixed_buckets(keys: Bands, splits: Codes) -> Mask:
    """Rows that share a band with one of another split."""
    found = np.zeros(len(keys), bool)
    for buckets in _mixed(keys, splits):
        found[buckets.flat] = True
    return found


def crossing(keys: Bands, sets_of: SetsOf, splits: Codes) -> Mask:
    """Whether a row is alike with an earlier one that is in another split, and is not crossing
    itself. So nothing that comes later changes what was found of a row. `keys` are
    `near_duplicates.bands`, and the rows are those of `in_mixed_buckets`."""
    found = np.zeros(len(keys), bool)
    earlier, later = _alike(keys, sets_of, splits)
    order = np.lexsort((earlier, later))
    for first, second in zip(earlier[order].tolist(), later[order].tolist(), strict=True):
        if not found[first]:
            found[second] = True
    return found


def _mixed(keys: Bands, splits: Codes) -> list[Ragged]:
    """Of each band the buckets with rows of more than one split."""
    rows, found = np.arange(len(keys)), []
    for own in keys.T:
        buckets = bucketed(own, rows, 0)
        if len(buckets.flat):
            ordered, starts = splits[buckets.flat], buckets.starts[:-1]
            mixed = np.minimum.reduceat(ordered, starts) != np.maximum.reduceat(ordered, starts)
            buckets = buckets.take(np.flatnonzero(mixed))
        found.append(buckets)
    return found


def _alike(keys: Bands, sets_of: SetsOf, splits: Codes) -> Pairs:
    """Pairs of rows in different splits that are similar, the earlier row first."""
    found = [NO_PAIRS]
    for left, right in _at_once(_candidates(keys, sets_of, splits)):
        similar = jaccard(sets_of(left), sets_of(right)) >= SIMILAR
        found.append((left[similar], right[similar]))
    return _joined(found)


def _candidates(keys: Bands, sets_of: SetsOf, splits: Codes) -> Iterator[Pairs]:
    """Pairs in different splits that share a band and may be similar, each at least once."""
    for band, buckets in enumerate(_mixed(keys, splits)):
        for number in range(len(buckets.lengths)):
            rows = buckets.flat[buckets.starts[number] : buckets.starts[number + 1]]
            for left, right in pairs_among(rows, sets_of, SIMILAR, splits.__getitem__):
                due = share_first(keys, left, right, band)
                yield left[due], right[due]


def _at_once(candidates: Iterator[Pairs]) -> Iterator[Pairs]:
    """As many pairs as are compared at once: those of many rows together, those of one in parts."""
    waiting, size = [NO_PAIRS], 0
    for left, right in candidates:
        for start in range(0, len(left), PAIRS_AT_ONCE):
            some = slice(start, start + PAIRS_AT_ONCE)
            waiting.append((left[some], right[some]))
            size += len(left[some])
            if size >= PAIRS_AT_ONCE:
                yield _joined(waiting)
                waiting, size = [NO_PAIRS], 0
    yield _joined(waiting)


def _joined(pairs: Sequence[Pairs]) -> Pairs:
    left, right = map(np.concatenate, zip(*pairs, strict=True))
    return left, right
