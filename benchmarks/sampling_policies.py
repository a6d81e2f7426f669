"""Tokens per published sample: policies against a fixed n and against a sequential oracle.

    python -m benchmarks.sampling_policies [--prompts N]

In virtual time, with the production scheduling core: 4 replicas with 16 slots each, verdicts after
20 s. Whatever was drawn is paid for, also what was cancelled and what is surplus. The oracle draws
one sample after the other and stops at once, so that it wastes nothing and would take for ever.

Then with half of the tokens that all prompts would take: in the order of gain, which puts off what
brings little, and in the order of the prompts.
"""

import argparse
from dataclasses import dataclass, replace
from math import log

import numpy as np
from numpy.typing import NDArray

from benchmarks.calibration import CALIBRATION
from infra.goal import Goal
from infra.policy import Beta
from infra.sampling import Bits, Need, eligible_prefix
from infra.virtual_time import Outcome, Run, Workload

REPLICAS, SLOTS = 4, 16
STEP = CALIBRATION.step_time.with_slots(SLOTS)
LENGTHS = CALIBRATION.lengths
ALL_ROWS = 10**9


GOALS = {
    "4 of 16": Goal(Need(probe=4, max=16, kept=4), rows=4),
    "1 of 16": Goal(Need(probe=1, max=16, kept=1), rows=1),
}


def workload(rates: Beta, prompts: int) -> Workload:
    """Lengths are lognormal and vary between a prompt's samples as well as between prompts."""
    random = np.random.default_rng(0)
    kept = random.random((prompts, 16)) < random.beta(*rates, (prompts, 1))
    mean, sigma = LENGTHS.mean_tokens.value, LENGTHS.sigma.value
    spread = sigma / 2**0.5
    noise = random.normal(0, spread, (prompts, 1)) + random.normal(0, spread, (prompts, 16))
    longer = np.where(kept, 1, LENGTHS.wrong_are_longer.value)
    tokens = np.exp(log(mean) - sigma**2 / 2 + noise) * longer
    lengths = np.clip(tokens, 16, LENGTHS.cap_tokens.value).astype(np.int64)
    return Workload(lengths, kept, int(LENGTHS.prompt_tokens.value))


@dataclass(frozen=True)
class Published:
    """What would be published of a workload: of each prompt `per_prompt` eligible kept samples, in
    the order of a hash, as production chooses unless it is told otherwise."""

    tokens: NDArray[np.int64]
    prompts: int
    prefix_tokens: int
    """Of all eligible samples: what the oracle pays."""


def published(work: Workload, goal: Goal) -> Published:
    """By the rule of production, with all verdicts known."""
    hashes = np.random.default_rng(1).random(work.tokens.shape)
    chosen: list[int] = []
    prompts = prefix_tokens = 0
    for tokens, kept, order in zip(work.tokens, work.kept, hashes, strict=True):
        bits = sum(1 << int(index) for index in np.flatnonzero(kept))
        length = eligible_prefix(2**goal.need.max - 1, bits, 0, goal.need).length
        eligible = [index for index in np.argsort(order) if index < length and kept[index]]
        mine = tokens[eligible[: goal.rows]]
        prompts += len(mine) > 0
        chosen += mine.tolist()
        prefix_tokens += int(tokens[:length].sum())
    return Published(np.array(chosen), prompts, prefix_tokens)


def paid_tokens(outcome: Outcome) -> float:
    return outcome.tokens + outcome.wasted_tokens


def distance(one: NDArray[np.int64], other: NDArray[np.int64]) -> float:
    """Kolmogorov-Smirnov: the largest difference of the two distribution functions."""
    at = np.concatenate([one, other])
    shares = [np.searchsorted(np.sort(x), at, side="right") / len(x) for x in (one, other)]
    return float(np.abs(shares[0] - shares[1]).max())


def compare(work: Workload, goal: Goal) -> None:
    fixed = replace(goal, need=goal.need._replace(probe=16))
    reference = published(work, fixed)
    runs = {"fixed n = 16": fixed, "enough": replace(goal, policy="enough"), "posterior": goal}
    fixed_cost = 0.0
    for name, goal in runs.items():
        outcome = Run(work, goal, STEP, [0.0] * REPLICAS).play()
        mine = published(work, goal)
        cost = paid_tokens(outcome) / len(mine.tokens)
        fixed_cost = fixed_cost or cost
        oracle = mine.prefix_tokens / len(mine.tokens)
        covered = (mine.prompts - reference.prompts) / len(work.tokens)
        print(
            f"| {name} | {cost:,.0f} | {cost / fixed_cost:.3f} | {cost / oracle:.3f} "
            f"| {100 * covered:+.2f} | {distance(mine.tokens, reference.tokens):.3f} "
            f"| {outcome.end_s / 3600:.1f} h |"
        )


def rows(run: Run, work: Workload, goal: Goal) -> NDArray[np.int64]:
    """Of each prompt, by what was drawn of it."""

    def bits(flags: NDArray[np.bool_]) -> int:
        return sum(1 << int(index) for index in np.flatnonzero(flags))

    drawn = zip(run.drawn, run.drawn & work.kept, strict=True)
    return np.array([goal.rows_of(Bits(bits(d), bits(d), bits(k), 0)) for d, k in drawn])


def compare_half(work: Workload, goal: Goal) -> None:
    """Rows for half of the tokens that everything would take."""
    everything = Run(work, goal, STEP, [0.0] * REPLICAS)
    whole = paid_tokens(everything.play())
    tokens_per_sample = float(work.tokens.mean())
    goal = replace(goal, tokens_per_sample=tokens_per_sample)
    orders = {
        "prompts, fixed n = 16": replace(goal, need=goal.need._replace(probe=16), target=ALL_ROWS),
        "prompts": replace(goal, target=ALL_ROWS),  # a target counts them in their order
        "gain": goal,
    }
    all_rows = rows(everything, work, goal).sum()
    for name, ordered in orders.items():
        run = Run(work, ordered, STEP, [0.0] * REPLICAS, budget=whole / 2)
        paid = paid_tokens(run.play())
        mine = rows(run, work, ordered)
        print(
            f"| {name} | {mine.sum():,} | {mine.sum() / all_rows:.3f} | {paid / mine.sum():,.0f} "
            f"| {(mine > 0).mean():.3f} | {2 * paid / whole:.3f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=int, default=20_000)
    prompts = parser.parse_args().prompts
    for name, rates in CALIBRATION.pass_rates.items():
        work = workload(rates.beta, prompts)
        for title, goal in GOALS.items():
            print(f"\n{name}, {title}, {prompts} prompts\n")
            print(
                "| policy | tokens / published | of fixed | of oracle | coverage | KS | makespan |"
            )
            print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
            compare(work, goal)
            print("\nHalf of those tokens, in the order of\n")
            print(
                "| order | rows | of all | tokens / row | prompts with rows | spent of the budget |"
            )
            print("| --- | ---: | ---: | ---: | ---: | ---: |")
            compare_half(work, goal)


if __name__ == "__main__":
    main()
