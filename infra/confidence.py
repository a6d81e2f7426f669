"""How sure a model was of what it wrote, from the log-probabilities of the tokens that it drew.

The mean over a whole sample hides a place where it was lost. DeepConf (Fu et al. 2025,
arXiv:2508.15260) looks at windows of tokens: at the lowest one, and at the last. Its confidence in
a token is that of the k likeliest ones there; here it is that of the token that was drawn, which
comes with every sample.
"""

from array import array
from typing import Any, Final

import numpy as np
import numpy.typing as npt

WINDOW: Final = 1024
"""Tokens. DeepConf names 1,024 and 2,048; with the smaller one more samples are longer than that,
and these columns say more than their mean. It stays: rows of two windows cannot be compared."""


def lowest_and_tail(
    logprobs: "array[float]", mean: float | None, window: int
) -> tuple[float | None, float | None]:
    """The lowest mean over `window` float32 `logprobs` in a row, and the mean over the last ones.

    A sample that is no longer than that has its `mean` for both. Null: a token that counts is NaN.
    """
    if len(logprobs) <= window:
        return mean, mean
    # From the end, or what is not known at the beginning would reach the last window.
    values = np.frombuffer(logprobs, np.float32)[::-1]
    never = np.isneginf(values)  # as of a tag that was forced
    means = _sums(np.where(never, 0, values), window) / window
    means[_sums(never, window) > 0] = -np.inf
    return _known(means.min()), _known(means[0])


def _sums(values: npt.NDArray[Any], window: int) -> npt.NDArray[np.float64]:
    """Of each window."""
    sums = np.insert(np.cumsum(values, dtype=np.float64), 0, 0.0)
    return sums[window:] - sums[:-window]


def _known(mean: np.float64) -> float | None:
    return None if np.isnan(mean) else float(mean)
