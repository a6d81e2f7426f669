"""Texts that say nearly the same: MinHash signatures, and clusters of verified pairs.

Two texts are similar if their sets of five-word runs (shingles) have a Jaccard index of at least
`SIMILAR`. Candidates share a band of their signatures (Broder 1997; banding as in Leskovec,
Rajaraman, Ullman, "Mining of Massive Datasets", 3.4); each pair of them is then compared by the
shingles themselves. So clusters depend on the texts alone, not on their order or in which parts
they came. Measured: docs/benchmarks.md; why no library: docs/decisions/0015.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from filters.candidates import CROWD, SetsOf, pairs_among
from filters.words import (
    MULTIPLIER,
    Numbers,
    Positions,
    Ragged,
    ngrams,
    shared,
    starts_of,
    word_numbers,
)

SHINGLE: Final = 5
SIMILAR: Final = 0.8
BANDS: Final = 18
BAND_ROWS: Final = 7
"""Texts with an index of 0.8 share a band with a probability of 0.985, with 0.9 almost surely."""
PERMUTATIONS: Final = 128
CACHED_ROWS: Final = 100
"""So few rows of shingles stay in the processor's cache while all permutations go over them."""
PAIRS_AT_ONCE: Final = 20_000

Bands = npt.NDArray[np.uint64]
Signatures = npt.NDArray[np.uint32]


def _multipliers() -> npt.NDArray[np.uint32]:
    """Odd, so that each permutes the 32-bit numbers. Shingles are hashes already: their least
    product serves as well as a random permutation's least (bias below 0.005 and the variance of 128
    independent ones for 5 to 370 shingles), and costs a fifth of what rensa takes."""
    random = np.random.Generator(np.random.PCG64(20250120))
    return random.integers(0, 2**32, PERMUTATIONS, dtype=np.uint32) | np.uint32(1)


MULTIPLIERS: Final = _multipliers()


def shingles(texts: pl.Series) -> Ragged:
    """The runs of five words of each text, in their order; all words as one where there are fewer,
    and none of a text without words."""
    return ngrams(word_numbers(texts), SHINGLE)


def signatures(sets: Ragged) -> Signatures:
    """`(rows, PERMUTATIONS)`: for each permutation the least number of each set. Of an empty set
    the greatest number there is."""
    found = np.full((PERMUTATIONS, len(sets.lengths)), 2**32 - 1, np.uint32)
    full = np.flatnonzero(sets.lengths)
    values = (sets.flat >> np.uint64(32)).astype(np.uint32)
    for first in range(0, len(full), CACHED_ROWS):
        rows = full[first : first + CACHED_ROWS]
        start, end = sets.starts[rows[0]], sets.starts[rows[-1] + 1]
        own, product = values[start:end], np.empty(end - start, np.uint32)
        for permutation, multiplier in enumerate(MULTIPLIERS):
            np.multiply(own, multiplier, out=product)
            found[permutation, rows] = np.minimum.reduceat(product, sets.starts[rows] - start)
    return found.T


def bands(sets: Ragged) -> Bands:
    """`(rows, BANDS)`: numbers of which similar texts share one; zeros for an empty set."""
    own = signatures(sets)[:, : BANDS * BAND_ROWS].astype(np.uint64).reshape(-1, BANDS, BAND_ROWS)
    found = np.tile(np.arange(1, BANDS + 1, dtype=np.uint64), (len(own), 1))
    for row in range(BAND_ROWS):
        found *= MULTIPLIER
        found += own[:, :, row]
        found ^= found >> np.uint64(29)
    found[sets.lengths == 0] = 0
    return found


def clustered(keys: Bands, sets_of: SetsOf, known: Positions | None = None) -> Positions:
    """The least row of each row's cluster: what similar pairs connect.

    `keys` are `bands`. The first rows may have clusters already, `known`: they are not compared
    among each other again, and what connects two of their clusters makes one of them.
    """
    old = np.empty(0, np.int64) if known is None else known
    labels = np.concatenate([old, np.arange(len(old), len(keys))])
    by_band = [bucketed(band, np.arange(len(keys)), len(old)) for band in keys.T]
    return _Clustering(keys, sets_of, len(old), labels).run(by_band)


def clustered_in_buckets(keys: Bands, sets_of: SetsOf, buckets: Ragged, old: int) -> Positions:
    """The same of rows that nothing is known of, by these of their buckets alone: rows that share a
    band, ascending. What all buckets connect, each on its own and wherever, is what `clustered`
    finds."""
    return _Clustering(keys, sets_of, old, np.arange(len(keys))).run([buckets])


