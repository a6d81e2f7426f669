"""The coordinator itself, without Ray around it: what is acknowledged is committed, once."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from infra.coordinator import Coordinator
from infra.messages import Drawn, Judged, Known
from infra.pool import DataFile, Pool, PoolWriter
from infra.revision import code_digest
from infra.spool import Batch, write_file
from schemas.arrow import SAMPLES
from schemas.errors import BusyError, RunError
from schemas.recipe import SampleCounts
from tests.builders import make_sample

COUNTS = SampleCounts(probe=2, max=4, enough=1)


def scenario(
    tmp_path: Path, play: Callable[[Coordinator], Awaitable[None]], prompts: int = 1
) -> None:
    async def run() -> None:
        coordinator = Coordinator(tmp_path, 1, COUNTS, code_digest())
        zeros = [0] * prompts
        places = [(0, i) for i in range(prompts)]
        await coordinator.begin(Known(["p.parquet"], places, zeros, zeros, zeros), [])
        await play(coordinator)

    asyncio.run(run())


def batch_of(tmp_path: Path, drawn: list[Drawn], name: str = "b") -> Batch[Drawn]:
    rows = [make_sample(sample_index=d.key.sample_index).to_row() for d in drawn]
    file = write_file(tmp_path / "samples" / f"{name}.parquet", SAMPLES, rows)
    return Batch(file, tuple(drawn))


def stored(tmp_path: Path) -> list[int]:
    return sorted(Pool(tmp_path).scan("samples").collect()["sample_index"].to_list())


def test_a_run_to_its_end(tmp_path: Path) -> None:
    async def play(coordinator: Coordinator) -> None:
        grant = await coordinator.lease("r0", 9, 0)
        drawn = [Drawn(work.key, True, 10, None) for work in grant.work]
        assert len(drawn) == 2
        assert await coordinator.deliver("r0", batch_of(tmp_path, drawn)) == []
        assert stored(tmp_path) == [0, 1], "acknowledged is committed"
        task = await coordinator.lease_scores("s0", wait=False)
        assert task is not None
        verdicts = [Judged(sample.key, None) for sample in task.samples]
        assert await coordinator.deliver_scores("s0", [task.number], None, verdicts)
        progress = await coordinator.progress()
        assert progress.finished
        assert (progress.settled, progress.kept, progress.tokens) == (1, 2, 20)
        assert (await coordinator.lease("r0", 9, 0)).finished

    scenario(tmp_path, play)


def test_a_lost_replica_delivers_nothing(tmp_path: Path) -> None:
    async def play(coordinator: Coordinator) -> None:
        grant = await coordinator.lease("r0", 2, 0)
        drawn = [Drawn(work.key, True, 1, None) for work in grant.work]
        assert await coordinator.lost_replica("r0") == 2
        again = await coordinator.lease("r1", 2, 0)
        assert {work.key for work in again.work} == {work.key for work in grant.work}
        refused = await coordinator.deliver("r0", batch_of(tmp_path, drawn, "zombie"))
        assert set(refused) == {work.key for work in grant.work}
        assert stored(tmp_path) == []
        assert await coordinator.deliver("r1", batch_of(tmp_path, drawn, "living")) == []
        assert await coordinator.deliver("r1", batch_of(tmp_path, drawn, "twice")) != []
        assert stored(tmp_path) == [0, 1]

    scenario(tmp_path, play)


def test_a_lost_scorer_worker_scores_nothing_twice(tmp_path: Path) -> None:
    async def play(coordinator: Coordinator) -> None:
        grant = await coordinator.lease("r0", 2, 0)
        drawn = [Drawn(work.key, True, 1, None) for work in grant.work]
        await coordinator.deliver("r0", batch_of(tmp_path, drawn))
        task = await coordinator.lease_scores("s0", wait=False)
        assert task is not None
        await coordinator.lost_worker("s0")
        assert await coordinator.lease_scores("s1", wait=False) == task
        file = DataFile("scores-of-s0.parquet", 1, 1)
        assert not await coordinator.deliver_scores("s0", [task.number], file, [])
        assert Pool(tmp_path).scan("scores").collect().is_empty()

    scenario(tmp_path, play)


def test_a_failed_sample_is_judged_at_once(tmp_path: Path) -> None:
    async def play(coordinator: Coordinator) -> None:
        grant = await coordinator.lease("r0", 9, 0)
        drawn = [Drawn(work.key, False, 0, "prompt_too_long") for work in grant.work]
        await coordinator.deliver("r0", batch_of(tmp_path, drawn))
        progress = await coordinator.progress()
        assert progress.reasons == {"failed_prompt_too_long": 2}
        assert await coordinator.lease_scores("s0", wait=False) is None
        assert len((await coordinator.lease("r0", 9, 0)).work) == 1, "the next index"

    scenario(tmp_path, play)


def test_a_stale_coordinator_stops_everyone(tmp_path: Path) -> None:
    async def play(coordinator: Coordinator) -> None:
        grant = await coordinator.lease("r0", 2, 0)
        drawn = [Drawn(work.key, True, 1, None) for work in grant.work]
        PoolWriter(Pool(tmp_path), epoch=2)
        with pytest.raises(BusyError):
            await coordinator.deliver("r0", batch_of(tmp_path, drawn))
        with pytest.raises(BusyError):
            await coordinator.progress()
        with pytest.raises(BusyError):
            await coordinator.lease("r0", 1, 0)
        assert stored(tmp_path) == []

    scenario(tmp_path, play)


def test_deliveries_at_the_same_time_share_commits(tmp_path: Path) -> None:
    async def play(coordinator: Coordinator) -> None:
        grants = [await coordinator.lease(f"r{i}", 2, 0) for i in range(20)]
        before = Pool(tmp_path).versions()["samples"]
        await asyncio.gather(
            *(
                coordinator.deliver(
                    f"r{i}",
                    batch_of(tmp_path, [Drawn(w.key, True, 1, None) for w in grant.work], f"f{i}"),
                )
                for i, grant in enumerate(grants)
            )
        )
        after = Pool(tmp_path).versions()["samples"]
        assert len(stored(tmp_path)) == 40
        assert after is not None
        assert after - (before or 0) < 10

    scenario(tmp_path, play, prompts=20)


def test_samples_without_a_verdict_are_refused(tmp_path: Path) -> None:
    async def begin() -> None:
        coordinator = Coordinator(tmp_path, 1, COUNTS, code_digest())
        await coordinator.begin(Known(["p"], [(0, 0)], [0b11], [0b01], [0]), [])

    with pytest.raises(RunError, match="without a verdict"):
        asyncio.run(begin())


def test_an_error_behind_a_commit_stops_everyone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play(coordinator: Coordinator) -> None:
        grant = await coordinator.lease("r0", 2, 0)
        drawn = [Drawn(work.key, True, 1, None) for work in grant.work]
        monkeypatch.setattr(coordinator, "_enqueue", lambda task: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await coordinator.deliver("r0", batch_of(tmp_path, drawn))
        with pytest.raises(ZeroDivisionError):
            await coordinator.progress()

    scenario(tmp_path, play)


def test_other_code_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="other code"):
        Coordinator(tmp_path, 1, COUNTS, "code1_other")
