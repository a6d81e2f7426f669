"""How often the samples of a source are kept, learned from the probes of its prompts."""

from dataclasses import dataclass, field

from infra.policy import Beta

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
