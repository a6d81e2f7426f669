"""The same workload on real Ray in compressed time and in virtual time: do both simulations agree?

    python -m benchmarks.compressed_time [--runs 3] [--speed 20]

First the whole service runs (coordinator, replicas, scorer worker, files, commits) around simulated
engines in which `speed` seconds pass in a real one. Then the production scheduling core runs in
virtual time, with what the first run was given: the lengths and verdicts that the same engine
writes, and when each replica came. The time from a sample's end to its verdict is measured in the
first run and told to the second. Efficiency is the tokens of finished samples over those that the
slots paid for could have made.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import infra.placement
import jobs.generate
from benchmarks.calibration import CALIBRATION
from infra.coordinator import Coordinator
from infra.engines.simulated import SimulatedEngine
from infra.messages import Grant, Judged
from infra.replica import Replica
from infra.sample_row import Ready
from infra.settings import ReplicaSettings
from infra.step_time import StepTime
from infra.virtual_time import VERDICTS_EVERY_S, Outcome, Run, Workload
from jobs.generate import Generated, generate
from jobs.prompts import PromptList, read_prompts
from jobs.recipe import Job
from schemas.identity import sample_seed
from schemas.reasoning import CLOSE
from schemas.recipe import Recipe, SampleCounts

REPLICAS, SLOTS = 4, 32
LENGTHS = CALIBRATION.lengths
STEP: StepTime = CALIBRATION.step_time.with_slots(SLOTS)
UNCLOSED = 0.4
"""Share of samples that the only rule does not keep."""
FLUSH_S = 1.0
CASES = {
    "fixed n": (SampleCounts(probe=16, max=16, enough=16), 128),
    "adaptive": (SampleCounts(probe=4, max=16, enough=4), 300),
}
"""How many samples of how many prompts."""


class TimedReplica(Replica):
    """Leaves in the store when it came, when it left, and when each of its samples ended."""

    def __init__(self, name: str, settings: ReplicaSettings) -> None:
        super().__init__(name, settings)
        self._came: float | None = None
        self._ended: list[tuple[int, int, str, float]] = []

    async def _begin(self, grant: Grant) -> None:
        if grant.work and self._came is None:
            self._came = time.monotonic()
        await super()._begin(grant)

    async def _draw(self, ready: Ready) -> None:
        await super()._draw(ready)
        self._ended.append((*ready.work.key, ready.prompt.prompt_id, time.monotonic()))

    async def _work(self) -> None:
        await super()._work()
        times = {"came": self._came, "left": time.monotonic(), "ended": self._ended}
        store = Path(self._settings.samples).parents[2]
        (store / f"{self._name}.json").write_text(json.dumps(times))


class TimedCoordinator(Coordinator):
    """Leaves in the store when each verdict came, and what it was."""

    def _judge(self, verdict: Judged) -> None:
        super()._judge(verdict)
        line = [*verdict.key, verdict.reason is None, time.monotonic()]
        with (Path(self._settings.pool).parents[1] / "verdicts.jsonl").open("a") as file:
            file.write(f"{json.dumps(line)}\n")


@dataclass(frozen=True)
class Timed:
    """What a run on real Ray came to, in simulated seconds from its first lease."""

    tokens: int
    arrivals: list[float]
    last_end_s: float
    paid_s: float
    verdict_s: float
    """The median from a sample's end to its verdict."""
    handed_over: int
    samples: int
    cancelled: int


def make_job(folder: Path, counts: SampleCounts, prompts: int, speed: float, seed: int) -> Job:
    """Prompts of the usual length, of which no two runs have one in common."""
    words = " ".join(["please"] * (int(LENGTHS.prompt_tokens.value) - 6))
    path = folder / "prompts.jsonl"
    with path.open("w") as file:
        for number in range(prompts):
            question = f"{words} What is {1_000_000 * seed + number} + 1?"
            file.write(f"{json.dumps({'prompt': question})}\n")
    step = CALIBRATION.step_time
    engine_args = {
        "max_num_seqs": SLOTS,
        "mean_tokens": LENGTHS.mean_tokens.value,
        "unclosed": UNCLOSED,
        "speed": speed,
        "step_time": {
            "base_s": step.base_s.value,
            "per_sequence_s": step.per_sequence_s.value,
            "per_prefill_token_s": step.per_prefill_token_s.value,
        },
    }
    recipe = {
        "name": "compressed",
        "store": str(folder / "store"),
        "prompts": [{"path": str(path)}],
        "teacher": {
            "model": "compressed",
            "engine": "simulated",
            "engine_args": engine_args,
            "replicas": {"min": REPLICAS, "max": REPLICAS},
        },
        "sampling": {"max_tokens": int(LENGTHS.cap_tokens.value)},
        "samples": counts.model_dump(),
        "flush": {"seconds": FLUSH_S},
    }
    return Job.of(Recipe.model_validate(recipe))


