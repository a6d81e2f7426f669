"""Quotas: how many of so many rows or tokens each share is.

Rows are given out as the seats of a parliament are, by the method of Sainte-Laguë (Webster): the
k-th seat of a share comes in the order of (2k - 1) / share. So the numbers add up, more seats take
none away (which rounding with the largest remainders can do), and a number differs from its share
by less than one with up to three shares, and by at most 1/2 + shares / 2 of itself with more.
Measured in fractions, without an error of rounding.
"""

from collections.abc import Sequence
from fractions import Fraction
from math import ceil, floor

Seat = tuple[Fraction, int]
"""Its place in the order, and the number of the share, by which ties go."""


def _seat(number: int, share: int, shares: Sequence[Fraction]) -> Seat:
    return (2 * number - 1) / shares[share], share


def seats(total: int, shares: Sequence[Fraction]) -> list[int]:
    """So many seats by shares whose sum is 1."""
    counts = [floor(total * share + Fraction(1, 2)) for share in shares]  # all places up to 2 total
    every = range(len(shares))
    while sum(counts) < total:
        counts[min(_seat(counts[n] + 1, n, shares) for n in every)[1]] += 1
    while sum(counts) > total:
        counts[max(_seat(counts[n], n, shares) for n in every if counts[n])[1]] -= 1
    return counts


def seats_within(bounds: Sequence[int], shares: Sequence[Fraction]) -> tuple[list[int], int]:
    """As many seats as there can be with at most `bounds` of each, and whose bound is the limit."""
    # The order of seats ends with the first one that nobody may take.
    place, limit = min(_seat(bound + 1, n, shares) for n, bound in enumerate(bounds))
    half = [(place * share + 1) / 2 for share in shares]
    counts = [floor(k) if n < limit else ceil(k) - 1 for n, k in enumerate(half)]
    return counts, limit


def amounts(total: int, shares: Sequence[Fraction]) -> list[int]:
    """Of what cannot be filled exactly, rounded down."""
    return [floor(total * share) for share in shares]


def amounts_within(bounds: Sequence[int], shares: Sequence[Fraction]) -> tuple[list[int], int]:
    """As much as there can be with at most `bounds` of each, rounded down, and whose bound is the
    limit."""
    total, limit = min((bound / shares[n], n) for n, bound in enumerate(bounds))
    return [floor(total * share) for share in shares], limit
