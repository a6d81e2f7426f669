"""Scheduling efficiency in virtual time: the production core against batches and static shards.

    python -m benchmarks.scheduling [--waves 4 20] [--replicas 64]

Efficiency is the tokens of finished samples over those that the slots paid for could have made. All
schedulers draw the same samples under the same step-time model, which decides nothing about GPUs:
these are ratios of schedulers, not of engines.
"""

import argparse
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from math import log
from typing import Any

import numpy as np

from benchmarks.calibration import CALIBRATION
from infra.decoding import Decoder, Request
from infra.goal import Goal
from infra.sampling import Need
from infra.scheduler import Key
from infra.virtual_time import Outage, Outcome, Run, Workload

SIBLINGS = 16
GOAL = Goal(Need(probe=SIBLINGS, max=SIBLINGS, kept=SIBLINGS))
STEP = CALIBRATION.step_time.with_slots(int(CALIBRATION.step_time.slots.value))
LENGTHS = CALIBRATION.lengths
STAGGER_S = 1800.0
RESTART_S = 300.0


def workload(samples: int) -> Workload:
    """R1-like lengths: lognormal, cut at the longest."""
    shape = (samples // SIBLINGS, SIBLINGS)
    mean, sigma = LENGTHS.mean_tokens.value, LENGTHS.sigma.value
    tokens = np.random.default_rng(0).lognormal(log(mean) - sigma**2 / 2, sigma, shape)
    lengths = np.clip(tokens, 8, LENGTHS.cap_tokens.value).astype(np.int64)
    return Workload(lengths, np.ones(shape, np.bool_), int(LENGTHS.prompt_tokens.value))


@dataclass
class Batches:
    """Replicas that take a batch when a batch is whole again, as `ray.data.llm` does: `concurrent`
    batches of `size` each. `queues` has one queue for all, or one for each replica (static
    shards). With batches of one this is a plain pull."""

    workload: Workload
    queues: list[deque[Key]]
    replicas: int
    size: int
    concurrent: int
    arrivals: list[float]
    outages: list[Outage]
    _events: list[tuple[float, int, Any, tuple[Any, ...]]] = field(default_factory=list)
    _order: Iterator[int] = field(default_factory=count)

    def play(self) -> Outcome:
        """To the end; all replicas are paid until then."""
        self._engines: list[Decoder[Key]] = [Decoder(STEP) for _ in range(self.replicas)]
        self._plans = [0] * self.replicas
        self._batches: list[list[set[Key]]] = [[] for _ in self._engines]
        self._up = [False] * self.replicas
        outcome, left = Outcome(), int(self.workload.tokens.size)
        for number, at in enumerate(self.arrivals):
            self._at(at, "arrive", number)
        for outage in self.outages:
            self._at(outage.at_s, "lose", outage)
        now, down = 0.0, 0.0
        while left:
            now, _, what, (about, *plan) = heappop(self._events)
            if what == "arrive":
                self._up[about] = True
                self._engines[about] = Decoder(STEP)
                self._engines[about].advance(now)
                self._take(about)
            elif what == "lose":
                down += self._lose(now, about)
            elif plan == [self._plans[about]]:
                self._engines[about].advance(now)
                for request in self._engines[about].ended():
                    outcome.tokens += request.tokens
                    left -= 1
                    for batch in self._batches[about]:
                        batch.discard(request.key)
                self._take(about)
        outcome.end_s = now
        outcome.paid_s = sum(now - min(at, now) for at in self.arrivals) - down
        return outcome

    def _at(self, at: float, what: str, *about: Any) -> None:
        heappush(self._events, (at, next(self._order), what, about))

    def _lose(self, now: float, outage: Outage) -> float:
        """The batches of a lost replica are done again whole; returns for how long it is away."""
        number = outage.replica
        if not self._up[number]:
            return 0.0
        self._up[number] = False
        self._plans[number] += 1
        queue = self.queues[number % len(self.queues)]
        queue.extend(key for batch in self._batches[number] for key in batch)
        self._batches[number] = []
        self._at(now + outage.restart_s, "arrive", number)
        return outage.restart_s

    def _take(self, number: int) -> None:
        engine, queue = self._engines[number], self.queues[number % len(self.queues)]
        batches = self._batches[number] = [batch for batch in self._batches[number] if batch]
        while queue and len(batches) < self.concurrent:
            batch = [queue.popleft() for _ in range(min(self.size, len(queue)))]
            batches.append(set(batch))
            for key in batch:
                tokens = int(self.workload.tokens[key])
                engine.add(Request(key, tokens, key.prompt, self.workload.prompt_tokens))
        self._plans[number] += 1
        if (at := engine.next_event()) is not None:
            self._at(at, "step", number, self._plans[number])


def keys(work: Workload) -> list[Key]:
    prompts, siblings = work.tokens.shape
    return [Key(prompt, index) for prompt in range(prompts) for index in range(siblings)]


def schedulers(
    work: Workload, arrivals: list[float], outages: list[Outage]
) -> dict[str, Callable[[], Outcome]]:
    replicas = len(arrivals)

    def batches(size: int, concurrent: int, *, static: bool = False) -> Callable[[], Outcome]:
        every = keys(work)
        shards = [every[number::replicas] for number in range(replicas)] if static else [every]
        queues = [deque(shard) for shard in shards]
        return Batches(work, queues, replicas, size, concurrent, arrivals, outages).play

    ray = CALIBRATION.ray_data_llm
    default = int(ray.batch_size.value), int(ray.concurrent_batches.value)
    tuned = int(ray.tuned_batch_size.value), int(ray.tuned_concurrent_batches.value)
    return {
        "ours": Run(work, GOAL, STEP, arrivals, outages=outages).play,
        "plain pull": batches(1, STEP.slots),
        f"ray.data.llm, defaults ({default[0]} x {default[1]})": batches(*default),
        f"ray.data.llm, tuned ({tuned[0]} x {tuned[1]})": batches(*tuned),
        "static shards": batches(1, STEP.slots, static=True),
    }


def outages(replicas: int, share: float, hours: float) -> list[Outage]:
    """Each replica is lost with this probability in every hour."""
    random = np.random.default_rng(1)
    times = [
        Outage(3600 * (hour + random.random()), number, RESTART_S)
        for hour in range(int(hours) + 1)
        for number in range(replicas)
        if random.random() < share
    ]
    return sorted(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--waves", type=int, nargs="+", default=[20, 4])
    parser.add_argument("--replicas", type=int, default=64)
    options = parser.parse_args()
    number = options.replicas
    at_once = [0.0] * number
    staggered = np.random.default_rng(2).uniform(0, STAGGER_S, number).tolist()
    spot = [Outage(1200.0, replica, RESTART_S) for replica in range(number // 4)]
    for waves in options.waves:
        work = workload(number * STEP.slots * waves)
        cases = {
            "no failures": (at_once, []),
            "1 % of replicas lost an hour": (at_once, outages(number, 0.01, waves / 8)),
            "5 % of replicas lost an hour": (at_once, outages(number, 0.05, waves / 8)),
            "arriving over 30 minutes": (staggered, []),
            "a quarter lost at once": (at_once, spot),
        }
        print(f"\n{waves} waves, {work.tokens.size:,} samples\n")
        print("| case | scheduler | efficiency | makespan | this took |")
        print("| --- | --- | ---: | ---: | ---: |")
        for case, (arrivals, lost) in cases.items():
            for name, play in schedulers(work, arrivals, lost).items():
                began = time.perf_counter()
                outcome = play()
                took = time.perf_counter() - began
                rate = f" ({outcome.decisions / took:,.0f} decisions/s)" if name == "ours" else ""
                efficiency = outcome.tokens / (outcome.paid_s * STEP.peak())
                print(
                    f"| {case} | {name} | {efficiency:.3f} | {outcome.end_s / 60:.1f} min "
                    f"| {took:.0f} s{rate} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
