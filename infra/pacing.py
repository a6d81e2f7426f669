"""How far each prompt may be drawn now: a policy a source, which learns from its probes."""

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from infra.policy import EnoughPolicy, PassRates, PosteriorPolicy
from infra.sampling import Bits, judged_prefix
from schemas.recipe import SampleCounts

REMEMBERED = 65536
"""Answers of a policy: most prompts go like many others."""


class Pacing:
    """Asked by prompt number; `sources` has the number of each prompt's source."""

    def __init__(self, counts: SampleCounts, sources: NDArray[np.uint16]) -> None:
        self._counts = counts
        self._source_of = sources
        self._rates = [PassRates(counts.probe) for _ in range(int(sources.max(initial=0)) + 1)]
        self._limits: list[Callable[[int, int], int]] = [
            self._limit_of(rates) for rates in self._rates
        ]

    def launch_limit(self, number: int, judged: int, kept: int) -> int:
        """Indexes of the prompt below this may be drawn now."""
        limit: int = self._limits[self._source_of[number]](judged, kept)
        return limit

    def judged(self, number: int, before: int, judged: int, kept: int) -> None:
        """Of an unsettled prompt more is judged than `before`: learns from a probe that is whole
        now."""
        probe = self._counts.probe
        if judged_prefix(before) < probe <= judged_prefix(judged):
            source = self._source_of[number]
            self._rates[source].add(self._kept_in_probe(kept))
            self._refit(source)

    def restore(self, before: Sequence[Bits], before_of: NDArray[np.uint32]) -> None:
        """Learns from the probes of earlier times: of each prompt, its number in `before`."""
        whole = [judged_prefix(bits.judged) >= self._counts.probe for bits in before]
        for source in range(len(self._rates)):
            prompts = np.bincount(before_of[self._source_of == source], minlength=len(before))
            for state in np.flatnonzero(whole):
                kept = self._kept_in_probe(before[state].kept)
                self._rates[source].add(kept, int(prompts[state]))
            self._refit(source)

    def _kept_in_probe(self, kept: int) -> int:
        return (kept & ((1 << self._counts.probe) - 1)).bit_count()

    def _refit(self, source: int) -> None:
        if self._rates[source].stale:
            self._limits[source] = self._limit_of(self._rates[source])

    def _limit_of(self, rates: PassRates) -> Callable[[int, int], int]:
        if self._counts.policy == "enough":
            policy = EnoughPolicy(self._counts)
            return lru_cache(REMEMBERED)(policy.launch_limit)
        return lru_cache(REMEMBERED)(PosteriorPolicy(self._counts, rates.fit()).launch_limit)
