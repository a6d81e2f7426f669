"""How many samples may still be begun: tokens that are left, over the length of a sample."""

from math import inf

FIRST_WEIGHS = 16
"""So many samples the guess of their length weighs. The first to end are short ones."""


class Allowance:
    """Of a budget in tokens. What is begun is meant to come to its end within it: were long samples
    cut off where the budget ends, short ones would be chosen."""

    def __init__(self, tokens_per_sample: float) -> None:
        self._tokens = FIRST_WEIGHS * tokens_per_sample
        self._samples = FIRST_WEIGHS
        self._left = inf
        self.closed = False
        """There is not enough for one sample more."""

    @property
    def limited(self) -> bool:
        """Whether there is a limit at all."""
        return self._left < inf

    @property
    def overdrawn(self) -> bool:
        """Nothing is left, not even for what runs."""
        return self._left <= 0

    @property
    def tokens_per_sample(self) -> float:
        """Mean length, as far as it is known."""
        return self._tokens / self._samples

    def set(self, tokens: float) -> None:
        """So many tokens are left now, before what runs goes on. Whoever sets it counts what runs
        too, so nothing is taken off when a sample ends.

        Once there is not enough for a sample, it stays so: replicas leave on it, and where a
        better guess of the length, or of what a GPU-hour makes, found room again, nobody would be
        left to draw.
        """
        self._left = tokens
        self.closed |= tokens < max(self.tokens_per_sample, 1.0)

    def drawn(self, tokens: int) -> None:
        """A sample has ended."""
        self._tokens += tokens
        self._samples += 1

    def room(self, running: int) -> int | None:
        """How many samples may be begun beside those that run; null: any number. What runs is held
        to have a whole sample's length before it: of a random one among lengths with a coefficient
        of variation near 1, as R1's, that is what is left (E[L^2] / 2 E[L])."""
        if self.closed:
            return 0
        if not self.limited:
            return None
        return max(0, int(self._left / max(self.tokens_per_sample, 1.0)) - running)
