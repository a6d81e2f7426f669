"""The lowest window and the last, against means that are taken one by one."""

import math
from array import array
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.confidence import lowest_and_tail

LOGPROBS = st.lists(st.floats(-30, 0, width=32), max_size=60)


@given(logprobs=LOGPROBS, window=st.integers(1, 50))
def test_they_are_the_means_of_windows(logprobs: list[float], window: int) -> None:
    mean = fmean(logprobs) if logprobs else None
    found = lowest_and_tail(array("f", logprobs), mean, window)
    if len(logprobs) <= window:
        assert found == (mean, mean)
        return
    windows = [logprobs[at : at + window] for at in range(len(logprobs) - window + 1)]
    means = [fmean(one) for one in windows]
    assert found == pytest.approx((min(means), means[-1]), abs=1e-9)


@given(known=LOGPROBS, unknown=st.integers(1, 60), window=st.integers(1, 50))
def test_what_is_not_known_is_null_where_it_counts(
    known: list[float], unknown: int, window: int
) -> None:
    logprobs = array("f", [math.nan] * unknown + known)
    lowest, tail = lowest_and_tail(logprobs, -0.5, window)
    if len(logprobs) <= window:
        assert (lowest, tail) == (-0.5, -0.5), "the mean of what is one window"
        return
    assert lowest is None
    assert tail == (pytest.approx(fmean(known[-window:])) if len(known) >= window else None)


def test_a_long_sample_with_one_bad_place() -> None:
    logprobs = array("f", [-0.1]) * 32768
    logprobs[10_000:10_100] = array("f", [-5.0]) * 100
    lowest, tail = lowest_and_tail(logprobs, None, 1024)
    assert lowest == pytest.approx(-(924 * 0.1 + 100 * 5) / 1024)
    assert tail == pytest.approx(-0.1)


@pytest.mark.parametrize("at", [0, 50, 99])
def test_a_token_that_could_not_be_is_told_wherever_it_stands(at: int) -> None:
    """As of a tag that was forced."""
    logprobs = array("f", [-0.5]) * 100
    logprobs[at] = -math.inf
    lowest, tail = lowest_and_tail(logprobs, -math.inf, 10)
    assert lowest == -math.inf
    assert tail == (-math.inf if at >= 90 else pytest.approx(-0.5))
