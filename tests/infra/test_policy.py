"""How many samples are drawn at once, and what a source's probes say."""

import random
from math import isclose

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from infra.policy import NEEDED, PRIOR, Beta, EnoughPolicy, PassRates, Policy, PosteriorPolicy
from infra.sampling import eligible_prefix, judged_prefix
from schemas.recipe import SampleCounts

COUNTS = SampleCounts(probe=4, max=16, enough=4)
BITS = st.integers(0, 2**16 - 1)
BETAS = st.builds(Beta, st.floats(0.05, 5), st.floats(0.05, 5))
POLICIES = st.one_of(
    st.just(EnoughPolicy(COUNTS)), st.builds(PosteriorPolicy, st.just(COUNTS), BETAS)
)
NONE, ONE, THREE, ALL = 0b0000, 0b0001, 0b0111, 0b1111


@given(POLICIES, BITS, BITS)
def test_an_unsettled_prompt_can_always_launch(policy: Policy, judged: int, kept: int) -> None:
    if not eligible_prefix(judged, kept & judged, COUNTS).settled:
        assert judged_prefix(judged) < policy.launch_limit(judged, kept) <= COUNTS.max


@given(BETAS, BITS, BITS)
def test_what_is_needed_for_sure_is_drawn_by_every_policy(
    prior: Beta, judged: int, kept: int
) -> None:
    judged = 2 ** judged_prefix(judged) - 1
    if not eligible_prefix(judged, kept & judged, COUNTS).settled:
        sure = EnoughPolicy(COUNTS).launch_limit(judged, kept)
        assert PosteriorPolicy(COUNTS, prior).launch_limit(judged, kept) >= sure


@given(BETAS, st.integers(1, 8), st.data())
@example(Beta(0.02, 0.18), 1, None)
def test_no_more_is_drawn_than_is_missing_over_the_expected_rate(
    prior: Beta, probe: int, data: st.DataObject | None
) -> None:
    """Plus the one that makes it whole. The example is one of few where the probability of 0.9
    would allow more."""
    kept = 0 if data is None else data.draw(st.integers(0, probe))
    counts = SampleCounts(probe=probe, max=64, enough=kept + 1)
    ahead = PosteriorPolicy(counts, prior).launch_limit(2**probe - 1, 2**kept - 1) - probe
    assert ahead <= 1 / prior.after(kept, probe - kept).mean + 1


@pytest.mark.parametrize("policy", [EnoughPolicy(COUNTS), PosteriorPolicy(COUNTS, PRIOR)])
def test_before_its_end_the_probe_is_all(policy: Policy) -> None:
    assert policy.launch_limit(0b0111, 0b0000) == 4


def test_the_harder_a_prompt_the_more_is_drawn_at_once() -> None:
    limits = [PosteriorPolicy(COUNTS, PRIOR).launch_limit(ALL, k) for k in (NONE, ONE, THREE)]
    assert limits == [16, 8, 5]
    assert [EnoughPolicy(COUNTS).launch_limit(ALL, k) for k in (NONE, ONE, THREE)] == [8, 7, 5]


def test_a_source_that_solves_little_is_drawn_further_at_once() -> None:
    easy, hard = Beta(9, 1), Beta(1, 9)
    limits = [PosteriorPolicy(COUNTS, prior).launch_limit(ALL, ONE) for prior in (easy, hard)]
    assert limits[0] < limits[1]


def test_samples_ahead_are_needed_as_often_as_promised() -> None:
    prior, rng = Beta(0.8, 1.2), random.Random(0)
    policy = PosteriorPolicy(COUNTS, prior)
    ahead = needed = 0
    for _ in range(20_000):
        rate = rng.betavariate(*prior)
        kept = [rng.random() < rate for _ in range(16)]
        first = sum(kept[:4])
        if first >= COUNTS.enough:
            continue
        for index in range(4, policy.launch_limit(ALL, 2**first - 1)):
            ahead += 1
            needed += sum(kept[:index]) < COUNTS.enough
    assert needed / ahead > NEEDED


def test_the_tail_of_the_beta_binomial() -> None:
    assert isclose(Beta(1, 1).at_least(1, 3), 3 / 4), "a flat prior makes all counts alike"
    assert isclose(Beta(0.3, 0.7).at_least(0, 5), 1)
    assert Beta(0.3, 0.7).at_least(6, 5) == 0
    assert isclose(Beta(2, 3).after(1, 2).mean, 3 / 8)


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