class _Clustering:
    def __init__(self, keys: Bands, sets_of: SetsOf, old: int, labels: Positions) -> None:
        self._keys = keys
        self._sets_of = sets_of
        self._old = old
        self._labels = labels
        self._waiting: list[tuple[Positions, Positions]] = []
        self._pairs = 0

    def run(self, by_band: Sequence[Ragged]) -> Positions:
        """The labels, once all candidates of these buckets are compared: those of all bands in
        their order, or of whatever bands as one."""
        # Most buckets hold what is all similar to their first: one comparison each is enough.
        rows = np.concatenate([np.empty(0, np.int64), *(own.flat for own in by_band)])
        firsts = np.concatenate([np.empty(0, np.int64), *map(_firsts, by_band)])
        self._compare(firsts, rows)
        for band, buckets in enumerate(by_band):
            for number in np.flatnonzero(self._is_mixed(buckets)):
                own = buckets.flat[buckets.starts[number] : buckets.starts[number + 1]]
                self._compare_later(own, band)
        self._compare_waiting()
        return self._labels

    def _is_mixed(self, buckets: Ragged) -> npt.NDArray[np.bool_]:
        """Whether a bucket is not all connected."""
        if not len(buckets.flat):
            return np.empty(0, bool)
        apart = self._labels[buckets.flat] != self._labels[_firsts(buckets)]
        mixed: npt.NDArray[np.bool_] = np.logical_or.reduceat(apart, buckets.starts[:-1])
        return mixed

    def _compare_later(self, rows: Positions, band: int) -> None:
        """Those of a bucket that are not connected yet; all were compared with the first one."""
        for left, right in pairs_among(rows, self._sets_of, SIMILAR, self._label_of):
            due = (right >= self._old) & (left != rows[0])
            due &= share_first(self._keys, left, right, band)
            self._waiting.append((left[due], right[due]))
            self._pairs += int(due.sum())
            if self._pairs >= PAIRS_AT_ONCE or len(rows) > CROWD:
                self._compare_waiting()

    def _label_of(self, rows: Positions) -> Positions:
        return self._labels[rows]

    def _compare_waiting(self) -> None:
        if self._waiting:
            self._compare(*map(np.concatenate, zip(*self._waiting, strict=True)))
            self._waiting, self._pairs = [], 0

    def _compare(self, left: Positions, right: Positions) -> None:
        """Joins the clusters of those pairs that are similar."""
        open_pairs = (self._labels[left] != self._labels[right]) & (right >= self._old)
        pairs = np.unique(left[open_pairs] * len(self._keys) + right[open_pairs])
        for start in range(0, len(pairs), PAIRS_AT_ONCE):
            left, right = np.divmod(pairs[start : start + PAIRS_AT_ONCE], len(self._keys))
            similar = jaccard(self._sets_of(left), self._sets_of(right)) >= SIMILAR
            self._labels = joined(self._labels, left[similar], right[similar])


def share_first(keys: Bands, left: Positions, right: Positions, band: int) -> npt.NDArray[np.bool_]:
    """Whether pairs that share this band share none before it, for which they were compared."""
    before: npt.NDArray[np.bool_] = (keys[left, :band] == keys[right, :band]).any(axis=1)
    return ~before


def _firsts(buckets: Ragged) -> Positions:
    """The first row of the bucket of each."""
    return np.repeat(buckets.flat[buckets.starts[:-1]], buckets.lengths)


def shared_bands(keys: Bands) -> npt.NDArray[np.uint32]:
    """Of each row the bands that others have too, as bits."""
    found: npt.NDArray[np.uint32] = np.zeros(len(keys), np.uint32)
    for number, band in enumerate(keys.T):
        _, places, counts = np.unique(band, return_inverse=True, return_counts=True)
        several = (counts[places] > 1) & (band != 0)
        found |= several.astype(np.uint32) << np.uint32(number)
    return found


def bucketed(band: Numbers, rows: Positions, old: int) -> Ragged:
    """Rows (ascending) by what they have in a band: those that are not alone with it, if one of
    them is new."""
    order = np.argsort(band, kind="stable")
    ordered = band[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=ordered[:1] + np.uint64(1)))
    sizes = np.diff(np.append(starts, len(ordered)))
    fine = (sizes > 1) & (ordered[starts] != 0) & (rows[order[starts + sizes - 1]] >= old)
    return Ragged(rows[order[np.repeat(fine, sizes)]], starts_of(sizes[fine]))


def jaccard(left: Ragged, right: Ragged) -> npt.NDArray[np.float64]:
    """Of each row of one and the same row of the other: what both have, by what one of them has."""
    common, one, other = shared(left, right)
    index: npt.NDArray[np.float64] = common / np.maximum(one + other - common, 1)
    return index


def joined(labels: Positions, left: Positions, right: Positions) -> Positions:
    """The labels after these pairs of rows are connected: each row's least one."""
    while len(left):
        own, other = labels[left], labels[right]
        apart = own != other
        if not apart.any():
            break
        left, right = left[apart], right[apart]
        least = np.minimum(own, other)[apart]
        np.minimum.at(labels, own[apart], least)
        np.minimum.at(labels, other[apart], least)
        while (labels[labels] != labels).any():
            labels = labels[labels]
    return labels
