"""Tokens per published sample: policies against a fixed n and against a sequential oracle.

    python -m benchmarks.sampling_policies [--prompts N]

In virtual time, with the production scheduling core: 4 replicas with 16 slots each, verdicts after
20 s. Whatever was drawn is paid for, also what was cancelled and what is surplus. The oracle draws
one sample after the other and stops at once, so that it wastes nothing and would take for ever.
"""

import argparse
from dataclasses import dataclass, replace
from math import log

import numpy as np
from numpy.typing import NDArray

from benchmarks.calibration import CALIBRATION
from infra.goal import Goal
from infra.policy import Beta
from infra.sampling import Need, eligible_prefix
from infra.virtual_time import Outcome, Run, Workload

REPLICAS, SLOTS = 4, 16
STEP = CALIBRATION.step_time.with_slots(SLOTS)
LENGTHS = CALIBRATION.lengths


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


if __name__ == "__main__":
    main()
