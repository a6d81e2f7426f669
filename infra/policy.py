"""How many samples of a prompt are drawn at once: policies.

Pure functions of the prompt's own verdicts and of how its source went so far. A policy only decides
when something is drawn; what is eligible, and so what is published, is `infra/sampling.py` alone.
To draw a fixed n of every prompt is either policy with `probe` equal to `max`.
"""

from dataclasses import dataclass
from math import comb, exp, lgamma
from typing import NamedTuple, Protocol

from infra.sampling import Need, below, judged_prefix

NEEDED = 0.9
"""So probable must it be that a sample is needed, to be drawn before its predecessors' verdicts."""


class Policy(Protocol):
    """Says how far a prompt that is not settled may be drawn now."""

    def launch_limit(self, judged: int, kept: int, wrong: int) -> int:
        """Indexes below this may be drawn; more than are judged, and at most `max`. All three are
        bit sets over sample indexes."""
        ...


@dataclass(frozen=True)
class EnoughPolicy:
    """The probe at once; after it no more than are missing.

    Each of those is needed even if all of them are kept, so that nothing is drawn in vain; a hard
    prompt takes many rounds, though.
    """

    need: Need

    def launch_limit(self, judged: int, kept: int, wrong: int) -> int:
        need, available = self.need, judged_prefix(judged)
        if available < need.probe:
            return need.probe
        missing = max(
            need.kept - (kept & below(available)).bit_count(),
            need.wrong - (wrong & below(available)).bit_count(),
        )
        return min(need.max, available + max(missing, 1))


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


class Outlook(NamedTuple):
    """How often a prompt's samples are kept, and how often they are wrong: distributions."""

    kept: Beta
    wrong: Beta

    def after(self, judged: int, kept: int, wrong: int) -> "Outlook":
        """Bayes, from bit sets over sample indexes."""
        drawn = judged.bit_count()
        kept, wrong = (kept & judged).bit_count(), (wrong & judged).bit_count()
        return Outlook(self.kept.after(kept, drawn - kept), self.wrong.after(wrong, drawn - wrong))


@dataclass(frozen=True)
class PosteriorPolicy:
    """The probe at once; after it every sample that will be needed with probability `NEEDED`.

    The prompt's pass rate has the posterior Beta(a + k, b + n - k) after k of n samples were kept,
    where Beta(a, b) is the distribution over the prompts of its source (`PassRates`). Index i is
    drawn ahead if P(fewer than the missing ones are kept among the unjudged below i) >= NEEDED and,
    for posteriors with two humps, if that many are not expected there anyway: u * E[p] < missing.
    So a prompt that is solved one time in twenty goes to `max` in one round, and one that is solved
    nine times in ten draws what it lacks. Where wrong samples are needed too, the same holds of
    them, and a sample is needed if it is for either.
    """

    need: Need
    prior: Outlook

    def launch_limit(self, judged: int, kept: int, wrong: int) -> int:
        need, available = self.need, judged_prefix(judged)
        if available < need.probe:
            return need.probe
        posterior = self.prior.after(judged, kept, wrong)
        for index in range(available + 1, need.max):
            unjudged = index - (judged & below(index)).bit_count()
            missing_kept = need.kept - (kept & judged & below(index)).bit_count()
            missing_wrong = need.wrong - (wrong & judged & below(index)).bit_count()
            if not (
                _will_be_needed(posterior.kept, missing_kept, unjudged)
                or _will_be_needed(posterior.wrong, missing_wrong, unjudged)
            ):
                return index
        return need.max


def _will_be_needed(posterior: Beta, missing: int, unjudged: int) -> bool:
    if missing <= 0:
        return False
    if unjudged < missing:
        return True
    likely = posterior.at_least(missing, unjudged) <= 1 - NEEDED
    return likely and unjudged * posterior.mean < missing
