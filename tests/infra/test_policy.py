"""How many samples are drawn at once, and what a source's probes say."""

import random
from math import isclose

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from infra.pass_rates import PRIOR
from infra.policy import NEEDED, Beta, EnoughPolicy, Outlook, Policy, PosteriorPolicy
from infra.sampling import Need, eligible_prefix, judged_prefix

NEED = Need(probe=4, max=16, kept=4)
PAIRS = NEED._replace(kept=1, wrong=1)
BITS = st.integers(0, 2**16 - 1)
BETAS = st.builds(Beta, st.floats(0.05, 5), st.floats(0.05, 5))
OUTLOOKS = st.builds(Outlook, BETAS, BETAS)
NEEDS = st.sampled_from([NEED, PAIRS, NEED._replace(wrong=2)])
NONE, ONE, THREE, ALL = 0b0000, 0b0001, 0b0111, 0b1111


def outlook(kept: Beta) -> Outlook:
    return Outlook(kept, PRIOR)


@given(NEEDS, OUTLOOKS, BITS, BITS, BITS)
def test_an_unsettled_prompt_can_always_launch(
    need: Need, prior: Outlook, judged: int, kept: int, wrong: int
) -> None:
    kept, wrong = kept & judged, wrong & judged
    for policy in (EnoughPolicy(need), PosteriorPolicy(need, prior)):
        if not eligible_prefix(judged, kept, wrong, need).settled:
            limit = policy.launch_limit(judged, kept, wrong)
            assert judged_prefix(judged) < limit <= need.max


@given(NEEDS, OUTLOOKS, BITS, BITS, BITS)
def test_what_is_needed_for_sure_is_drawn_by_every_policy(
    need: Need, prior: Outlook, judged: int, kept: int, wrong: int
) -> None:
    judged = 2 ** judged_prefix(judged) - 1
    kept, wrong = kept & judged, wrong & judged
    if not eligible_prefix(judged, kept, wrong, need).settled:
        sure = EnoughPolicy(need).launch_limit(judged, kept, wrong)
        assert PosteriorPolicy(need, prior).launch_limit(judged, kept, wrong) >= sure


@given(BETAS, st.integers(1, 8), st.data())
@example(Beta(0.02, 0.18), 1, None)
def test_no_more_is_drawn_than_is_missing_over_the_expected_rate(
    prior: Beta, probe: int, data: st.DataObject | None
) -> None:
    """Plus the one that makes it whole. The example is one of few where the probability of 0.9
    would allow more."""
    kept = 0 if data is None else data.draw(st.integers(0, probe))
    policy = PosteriorPolicy(Need(probe=probe, max=64, kept=kept + 1), outlook(prior))
    ahead = policy.launch_limit(2**probe - 1, 2**kept - 1, 0) - probe
    assert ahead <= 1 / prior.after(kept, probe - kept).mean + 1


@pytest.mark.parametrize("policy", [EnoughPolicy(NEED), PosteriorPolicy(NEED, outlook(PRIOR))])
def test_before_its_end_the_probe_is_all(policy: Policy) -> None:
    assert policy.launch_limit(0b0111, 0b0000, 0) == 4


def test_the_harder_a_prompt_the_more_is_drawn_at_once() -> None:
    policy = PosteriorPolicy(NEED, outlook(PRIOR))
    limits = [policy.launch_limit(ALL, kept, 0) for kept in (NONE, ONE, THREE)]
    assert limits == [16, 8, 5]
    assert [EnoughPolicy(NEED).launch_limit(ALL, k, 0) for k in (NONE, ONE, THREE)] == [8, 7, 5]


def test_a_source_that_solves_little_is_drawn_further_at_once() -> None:
    easy, hard = Beta(9, 1), Beta(1, 9)
    policies = [PosteriorPolicy(NEED, outlook(prior)) for prior in (easy, hard)]
    limits = [policy.launch_limit(ALL, ONE, 0) for policy in policies]
    assert limits[0] < limits[1]


def test_samples_ahead_are_needed_as_often_as_promised() -> None:
    prior, rng = Beta(0.8, 1.2), random.Random(0)
    policy = PosteriorPolicy(NEED, outlook(prior))
    ahead = needed = 0
    for _ in range(20_000):
        rate = rng.betavariate(*prior)
        kept = [rng.random() < rate for _ in range(16)]
        first = sum(kept[:4])
        if first >= NEED.kept:
            continue
        for index in range(4, policy.launch_limit(ALL, 2**first - 1, 0)):
            ahead += 1
            needed += sum(kept[:index]) < NEED.kept
    assert needed / ahead > NEEDED


def test_the_tail_of_the_beta_binomial() -> None:
    assert isclose(Beta(1, 1).at_least(1, 3), 3 / 4), "a flat prior makes all counts alike"
    assert isclose(Beta(0.3, 0.7).at_least(0, 5), 1)
    assert Beta(0.3, 0.7).at_least(6, 5) == 0
    assert isclose(Beta(2, 3).after(1, 2).mean, 3 / 8)


def test_who_lacks_a_wrong_one_draws_as_rarely_as_it_comes() -> None:
    rare, common = Beta(1, 19), Beta(10, 10)
    ahead = [
        PosteriorPolicy(PAIRS, Outlook(common, wrong)).launch_limit(ALL, ALL, 0)
        for wrong in (rare, common)
    ]
    assert ahead == [7, 5]
    assert PosteriorPolicy(PAIRS, Outlook(common, rare)).launch_limit(ALL, 0, ALL) == 5
