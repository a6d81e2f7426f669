"""Which of many sets can be similar at all, without looking at every pair of them.

Texts that share a long instruction are alike in most of their runs of words, but not in enough: all
pairs would be candidates, and none of them similar. So a set's numbers are put in an order, the
rarest first. Two sets that have a Jaccard index of at least `similar` have one of their first few
in common (the prefix filter of Chaudhuri, Ganti, Kaushik 2006, with the lengths of Xiao et al.
2008, "PPJoin"). Nothing is estimated: who is left out is less similar.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from filters.words import ROW_BITS, Positions, Ragged, distinct, ranges, starts_of

CROWD: Final = 32
"""Of so few rows all pairs are as soon compared."""
JOINED_AT_ONCE: Final = 1_000_000
ROUNDING: Final = 1e-9
NUMBER_BITS: Final = np.uint64(64) - ROW_BITS
Pairs = tuple[Positions, Positions]
SetsOf = Callable[[Positions], Ragged]
"""Row numbers -> their sets."""
LabelsOf = Callable[[Positions], npt.NDArray[Any]]
"""Row numbers -> their labels, as they are by now."""


def pairs_among(
    rows: Positions, sets_of: SetsOf, similar: float, labels_of: LabelsOf
) -> Iterator[Pairs]:
    """Pairs of these rows (ascending; the smaller one first) whose labels differ and whose Jaccard
    index may be at least `similar`, in portions, some of them more than once. All others are less
    similar. Who gives similar ones the same label before he asks for more gets fewer."""
    if len(rows) <= CROWD:
        left, right = np.triu_indices(len(rows), 1)
        yield _apart(rows[left], rows[right], labels_of)
        return
    for left, right in _possible(sets_of(rows), similar, lambda own: labels_of(rows[own])):
        yield _apart(rows[np.minimum(left, right)], rows[np.maximum(left, right)], labels_of)


def _apart(left: Positions, right: Positions, labels_of: LabelsOf) -> Pairs:
    differ = labels_of(left) != labels_of(right)
    return left[differ], right[differ]


class _Sets(NamedTuple):
    """Of each row, how many different numbers it has, and how many of them are common: in more than
    half of the rows."""

    sizes: Positions
    common: Positions

    def least(self, share: float) -> Positions:
        """Of its other numbers a row has at least so many in common with a similar one: what is
        missing at a share of its size."""
        overlaps: Positions = np.maximum(1, _ceil(share * self.sizes) - self.common)
        return overlaps


def _possible(sets: Ragged, similar: float, labels_of: LabelsOf) -> Iterator[Pairs]:
    numbers = distinct(sets)
    rows = (numbers >> NUMBER_BITS).astype(np.int64)
    values = numbers & ((np.uint64(1) << NUMBER_BITS) - np.uint64(1))
    _, kinds, counts = np.unique(values, return_inverse=True, return_counts=True)
    often = counts[kinds]
    common = 2 * often > len(sets.lengths)
    known = _Sets(_per_row(rows, sets), _per_row(rows[common], sets))
    rare = np.flatnonzero(~common)
    rare = rare[np.lexsort((kinds[rare], often[rare], rows[rare]))]
    yield from _sharing_one(rows[rare], kinds[rare], often[rare], known, similar)
    yield from _by_common_alone(known, similar, labels_of)


def _per_row(rows: Positions, sets: Ragged) -> Positions:
    counts: Positions = np.bincount(rows, minlength=len(sets.lengths))
    return counts


def _ceil(overlaps: npt.NDArray[np.floating[Any]]) -> Positions:
    least: Positions = np.ceil(overlaps - ROUNDING).astype(np.int64)
    return least


def _sharing_one(
    rows: Positions,
    kinds: Positions,
    often: Positions,
    known: _Sets,
    similar: float,
) -> Iterator[Pairs]:
    """Those that share a number that is not common: the smaller set has it among its first ones for
    a partner that is no smaller, the larger one among those for any partner."""
    others = known.sizes - known.common
    place = np.arange(len(rows)) - starts_of(others)[rows]
    of_smaller = place <= (others - known.least(2 * similar / (1 + similar)))[rows]
    of_larger = (place <= (others - known.least(similar))[rows]) & (often > 1)
    rows, kinds, of_smaller = rows[of_larger], kinds[of_larger], of_smaller[of_larger]
    order = np.lexsort((rows, known.sizes[rows], kinds))
    rows, kinds, of_smaller = rows[order], kinds[order], of_smaller[order]
    ends = np.searchsorted(kinds, kinds, "right")
    smaller = np.flatnonzero(of_smaller & (ends > np.arange(len(rows)) + 1))
    partners = ends[smaller] - smaller - 1
    portions = starts_of(partners)[:-1] // JOINED_AT_ONCE
    for portion in np.unique(portions):
        own = smaller[portions == portion]
        counts = ends[own] - own - 1
        left, right = rows[np.repeat(own, counts)], rows[ranges(own + 1, counts)]
        near = known.sizes[left] >= similar * known.sizes[right] - ROUNDING
        yield left[near], right[near]


def _by_common_alone(known: _Sets, similar: float, labels_of: LabelsOf) -> Iterator[Pairs]:
    """Those that common numbers may be enough for."""
    sizes, common = known
    share = similar / (1 + similar)
    some = np.flatnonzero(_ceil(share * (sizes + sizes.min())) <= common)
    if not len(some):
        return

    def pairs_with(row: np.int64) -> Pairs:
        enough = np.minimum(common[row], common[some])
        partners = some[_ceil(share * (sizes[row] + sizes[some])) <= enough]
        partners = partners[partners != row]
        return np.full(len(partners), row), partners

    # If they are enough at all, then for the smallest: most have its label after that.
    yield pairs_with(some[sizes[some].argmin()])
    _, labels, counts = np.unique(labels_of(some), return_inverse=True, return_counts=True)
    for row in some[labels != counts.argmax()]:
        yield pairs_with(row)
