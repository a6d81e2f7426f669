"""A replica against a real coordinator, with answers that come late and in any order."""

import asyncio
import random
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from infra.coordinator import Coordinator
from infra.engines.simulated import SimulatedEngine
from infra.engines.vllm import VllmEngine
from infra.goal import Goal
from infra.messages import Judged, Known, Progress
from infra.pool import Pool
from infra.replica import Replica
from infra.revision import code_digest
from infra.sample_row import Ready, prepare
from infra.sampling import Bits, Need
from infra.settings import CoordinatorSettings, ReplicaSettings
from infra.spool import write_table
from schemas.arrow import PROMPTS
from schemas.ports import Sampling
from schemas.recipe import Flush, SamplingParameters, Teacher
from tests.builders import make_prompt

NOTHING = Bits()
NUMBER = 6
GOAL = Goal(Need(probe=4, max=8, kept=8))
PLENTY = Goal(Need(probe=32, max=32, kept=32))


class LateAnswers:
    """Calls the coordinator; calls and answers take their time, each another."""

    def __init__(self, coordinator: Coordinator, seed: int) -> None:
        self._coordinator = coordinator
        self._random = random.Random(seed)

    async def call(self, method: str, *arguments: Any) -> Any:
        await asyncio.sleep(self._random.random() * 0.02)
        answer = await getattr(self._coordinator, method)(*arguments)
        await asyncio.sleep(self._random.random() * 0.05)
        return answer


async def coordinator_of(tmp_path: Path, goal: Goal = GOAL, before: Bits = NOTHING) -> Coordinator:
    settings = CoordinatorSettings("c", str(tmp_path), 1, goal, 1, 0, code_digest())
    coordinator = Coordinator(settings)
    await coordinator.start()
    rows = [make_prompt(f"What is {n} + 1?") for n in range(NUMBER)]
    columns = [[getattr(row, name) for row in rows] for name in PROMPTS.names]
    table = pa.table(columns, schema=PROMPTS)
    path = Path(Pool(tmp_path).folder("prompts")) / "p.parquet"
    write_table(str(path), table)
    files, places = np.zeros(NUMBER, np.uint32), np.arange(NUMBER, dtype=np.uint32)
    sources = np.zeros(NUMBER, np.uint16)
    await coordinator.begin(Known.of([str(path)], files, places, sources, [before] * NUMBER))
    return coordinator


def replica_of(
    tmp_path: Path, flush_seconds: float = 0.05, name: str = "r0", **arguments: Any
) -> Replica:
    engine_args = {"max_num_seqs": 4, **arguments}
    settings = ReplicaSettings(
        teacher=Teacher(model="sim", engine="simulated", engine_args=engine_args),
        teacher_id="t1_test",
        sampling=Sampling(**SamplingParameters(max_tokens=64).model_dump()),
        flush=Flush(seconds=flush_seconds),
        samples=Pool(tmp_path).folder("samples"),
        attempt="a000001",
        coordinator="c",
        code=code_digest(),
    )
    return Replica(name, settings)


@pytest.mark.parametrize(("budget", "told"), [(None, False), (64, True)])
def test_vllm_is_told_of_a_budget_before_it_starts(
    budget: int | None, *, told: bool, tmp_path: Path
) -> None:
    """It must be started with the thinking tags, or would refuse every request."""
    settings = replica_of(tmp_path)._settings
    sampling = replace(settings.sampling, thinking_token_budget=budget)
    replica = Replica("r0", replace(settings, teacher=Teacher(model="m"), sampling=sampling))
    assert isinstance(replica._engine, VllmEngine)
    assert replica._engine.thinking_budget is told


async def score(coordinator: Coordinator, reason: str | None = "wrong") -> None:
    """By default nothing is kept, so that every prompt goes on to its last sample."""
    while True:
        task = await coordinator.lease_scores("s0", wait=True)
        if task is not None:
            verdicts = [Judged(one.key, reason) for one in task.samples]
            await coordinator.deliver_scores("s0", [task.number], None, verdicts)


