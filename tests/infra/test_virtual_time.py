"""A run in virtual time is a run: everything is drawn once, and time is what the model says."""

from dataclasses import replace
from math import isclose

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from infra.goal import Goal
from infra.sampling import Bits, Need, eligible_prefix
from infra.step_time import StepTime
from infra.virtual_time import Outage, Outcome, Run, Workload
from schemas.recipe import PolicyName

STEP = StepTime(base_s=0.01, per_sequence_s=0.001, slots=8)
GOAL = Goal(Need(probe=4, max=16, kept=4))


def workload(prompts: int, seed: int = 0) -> Workload:
    random = np.random.default_rng(seed)
    rates = random.beta(0.4, 0.3, (prompts, 1))
    tokens = np.clip(random.lognormal(5, 0.8, (prompts, 16)), 8, 2000).astype(np.int64)
    return Workload(tokens, random.random((prompts, 16)) < rates)


def prefixes(work: Workload, need: Need) -> list[int]:
    """How many samples each prompt needs."""
    bits = [sum(1 << int(index) for index in np.flatnonzero(kept)) for kept in work.kept]
    return [eligible_prefix(2**need.max - 1, kept, 0, need).length for kept in bits]


def all_bits(drawn: NDArray[np.bool_], kept: NDArray[np.bool_]) -> list[Bits]:
    def bits(flags: NDArray[np.bool_]) -> int:
        return sum(1 << int(index) for index in np.flatnonzero(flags))

    return [Bits(bits(d), bits(d), bits(d & k), 0) for d, k in zip(drawn, kept, strict=True)]


def needed_tokens(work: Workload) -> int:
    return sum(
        int(tokens[:length].sum())
        for tokens, length in zip(work.tokens, prefixes(work, GOAL.need), strict=True)
    )


def test_one_slot_decodes_one_after_the_other() -> None:
    work = Workload(np.array([[10], [30]]), np.ones((2, 1), bool), prompt_tokens=100)
    step = StepTime(base_s=0.01, per_sequence_s=0, per_prefill_token_s=0.001, slots=1)
    outcome = Run(work, Goal(Need(probe=1, max=1, kept=1)), step, [5.0], verdict_s=0).play()
    assert isclose(outcome.paid_s, outcome.end_s - 5)
    assert 40 * 0.01 + 2 * 0.1 <= outcome.paid_s <= 40 * 0.01 + 2 * 0.1 + 5, "verdicts in groups"
    assert (outcome.tokens, outcome.drawn, outcome.wasted_tokens) == (40, 2, 0)


def test_a_full_cache_takes_no_more() -> None:
    work = workload(20)
    step = StepTime(base_s=0.02, per_sequence_s=0, per_prefill_token_s=1e-6, slots=8)
    plenty = Run(work, GOAL, step, [0.0]).play()
    scarce = Run(work, GOAL, replace(step, kv_tokens=1000), [0.0]).play()
    assert scarce.end_s > 1.3 * plenty.end_s
    assert scarce.tokens >= needed_tokens(work)


@given(
    st.integers(1, 12),
    st.lists(st.floats(0, 60), min_size=1, max_size=4),
    st.lists(st.tuples(st.floats(1, 100), st.integers(0, 3)), max_size=4),
    st.sampled_from(["enough", "posterior"]),
)
def test_whatever_happens_every_prompt_gets_what_it_needs(
    prompts: int, arrivals: list[float], lost: list[tuple[float, int]], policy: PolicyName
) -> None:
    work = workload(prompts)
    outages = [Outage(at, number % len(arrivals)) for at, number in lost]
    run = Run(work, replace(GOAL, policy=policy), STEP, arrivals, outages=outages)
    outcome = run.play()
    assert run.scheduler.finished
    assert outcome.tokens >= needed_tokens(work)
    assert outcome.drawn + outcome.cancelled >= sum(prefixes(work, GOAL.need))
    assert outcome.paid_s <= len(arrivals) * outcome.end_s


def test_at_the_end_replicas_are_given_back() -> None:
    random = np.random.default_rng(0)
    tokens = np.clip(random.lognormal(5, 1, (60, 4)), 8, 5000).astype(np.int64)
    counts = Goal(Need(probe=4, max=4, kept=4))
    step = StepTime(0.01, 0.0, per_prefill_token_s=1e-6, slots=8)
    outcome = Run(Workload(tokens, tokens > 0), counts, step, [0.0] * 6).play()
    assert outcome.drawn == tokens.size
    assert outcome.tokens == tokens.sum()
    assert outcome.handed_over > 0
    assert outcome.paid_s < 0.7 * 6 * outcome.end_s


def play(policy: PolicyName, work: Workload) -> Outcome:
    return Run(work, replace(GOAL, policy=policy), STEP, [0.0, 0.0]).play()


def test_what_is_drawn_ahead_costs_little() -> None:
    work = workload(400)
    needed = needed_tokens(work)
    assert play("enough", work).tokens == needed, "nothing in vain"
    ahead = play("posterior", work)
    assert needed < ahead.tokens + ahead.wasted_tokens < 1.05 * needed


def test_a_budget_is_kept_and_goes_further_in_the_order_of_gain() -> None:
    work = workload(600)
    budget = needed_tokens(work) / 2
    goal = replace(GOAL, rows=4, tokens_per_sample=float(work.tokens.mean()))
    rows = []
    for ordered in (replace(goal, target=10**6), goal):
        run = Run(work, ordered, STEP, [0.0, 0.0], budget=budget)
        outcome = run.play()
        assert 0.95 * budget < outcome.tokens + outcome.wasted_tokens < 1.05 * budget
        assert run.drawn.sum() == outcome.drawn
        rows.append(sum(map(goal.rows_of, all_bits(run.drawn, work.kept))))
    assert rows[1] > 1.3 * rows[0], "not in the order of the prompts"


def test_where_nothing_is_left_all_is_ended() -> None:
    outcome = Run(workload(50), GOAL, STEP, [0.0], verdict_s=0, budget=100.0).play()
    assert 0 < outcome.drawn < 8 * STEP.slots, "held to be short at first"
    assert outcome.wasted_tokens > 0


def test_pass_rates_of_the_probe_are_unbiased() -> None:
    """Those of all that is drawn are not: sampling stops at a success."""
    random = np.random.default_rng(3)
    rates = random.beta(1.5, 1.0, 4000)
    kept = random.random((4000, 16)) < rates[:, None]
    lengths = prefixes(Workload(np.ones(kept.shape, np.int64), kept), GOAL.need)
    error = kept[:, : GOAL.need.probe].mean(axis=1) - rates
    naive = np.array([row[:n].mean() for row, n in zip(kept, lengths, strict=True)]) - rates
    assert abs(error.mean()) < 3 * error.std() / 4000**0.5
    assert naive.mean() == pytest.approx(0, abs=0.1)
    assert abs(naive.mean()) > 3 * naive.std() / 4000**0.5
