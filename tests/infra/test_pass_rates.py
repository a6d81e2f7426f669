"""What a source's probes say of its prompts."""

import random

import pytest

from infra.pass_rates import PassRates
from infra.policy import Beta


@pytest.mark.parametrize("truth", [Beta(0.4, 0.2), Beta(2, 6), Beta(5, 1)])
def test_a_source_is_known_by_its_probes(truth: Beta) -> None:
    rates, rng = PassRates(probe=8), random.Random(1)
    for _ in range(20_000):
        rate = rng.betavariate(*truth)
        rates.add(sum(rng.random() < rate for _ in range(8)))
    assert rates.fit() == pytest.approx(truth, rel=0.1)


@pytest.mark.parametrize(("probe", "kept"), [(1, 0), (1, 1), (4, 0), (4, 4), (4, 2)])
def test_a_source_of_equals_has_a_distribution_still(probe: int, kept: int) -> None:
    rates = PassRates(probe)
    rates.add(kept, prompts=100_000)
    found = rates.fit()
    assert found.mean == pytest.approx(kept / probe, abs=0.01)
    assert 0 < found.a < 100
    assert 0 < found.b < 100


def test_it_is_fitted_anew_when_much_is_new() -> None:
    rates = PassRates(probe=2)
    assert not rates.stale
    rates.add(1, prompts=100)
    assert rates.stale
    rates.fit()
    rates.add(1, prompts=20)
    assert not rates.stale
    rates.add(1, prompts=10)
    assert rates.stale
