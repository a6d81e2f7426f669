"""How many samples of a prompt are drawn at once: policies.

Pure functions of the prompt's own verdicts and of how its source went so far. A policy only decides
when something is drawn; what is eligible, and so what is published, is `infra/sampling.py` alone.
To draw a fixed n of every prompt is either policy with `probe` equal to `max`.
"""

from dataclasses import dataclass, field
from math import comb, exp, lgamma
from typing import NamedTuple, Protocol

from infra.sampling import judged_prefix
from schemas.recipe import SampleCounts

NEEDED = 0.9
"""So probable must it be that a sample is needed, to be drawn before its predecessors' verdicts."""


class Policy(Protocol):
    """Says how far a prompt that is not settled may be drawn now."""

    def launch_limit(self, judged: int, kept: int) -> int:
        """Indexes below this may be drawn; more than are judged, and at most `max`. `judged` and
        `kept` are bit sets over sample indexes."""
        ...


@dataclass(frozen=True)
class EnoughPolicy:
    """The probe at once; after it no more than are missing to `enough`.

    Each of those is needed even if all of them are kept, so that nothing is drawn in vain; a hard
    prompt takes many rounds, though.
    """

    counts: SampleCounts

    def launch_limit(self, judged: int, kept: int) -> int:
        available = judged_prefix(judged)
        if available < self.counts.probe:
            return self.counts.probe
        missing = self.counts.enough - (kept & _below(available)).bit_count()
        return min(self.counts.max, available + max(missing, 1))


class Beta(NamedTuple):
    """A Beta(a, b) distribution of a pass rate."""

    a: float
    b: float

    @property
    def mean(self) -> float:
        """a / (a + b)."""
        return self.a / (self.a + self.b)

    def after(self, kept: int, dropped: int) -> "Beta":
        """Bayes: Beta(a + kept, b + dropped)."""
        return Beta(self.a + kept, self.b + dropped)

    def at_least(self, kept: int, drawn: int) -> float:
        """The probability that of `drawn` samples at least `kept` are kept: the upper tail of the
        Beta-binomial distribution, P(X = x) = C(n, x) B(a + x, b + n - x) / B(a, b)."""
        scale = _log_beta(self.a, self.b)
        return sum(
            comb(drawn, x) * exp(_log_beta(self.a + x, self.b + drawn - x) - scale)
            for x in range(kept, drawn + 1)
        )


def _log_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)


@dataclass(frozen=True)
class PosteriorPolicy:
    """The probe at once; after it every sample that will be needed with probability `NEEDED`.

    The prompt's pass rate has the posterior Beta(a + k, b + n - k) after k of n samples were kept,
    where Beta(a, b) is the distribution over the prompts of its source (`PassRates`). Index i is
    drawn ahead if P(fewer than the missing ones are kept among the unjudged below i) >= NEEDED and,
    for posteriors with two humps, if that many are not expected there anyway: u * E[p] < missing.
    So a prompt that is solved one time in twenty goes to `max` in one round, and one that is solved
    nine times in ten draws what it lacks.
    """

    counts: SampleCounts
    prior: Beta

    def launch_limit(self, judged: int, kept: int) -> int:
        counts = self.counts
        available = judged_prefix(judged)
        if available < counts.probe:
            return counts.probe
        kept &= judged
        posterior = self.prior.after(kept.bit_count(), (judged & ~kept).bit_count())
        for index in range(available + 1, counts.max):
            missing = counts.enough - (kept & _below(index)).bit_count()
            unjudged = index - (judged & _below(index)).bit_count()
            if not _will_be_needed(posterior, missing, unjudged):
                return index
        return counts.max


def _will_be_needed(posterior: Beta, missing: int, unjudged: int) -> bool:
    if unjudged < missing:
        return True
    likely = posterior.at_least(missing, unjudged) <= 1 - NEEDED
    return likely and unjudged * posterior.mean < missing


def _below(index: int) -> int:
    return (1 << index) - 1


PRIOR = Beta(0.5, 0.5)
"""Of a source of which nothing is known: prompts are mostly easy or hard (Jeffreys' prior)."""
PRIOR_PROMPTS = 16
"""So much the first guess weighs, in prompts."""
REFIT = 1.25
"""A source is looked at anew after so many times the prompts."""
SPREAD = (0.02, 0.95)
"""Of the correlation between a prompt's samples; at its ends a Beta distribution degenerates."""


@dataclass
class PassRates:
    """How the probes of one source went, and the Beta distribution that fits them.

    By the moments of the Beta-binomial distribution: with n samples a probe, mean m and variance v
    of the kept count, the samples of a prompt correlate by
    r = (v / (n m (1 - m)) - 1) / (n - 1), and a + b = 1 / r - 1 (Skellam 1948).
    Only whole probes count: what is drawn later depends on how the earlier ones went.
    """

    probe: int
    prompts: int = 0
    _sum: int = 0
    _squares: int = 0
    _fitted_at: int = field(default=0)

    def add(self, kept: int, prompts: int = 1) -> None:
        """So many prompts more had `kept` kept samples in their probe."""
        self.prompts += prompts
        self._sum += kept * prompts
        self._squares += kept * kept * prompts

    @property
    def stale(self) -> bool:
        """Whether much was added since the last fit."""
        return self.prompts >= max(PRIOR_PROMPTS, REFIT * self._fitted_at)

    def fit(self) -> Beta:
        """The source's distribution, shrunk to `PRIOR` while little is known."""
        self._fitted_at = self.prompts
        total = self.prompts + PRIOR_PROMPTS
        prior_mean = self.probe * PRIOR.mean
        count = (self._sum + PRIOR_PROMPTS * prior_mean) / total
        squares = (self._squares + PRIOR_PROMPTS * self._prior_squares()) / total
        mean = count / self.probe
        size = 1 / self._correlation(mean, squares - count * count) - 1
        return Beta(mean * size, (1 - mean) * size)

    def _prior_squares(self) -> float:
        chances = [
            PRIOR.at_least(kept, self.probe) - PRIOR.at_least(kept + 1, self.probe)
            for kept in range(self.probe + 1)
        ]
        return sum(kept * kept * chance for kept, chance in enumerate(chances))

    def _correlation(self, mean: float, variance: float) -> float:
        if self.probe == 1:  # one sample says nothing about it
            return 1 / (PRIOR.a + PRIOR.b + 1)
        independent = self.probe * mean * (1 - mean)
        found = (variance / independent - 1) / (self.probe - 1)
        return min(max(found, SPREAD[0]), SPREAD[1])
