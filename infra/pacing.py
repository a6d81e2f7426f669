"""How far each prompt may be drawn now, and what that would bring: by source, from its probes."""

from collections.abc import Callable, Sequence
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from infra.gain import gain_per_sample
from infra.pass_rates import PassRates
from infra.policy import EnoughPolicy, Outlook, Policy, PosteriorPolicy
from infra.sampling import Bits, Need, below, judged_prefix
from schemas.recipe import PolicyName

REMEMBERED = 65536
"""Answers of a policy: most prompts go like many others."""
NOTHING = Bits()


class _Source:
    """What is known of the prompts of one source."""

    def __init__(self, need: Need, policy: PolicyName, rows: int) -> None:
        self._need = need
        self._policy = policy
        self._rows = rows
        self._kept, self._wrong = PassRates(need.probe), PassRates(need.probe)
        self._fit()

    def add(self, kept: int, wrong: int, prompts: int = 1) -> None:
        """So many prompts more had these samples, as bit sets, in their probes."""
        probe = below(self._need.probe)
        self._kept.add((kept & probe).bit_count(), prompts)
        self._wrong.add((wrong & probe).bit_count(), prompts)

    def refit(self) -> None:
        """Looks at what was added, if it is much."""
        if self._kept.stale:
            self._fit()

    def _fit(self) -> None:
        outlook = Outlook(self._kept.fit(), self._wrong.fit())
        policy: Policy = PosteriorPolicy(self._need, outlook)
        if self._policy == "enough":
            policy = EnoughPolicy(self._need)
        self.launch_limit = lru_cache(REMEMBERED)(policy.launch_limit)
        self.gain: Callable[[Bits], float] = lru_cache(REMEMBERED)(
            partial(gain_per_sample, self._need, self._rows, outlook)
        )


class Pacing:
    """Asked by prompt number; `sources` has the number of each prompt's source."""

    def __init__(
        self, need: Need, policy: PolicyName, rows: int, sources: NDArray[np.uint16]
    ) -> None:
        self._probe = need.probe
        self._source_of = sources
        count = int(sources.max(initial=0)) + 1
        self._sources = [_Source(need, policy, rows) for _ in range(count)]

    def launch_limit(self, number: int, judged: int, kept: int, wrong: int) -> int:
        """Indexes of the prompt below this may be drawn now."""
        limit: int = self._sources[self._source_of[number]].launch_limit(judged, kept, wrong)
        return limit

    def source(self, number: int) -> int:
        """The number of the prompt's source."""
        return int(self._source_of[number])

    def gain(self, source: int, bits: Bits) -> float:
        """Expected rows per sample of an unsettled prompt of a source."""
        return self._sources[source].gain(bits)

    def is_worse_than_untouched(self, number: int, bits: Bits) -> bool:
        """Whether a prompt whose probe is judged would bring less than one of the same source of
        which nothing is known. Of the same: how much of each source is drawn is not for us to
        choose."""
        if judged_prefix(bits.judged) < self._probe:
            return False
        source = self.source(number)
        return self.gain(source, bits) < self.gain(source, NOTHING)

    def judged(self, number: int, before: int, bits: Bits) -> None:
        """Of an unsettled prompt more is judged than `before`: learns from a probe that is whole
        now."""
        if judged_prefix(before) < self._probe <= judged_prefix(bits.judged):
            source = self._sources[self._source_of[number]]
            source.add(bits.kept, bits.wrong)
            source.refit()

    def restore(self, before: Sequence[Bits], before_of: NDArray[np.uint32]) -> None:
        """Learns from the probes of earlier times: of each prompt, its number in `before`."""
        whole = [judged_prefix(bits.judged) >= self._probe for bits in before]
        for number, source in enumerate(self._sources):
            prompts = np.bincount(before_of[self._source_of == number], minlength=len(before))
            for state in np.flatnonzero(whole):
                source.add(before[state].kept, before[state].wrong, int(prompts[state]))
            source.refit()
