"""The step-time model: how long an engine takes for one token of everything that runs in it.

One model for both simulations, in virtual time (`infra/virtual_time.py`) and on real Ray in
compressed time (`infra/engines/simulated.py`).
"""

from dataclasses import dataclass
from math import sqrt


@dataclass(frozen=True, slots=True)
class StepTime:
    """A decode step of `b` sequences with `kv` tokens in the cache takes, in seconds,
    `base_s + per_sequence_s * b + per_kv_token_s * kv`, and makes one token of each sequence.

    A prompt's tokens, and those of a sample that is gone on with, cost `per_prefill_token_s` each,
    in which nothing else runs; siblings share their prompt. At most `slots` sequences run, with at
    most `kv_tokens` tokens in the cache.
    """

    base_s: float
    per_sequence_s: float
    per_kv_token_s: float = 0.0
    per_prefill_token_s: float = 0.0
    slots: int = 256
    kv_tokens: float = float("inf")

    def decode_s(self, steps: float, sequences: int, kv: float) -> float:
        """Seconds of so many steps, in which the cache grows from `kv` tokens by one a sequence
        and step."""
        first, growth = self._first_and_growth(sequences, kv)
        return steps * first + growth * steps * steps / 2

    def decoded(self, seconds: float, sequences: int, kv: float) -> float:
        """Steps done in so many seconds, not always a whole number: the inverse of `decode_s`."""
        first, growth = self._first_and_growth(sequences, kv)
        # The root of the quadratic equation in the form that loses no digits where growth is small.
        return 2 * seconds / (first + sqrt(first * first + 2 * growth * seconds))

    def _first_and_growth(self, sequences: int, kv: float) -> tuple[float, float]:
        first = self.base_s + self.per_sequence_s * sequences + self.per_kv_token_s * kv
        return first, self.per_kv_token_s * sequences

    def peak(self, mean_kv: float = 0.0) -> float:
        """Tokens a second with all slots full of sequences of `mean_kv` tokens each."""
        return self.slots / self._first_and_growth(self.slots, self.slots * mean_kv)[0]