@pytest.mark.parametrize("seed", range(3))
def test_no_sample_is_lost_between_two_answers(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sample whose try failed is leased again, and that lease may come before the answer to the
    failure, and be prepared meanwhile: once it was forgotten then, and its run never ended."""

    def slow_prepare(*arguments: Any) -> list[Ready]:
        time.sleep(0.03)
        return prepare(*arguments)

    monkeypatch.setattr("infra.replica.prepare", slow_prepare)

    async def run() -> None:
        coordinator = await coordinator_of(tmp_path)
        replica = replica_of(tmp_path, transient_errors=0.7)
        replica._link = LateAnswers(coordinator, seed)  # type: ignore[assignment]
        await coordinator.join("r0", [])
        scoring = asyncio.create_task(score(coordinator))
        await asyncio.wait_for(replica.run(), 30)
        scoring.cancel()
        assert (await coordinator.progress()).finished

    asyncio.run(run())
    assert_all_there(tmp_path, NUMBER * GOAL.need.max)


def test_files_are_few_while_there_is_work(tmp_path: Path) -> None:
    """A lease on its way is no lack of work: each once flushed what was older than a second. Now
    the first flush comes when nothing is left to draw."""

    async def run() -> None:
        coordinator = await coordinator_of(tmp_path, PLENTY)
        replica = replica_of(tmp_path, flush_seconds=60, tokens_per_second=1000)
        replica._link = LateAnswers(coordinator, 1)  # type: ignore[assignment]
        await coordinator.join("r0", [])
        scoring = asyncio.create_task(score(coordinator))
        await asyncio.wait_for(replica.run(), 60)
        scoring.cancel()

    asyncio.run(run())
    assert_all_there(tmp_path, NUMBER * PLENTY.need.max)
    assert len(Pool(tmp_path).files("samples")) <= 2


def test_what_is_not_needed_any_more_is_not_drawn_to_its_end(tmp_path: Path) -> None:
    async def run() -> None:
        hard = Goal(Need(probe=12, max=32, kept=1))
        coordinator = await coordinator_of(tmp_path, hard, Bits(2**12 - 1, 2**12 - 1, 0))
        replica = replica_of(tmp_path, max_num_seqs=9, tokens_per_second=20)
        replica._link = LateAnswers(coordinator, 1)  # type: ignore[assignment]
        await coordinator.join("r0", [])
        scoring = asyncio.create_task(score(coordinator, None))
        await asyncio.wait_for(replica.run(), 60)
        await coordinator.lost_replica("r0", engine_died=False)  # as the driver says when it left
        progress = await finished(coordinator)
        scoring.cancel()
        assert progress.cancelled > 0
        assert_all_there(tmp_path, progress.drawn)
        assert progress.drawn < NUMBER * hard.need.max

    asyncio.run(run())


@pytest.mark.parametrize("deaf", [False, True])
def test_a_replica_hands_over_what_it_has(
    deaf: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every sample is there once, and is what one engine would have written; also where a request
    does not hear the first interrupt, because it was not in the engine yet."""
    interrupt = SimulatedEngine.interrupt
    told: set[str] = set()

    async def interrupt_unless_new(engine: SimulatedEngine, request_id: str) -> None:
        if deaf and request_id not in told:
            told.add(request_id)
            return
        await interrupt(engine, request_id)

    monkeypatch.setattr(SimulatedEngine, "interrupt", interrupt_unless_new)

    async def run() -> None:
        coordinator = await coordinator_of(tmp_path, Goal(Need(probe=4, max=4, kept=4)))
        replicas = [
            replica_of(tmp_path, name=name, max_num_seqs=12, mean_tokens=30, tokens_per_second=10)
            for name in ("r0", "r1")
        ]
        scoring = asyncio.create_task(score(coordinator))
        for seed, replica in enumerate(replicas):
            replica._link = LateAnswers(coordinator, seed)  # type: ignore[assignment]
            await coordinator.join(replica._name, [])
        running = [asyncio.create_task(leave(replica, coordinator)) for replica in replicas]
        await asyncio.wait_for(asyncio.gather(*running), 60)
        progress = await finished(coordinator)
        scoring.cancel()
        assert progress.handed_over > 0

        drawn = sum(replica._engine.tokens() for replica in replicas)
        assert drawn == progress.tokens, "no token was drawn twice"

    asyncio.run(run())
    assert_all_there(tmp_path, NUMBER * 4)
    rows = Pool(tmp_path).scan("samples").collect()
    assert rows["finish_reason"].is_in(["stop", "length"]).all()
    for row in rows.iter_rows(named=True):
        assert row["text"] == written(row), "as if it had never moved"


async def finished(coordinator: Coordinator) -> Progress:
    async with asyncio.timeout(60):
        while not (progress := await coordinator.progress()).finished:
            await asyncio.sleep(0.05)
    return progress


async def leave(replica: Replica, coordinator: Coordinator) -> None:
    await replica.run()
    await coordinator.lost_replica(replica._name, engine_died=False)


def written(row: dict[str, Any]) -> str:
    """What the simulated engine writes for the seed of a row, without a pause."""
    teacher = Teacher(model="sim", engine="simulated", engine_args={"mean_tokens": 30})
    engine = SimulatedEngine(teacher)
    prompts = [make_prompt(f"What is {n} + 1?") for n in range(NUMBER)]
    (prompt,) = (one for one in prompts if one.prompt_id == row["prompt_id"])
    rendered = engine.render(prompt.messages)
    sampling = Sampling(**SamplingParameters(max_tokens=64).model_dump())
    return asyncio.run(engine.generate("x", rendered, sampling, row["seed"])).text


def assert_all_there(tmp_path: Path, number: int) -> None:
    keys = Pool(tmp_path).scan("samples").select("prompt_id", "sample_index").collect()
    assert keys.height == number
    assert not keys.is_duplicated().any()