def workload(job: Job, prompts: PromptList) -> Workload:
    """What the engine would write of every sample, by its own hand, without a clock."""
    teacher = job.recipe.teacher
    timeless = {k: v for k, v in teacher.engine_args.items() if k not in ("step_time", "speed")}
    engine = SimulatedEngine(teacher.model_copy(update={"engine_args": timeless}))
    shape = (prompts.frame.height, job.recipe.samples.max)
    tokens, kept = np.zeros(shape, np.int64), np.zeros(shape, np.bool_)

    async def write() -> int:
        rows = prompts.frame.select("prompt_id", "messages").iter_rows()
        for number, (prompt_id, messages) in enumerate(rows):
            rendered = engine.render(messages)
            for index in range(shape[1]):
                seed = sample_seed(prompt_id, job.teacher_id, index)
                sample = await engine.generate("", rendered, job.sampling, seed)
                tokens[number, index] = len(sample.token_ids)
                kept[number, index] = sample.finish_reason == "stop" and CLOSE in sample.text
        return len(rendered.token_ids)

    return Workload(tokens, kept, asyncio.run(write()))


def on_ray(job: Job, prompts: PromptList, work: Workload, speed: float) -> Timed:
    """The service, and what it left in its store."""
    done: Generated = generate(job, prompts)
    store = Path(job.recipe.store)
    replicas = [json.loads((store / f"r{n}.1.json").read_text()) for n in range(REPLICAS)]
    first = min(replica["came"] for replica in replicas)
    ended: dict[tuple[int, int], float] = {}
    for replica in replicas:
        for prompt, index, prompt_id, at in replica["ended"]:
            assert prompts.frame["prompt_id"][prompt] == prompt_id
            ended[prompt, index] = max(at, ended.get((prompt, index), 0.0))
    delays = []
    for line in (store / "verdicts.jsonl").read_text().splitlines():
        prompt, index, kept, at = json.loads(line)
        assert kept == work.kept[prompt, index]
        delays.append(at - ended[prompt, index])
    return Timed(
        tokens=done.tokens,
        arrivals=[speed * (replica["came"] - first) for replica in replicas],
        last_end_s=speed * (max(ended.values()) - first),
        paid_s=speed * sum(replica["left"] - replica["came"] for replica in replicas),
        verdict_s=speed * statistics.median(delays),
        handed_over=sum(len(replica["ended"]) for replica in replicas) - len(ended),
        samples=done.drawn,
        cancelled=done.cancelled,
    )


def in_virtual_time(job: Job, work: Workload, timed: Timed) -> Outcome:
    """The same, by the model."""
    # A verdict waits for its group, for half of the time between two on average.
    verdict_s = max(0.0, timed.verdict_s - VERDICTS_EVERY_S / 2)
    return Run(work, job.goal, STEP, timed.arrivals, verdict_s=verdict_s).play()


def efficiency(tokens: int, paid_s: float) -> float:
    return tokens / (paid_s * STEP.peak())


def compare(case: str, seed: int, speed: float) -> None:
    """One run, and a line of the table."""
    counts, number = CASES[case]
    with tempfile.TemporaryDirectory() as name:
        job = make_job(Path(name), counts, number, speed, seed)
        prompts = read_prompts(job.recipe)
        work = workload(job, prompts)
        timed = on_ray(job, prompts, work, speed)
        virtual = in_virtual_time(job, work, timed)
    mine = efficiency(timed.tokens, timed.paid_s)
    model = efficiency(virtual.tokens, virtual.paid_s)
    cells: list[Any] = [
        f"{case}, {seed}",
        f"{timed.samples:,} / {virtual.drawn:,}",
        f"{timed.cancelled} / {virtual.cancelled}",
        f"{timed.handed_over} / {virtual.handed_over}",
        f"{timed.last_end_s:,.0f} / {virtual.last_end_s:,.0f}",
        f"{timed.last_end_s / virtual.last_end_s:.3f}",
        f"{mine:.3f} / {model:.3f}",
        f"{mine / model:.3f}",
        f"{timed.verdict_s / speed:.2f}",
        f"{timed.last_end_s / speed:.0f}",
    ]
    print(f"| {' | '.join(cells)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--first", type=int, default=1, help="number of the first run")
    parser.add_argument("--speed", type=float, default=20.0)
    parser.add_argument("--cases", nargs="+", choices=[*CASES], default=[*CASES])
    options = parser.parse_args()
    vars(infra.placement)["Replica"] = TimedReplica
    vars(jobs.generate)["Coordinator"] = TimedCoordinator
    print(
        f"{REPLICAS} replicas of {SLOTS} slots, {options.speed:g} simulated seconds in a real one;"
    )
    print("pairs are on Ray / in virtual time\n")
    print(
        "| case, run | samples | cancelled | handed over | working time, s | ratio | efficiency "
        "| ratio | verdict, real s | real s |"
    )
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for case in options.cases:
        for seed in range(options.first, options.first + options.runs):
            compare(case, seed, options.speed)


if __name__ == "__main__":
    main()
