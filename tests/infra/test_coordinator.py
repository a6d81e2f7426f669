"""The coordinator itself, without Ray around it: what is acknowledged is committed, once."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from infra.coordinator import Coordinator
from infra.data_file import DataFile
from infra.failures import SAMPLES_AT_LEAST
from infra.goal import Goal
from infra.messages import Beat, Drawn, Grant, Judged, Known, Place, ScoreTask, ToScore
from infra.pool import Pool
from infra.pool_writer import PoolWriter
from infra.revision import code_digest
from infra.sampling import Bits, Need
from infra.scheduler import Key
from infra.settings import CoordinatorSettings
from infra.spool import Batch, write_file
from schemas.arrow import SAMPLES
from schemas.errors import BusyError, RunError
from tests.builders import make_sample

GOAL = Goal(Need(probe=2, max=4, kept=1))
ONE_FAILED = Bits(0b01, 0b01, 0)
BEAT = Beat(held=1, tokens=5, loop_lag_s=0.25)
Play = Callable[[Coordinator], Awaitable[None]]


def settings_of(pool: Path, epoch: int = 1) -> CoordinatorSettings:
    return CoordinatorSettings(
        name="c",
        pool=str(pool),
        epoch=epoch,
        goal=GOAL,
        max_failed=0.05,
        patience_s=0,
        code=code_digest(),
    )


def known(prompts: int, first: Bits | None = None) -> Known:
    """`prompts` of them, of which the first may have samples already."""
    bits = [first or Bits()] + [Bits()] * (prompts - 1)
    rows = np.arange(prompts, dtype=np.uint32)
    files, sources = np.zeros(prompts, np.uint32), np.zeros(prompts, np.uint16)
    return Known.of(["p.parquet"], files, rows, sources, bits)


async def started(
    pool: Path, knows: Known, epoch: int = 1, replicas: Sequence[str] = ()
) -> Coordinator:
    coordinator = Coordinator(settings_of(pool, epoch))
    await coordinator.start()
    await coordinator.begin(knows, replicas)
    return coordinator


def scenario(tmp_path: Path, play: Play, prompts: int = 1) -> None:
    """With two replicas, r0 and r1, that have joined."""

    async def run() -> None:
        coordinator = await started(tmp_path, known(prompts))
        for replica in ("r0", "r1"):
            assert await coordinator.join(replica, []) == []
        await play(coordinator)

    asyncio.run(run())


def batch_of(tmp_path: Path, drawn: list[Drawn], name: str = "b") -> Batch[Drawn]:
    rows = [make_sample(sample_index=d.key.sample_index).to_row() for d in drawn]
    file = write_file(str(tmp_path / "samples" / f"{name}.parquet"), SAMPLES, rows)
    return Batch(file, tuple(drawn))


def done(grant: Grant, tokens: int = 1) -> list[Drawn]:
    return [Drawn(work.key, True, tokens, None) for work in grant.work]


def failed(grant: Grant, reason: str) -> list[Drawn]:
    return [Drawn(work.key, False, 0, reason) for work in grant.work]


def keys(grant: Grant) -> list[Key]:
    return [work.key for work in grant.work]


def stored(tmp_path: Path) -> list[int]:
    return sorted(Pool(tmp_path).scan("samples").collect()["sample_index"].to_list())


async def score_all(coordinator: Coordinator, *, kept: bool = True) -> None:
    while (task := await coordinator.lease_scores("s0", wait=False)) is not None:
        verdicts = [Judged(one.key, None if kept else "wrong") for one in task.samples]
        assert await coordinator.deliver_scores("s0", [task.number], None, verdicts)


def test_a_run_to_its_end(tmp_path: Path) -> None:
    async def play(coordinator: Coordinator) -> None:
        grant = await coordinator.lease("r0", 9, 0)
        assert [work.prompt for work in grant.work] == [Place("p.parquet", 0)] * 2
        drawn = done(grant, tokens=10)
        assert await coordinator.deliver("r0", batch_of(tmp_path, drawn)) == []
        assert stored(tmp_path) == [0, 1], "acknowledged is committed"
        task = await coordinator.lease_scores("s0", wait=False)
        assert task is not None
        verdicts = [Judged(sample.key, None) for sample in task.samples]
        assert not (await coordinator.progress()).finished
        assert await coordinator.deliver_scores("s0", [task.number], None, verdicts)
        progress = await coordinator.progress()
        assert progress.finished
        assert (progress.settled, progress.kept, progress.tokens) == (1, 2, 20)
        assert progress.replicas["r0"].delivered == 2
        assert (await coordinator.lease("r0", 9, 0)).leave

    scenario(tmp_path, play)


def test_score_tasks_name_the_rows_of_their_samples(tmp_path: Path) -> None:
    async def play(coordinator: Coordinator) -> None:
        grant = await coordinator.lease("r0", 4, 0)
        bad, *good = done(grant)
        drawn = [bad._replace(done=False, reason="too_long"), *good]
        await coordinator.deliver("r0", batch_of(tmp_path, drawn))
        task = await coordinator.lease_scores("s0", wait=False)
        assert task is not None
        assert task.path == str(tmp_path / "samples" / "b.parquet")
        assert [(one.key, one.row) for one in task.samples] == [
            (drawn[row].key, row) for row in (1, 2, 3)
        ]
        assert [one.prompt.row for one in task.samples] == [0, 1, 1]

    scenario(tmp_path, play, prompts=2)


def test_a_lost_replica_delivers_nothing(tmp_path: Path) -> None:
    async def play(coordinator: Coordinator) -> None:
        grant = await coordinator.lease("r0", 2, 0)
        assert (await coordinator.lost_replica("r0", engine_died=False)).requeued == 2
        again = await coordinator.lease("r1", 2, 0)
        assert keys(again) == keys(grant)
        refused = await coordinator.deliver("r0", batch_of(tmp_path, done(grant), "zombie"))
        assert set(refused) == set(keys(grant))
        assert stored(tmp_path) == []
        assert (await coordinator.lease("r0", 2, 0)).leave, "nobody waits for it any more"
        assert await coordinator.deliver("r1", batch_of(tmp_path, done(grant), "living")) == []
        assert stored(tmp_path) == [0, 1]

    scenario(tmp_path, play)


def test_what_is_durable_is_not_committed_again(tmp_path: Path) -> None:
    async def play(coordinator: Coordinator) -> None:
        batch = batch_of(tmp_path, done(await coordinator.lease("r0", 2, 0)))
        assert await coordinator.deliver("r0", batch) == []
        before = Pool(tmp_path).versions()["samples"]
        assert await coordinator.deliver("r0", batch) == [entry.key for entry in batch.entries]
        assert Pool(tmp_path).versions()["samples"] == before
        assert stored(tmp_path) == [0, 1]

    scenario(tmp_path, play)


def test_a_lost_scorer_worker_scores_nothing_twice(tmp_path: Path) -> None:
    async def play(coordinator: Coordinator) -> None:
        drawn = done(await coordinator.lease("r0", 2, 0))
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
        drawn = failed(await coordinator.lease("r0", 9, 0), "prompt_too_long")
        await coordinator.deliver("r0", batch_of(tmp_path, drawn))
        progress = await coordinator.progress()
        assert progress.reasons == {"failed_prompt_too_long": 2}
        assert (progress.failed, progress.judged, progress.kept) == (2, 2, 0)
        assert await coordinator.lease_scores("s0", wait=False) is None
        assert len((await coordinator.lease("r0", 9, 0)).work) == 1, "the next index"

    scenario(tmp_path, play)


def test_a_failed_try_is_drawn_by_another(tmp_path: Path) -> None:
    async def play(coordinator: Coordinator) -> None:
        key = keys(await coordinator.lease("r0", 1, 0))[0]
        assert await coordinator.failed("r0", key)
        grant = await coordinator.lease("r1", 1, 0)
        assert [(work.key, work.tries) for work in grant.work] == [(key, 2)]

    scenario(tmp_path, play)


def test_a_sample_that_kills_engines_comes_as_poisoned(tmp_path: Path) -> None:
    async def play(coordinator: Coordinator) -> None:
        for name in ("r2", "r3", "r4", "r5"):
            await coordinator.join(name, [])
            grant = await coordinator.lease(name, 1, 0)
            assert [(w.key, w.poisoned) for w in grant.work] == [(Key(0, 0), False)]
            assert (await coordinator.lost_replica(name, engine_died=True)).requeued == 1
        grant = await coordinator.lease("r0", 1, 0)
        assert [(w.key, w.poisoned) for w in grant.work] == [(Key(0, 0), True)]

    scenario(tmp_path, play)


def fail_so_many(tmp_path: Path, bad: int, good: int, reasons: int = 1) -> None:
    """Delivers the good ones, then the bad ones; raises what stops the run."""

    async def play(coordinator: Coordinator) -> None:
        *drawn, late = done(await coordinator.lease("r0", bad + good + 1, 0))
        for number in range(bad):
            drawn[number] = drawn[number]._replace(done=False, reason=f"r{number % reasons}")
        await coordinator.deliver("r0", batch_of(tmp_path, drawn))
        await coordinator.progress()
        # What a replica has finished meanwhile is paid for, and still taken.
        assert await coordinator.deliver("r0", batch_of(tmp_path, [late], "late")) == []
        for replica in ("r0", "r1"):
            if (await coordinator.lease(replica, 1, 0)).leave:
                await coordinator.lost_replica(replica, engine_died=False)
        await coordinator.progress()

    scenario(tmp_path, play, prompts=bad + good + 1)


def test_too_many_failures_for_one_reason_stop_the_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"20 of 399 .* r0: more than max_failed \(5%\).*r0 draws"):
        fail_so_many(tmp_path, bad=20, good=379)
    assert len(stored(tmp_path)) == 400, "they are stored all the same"


@pytest.mark.parametrize(
    ("bad", "good", "reasons"), [(20, 380, 1), (SAMPLES_AT_LEAST - 1, 0, 1), (38, 0, 2)]
)
def test_fewer_failures_stop_nobody(bad: int, good: int, reasons: int, tmp_path: Path) -> None:
    fail_so_many(tmp_path, bad, good, reasons)


def test_a_stale_coordinator_stops_everyone(tmp_path: Path) -> None:
    async def play(coordinator: Coordinator) -> None:
        drawn = done(await coordinator.lease("r0", 2, 0))
        PoolWriter(Pool(tmp_path), epoch=2)
        with pytest.raises(BusyError):
            await coordinator.deliver("r0", batch_of(tmp_path, drawn))
        with pytest.raises(BusyError):
            await coordinator.progress()
        with pytest.raises(BusyError):
            await coordinator.lease("r0", 1, 0)
        with pytest.raises(BusyError):
            await coordinator.lease_scores("s0", wait=False)
        assert stored(tmp_path) == []

    scenario(tmp_path, play)


def test_a_coordinator_that_was_succeeded_does_not_start(tmp_path: Path) -> None:
    PoolWriter(Pool(tmp_path), epoch=2)
    with pytest.raises(BusyError):
        asyncio.run(Coordinator(settings_of(tmp_path, epoch=1)).start())


def test_deliveries_at_the_same_time_share_commits(tmp_path: Path) -> None:
    async def play(coordinator: Coordinator) -> None:
        names = [f"r{number}" for number in range(20)]
        for name in names:
            await coordinator.join(name, [])
        batches = [
            batch_of(tmp_path, done(await coordinator.lease(name, 2, 0)), name) for name in names
        ]
        before = Pool(tmp_path).versions()["samples"]
        await asyncio.gather(*map(coordinator.deliver, names, batches))
        after = Pool(tmp_path).versions()["samples"]
        assert len(stored(tmp_path)) == 40
        assert after is not None
        assert after - (before or 0) < 10

    scenario(tmp_path, play, prompts=20)


def test_samples_without_a_verdict_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="without a verdict"):
        asyncio.run(started(tmp_path, known(1, Bits(0b11, 0b01, 0))))


def test_an_error_behind_a_commit_stops_everyone(tmp_path: Path) -> None:
    async def run() -> None:
        paths = ["p.parquet"]
        coordinator = await started(tmp_path, replace(known(1), paths=paths))
        await coordinator.join("r0", [])
        drawn = done(await coordinator.lease("r0", 2, 0))
        paths.clear()
        with pytest.raises(IndexError):
            await coordinator.deliver("r0", batch_of(tmp_path, drawn))
        with pytest.raises(IndexError):
            await coordinator.progress()

    asyncio.run(run())


def test_other_code_is_refused(tmp_path: Path) -> None:
    coordinator = Coordinator(replace(settings_of(tmp_path), code="code1_other"))
    with pytest.raises(RunError, match="other code"):
        asyncio.run(coordinator.start())
    assert list(tmp_path.iterdir()) == [], "and it touches nothing"


def test_workers_that_come_early_wait(tmp_path: Path) -> None:
    async def run() -> None:
        coordinator = Coordinator(settings_of(tmp_path))
        ready = asyncio.create_task(coordinator.join_worker("s0"))
        joining = asyncio.create_task(coordinator.join("r0", []))
        await asyncio.sleep(0)
        assert not ready.done()
        await coordinator.start()
        await ready
        assert not joining.done(), "it cannot know yet what this replica may hold"
        await coordinator.begin(known(1))
        assert await joining == []

    asyncio.run(run())


def test_a_waiting_replica_hears_of_new_work(tmp_path: Path) -> None:
    async def play(coordinator: Coordinator) -> None:
        drawn = done(await coordinator.lease("r0", 9, 0))
        waiting = asyncio.create_task(coordinator.lease("r1", 9, 60))
        await coordinator.deliver("r0", batch_of(tmp_path, drawn))
        await score_all(coordinator, kept=False)
        assert keys(await asyncio.wait_for(waiting, 30)) == [Key(0, 2)]

    scenario(tmp_path, play)


def test_a_beat_of_an_unknown_replica_sends_it_away(tmp_path: Path) -> None:
    async def play(coordinator: Coordinator) -> None:
        assert not (await coordinator.beat("r0", BEAT)).leave
        assert not (await coordinator.beat("r0", BEAT._replace(tokens=9, loop_lag_s=0.1))).leave
        assert (await coordinator.beat("r9", BEAT)).leave
        progress = await coordinator.progress()
        assert progress.replicas["r0"].beats == 2
        assert progress.replicas["r0"].beat.tokens == 9
        assert "r9" not in progress.replicas
        assert progress.loop_lag_s >= BEAT.loop_lag_s, "the longest counts"
        await coordinator.lost_replica("r0", engine_died=False)
        assert (await coordinator.beat("r0", BEAT)).leave

    scenario(tmp_path, play)


def test_what_is_not_needed_is_cancelled_or_scored(tmp_path: Path) -> None:
    async def run() -> None:
        hard = Goal(Need(probe=12, max=32, kept=1))
        coordinator = Coordinator(replace(settings_of(tmp_path), goal=hard))
        await coordinator.start()
        await coordinator.begin(known(1, Bits(2**12 - 1, 2**12 - 1, 0)))
        await coordinator.join("r0", [])
        first, *ahead = done(await coordinator.lease("r0", 9, 0))
        assert await coordinator.deliver("r0", batch_of(tmp_path, [first], "first")) == []
        await score_all(coordinator)
        assert not (await coordinator.progress()).finished, "some are on their way"
        told = await coordinator.beat("r0", BEAT)
        assert list(told.cancel) == [entry.key for entry in ahead]
        assert await coordinator.deliver("r0", batch_of(tmp_path, ahead[:1], "ended")) == []
        await coordinator.cancelled("r0", [entry.key for entry in ahead[1:]])
        assert not (await coordinator.progress()).finished, "one has no score yet"
        await score_all(coordinator)
        progress = await coordinator.progress()
        assert progress.finished
        assert (progress.drawn, progress.cancelled) == (2, len(ahead) - 1)
        assert progress.cancelled > 0

    asyncio.run(run())


def test_a_replica_that_is_given_back_leaves_its_samples_to_others(tmp_path: Path) -> None:
    async def play(coordinator: Coordinator) -> None:
        mine, theirs = await coordinator.lease("r0", 2, 0), await coordinator.lease("r1", 9, 0)
        assert len(theirs.work) == 2
        beat = BEAT._replace(slots=9)
        assert not (await coordinator.beat("r1", beat)).leave, "r0 has not said how large it is"
        orders = await coordinator.beat("r0", beat)
        assert (orders.leave, orders.hand_over) == (True, True)
        first, second = keys(mine)
        await coordinator.hand_over("r0", {first: Place("begun.parquet", 0), second: None})
        lost = await coordinator.lost_replica("r0", engine_died=False)
        assert (lost.requeued, lost.handed_over) == (0, 2)
        taken = await coordinator.lease("r1", 9, 0)
        assert [(work.key, work.begun) for work in taken.work] == [
            (first, Place("begun.parquet", 0)),
            (second, None),
        ]
        assert not (await coordinator.beat("r1", beat)).leave, "the last one stays"
        assert (await coordinator.progress()).handed_over == 2

    scenario(tmp_path, play, prompts=2)


def test_a_drain_waits_for_what_is_finished(tmp_path: Path) -> None:
    async def play(coordinator: Coordinator) -> None:
        drawn = done(await coordinator.lease("r0", 2, 0))
        await coordinator.deliver("r0", batch_of(tmp_path, drawn[:1], "one"))
        task = await coordinator.lease_scores("s0", wait=False)
        assert task is not None
        waiting = asyncio.create_task(coordinator.lease("r1", 0, 60))
        await asyncio.sleep(0)
        await coordinator.drain()
        assert (await asyncio.wait_for(waiting, 30)).leave, "nobody waits any more"
        assert (await coordinator.beat("r0", BEAT)).leave
        assert await coordinator.deliver("r0", batch_of(tmp_path, drawn[1:], "two")) == []
        assert await coordinator.lease_scores("s1", wait=False) is None
        for replica in ("r0", "r1"):
            assert not (await coordinator.progress()).drained
            await coordinator.lost_replica(replica, engine_died=False)
        assert not (await coordinator.progress()).drained, "a worker still scores"
        assert await coordinator.deliver_scores("s0", [task.number], None, [])
        assert (await coordinator.progress()).drained
        assert stored(tmp_path) == [0, 1]

    scenario(tmp_path, play, prompts=3)


def test_old_samples_are_scored_without_a_verdict(tmp_path: Path) -> None:
    async def run() -> None:
        coordinator = Coordinator(settings_of(tmp_path))
        await coordinator.start()
        assert (await coordinator.progress()).finished
        samples = (ToScore(Key(-1, 0), 4, Place("p.parquet", 1)),)
        await coordinator.score_old([ScoreTask(0, "old.parquet", samples, ("math",))])
        assert not (await coordinator.progress()).finished
        task = await coordinator.lease_scores("s0", wait=False)
        assert task is not None
        assert (task.samples, task.scorers) == (samples, ("math",))
        assert await coordinator.deliver_scores("s0", [task.number], None, [])
        progress = await coordinator.progress()
        assert (progress.finished, progress.judged) == (True, 0)

    asyncio.run(run())


def test_small_files_of_settled_prompts_are_to_be_merged(tmp_path: Path) -> None:
    async def play(coordinator: Coordinator) -> None:
        for number in range(5):
            drawn = done(await coordinator.lease("r0", 2, 0))
            await coordinator.deliver("r0", batch_of(tmp_path, drawn, f"f{number}"))
        assert await coordinator.next_merge(last=True) is None
        await score_all(coordinator)
        assert await coordinator.next_merge(last=False) is None, "too few for the middle of a run"
        task = await coordinator.next_merge(last=True)
        assert task is not None
        assert (task.table, len(task.files)) == ("samples", 5)
        merged = batch_of(tmp_path, done(Grant((), leave=False)), "merged").file
        await coordinator.commit_files("samples", [merged], task.files)
        assert Pool(tmp_path).files("samples") == [merged]

    scenario(tmp_path, play, prompts=5)


# A successor


async def succeeded(tmp_path: Path, prompts: int) -> tuple[Grant, Grant]:
    """What r0 and r1 hold of a coordinator that died after r0 had delivered its first sample."""
    first = await started(tmp_path, known(prompts))
    for replica in ("r0", "r1"):
        await first.join(replica, [])
    grants = await first.lease("r0", 2, 0), await first.lease("r1", 2, 0)
    assert await first.deliver("r0", batch_of(tmp_path, done(grants[0])[:1], "first")) == []
    return grants


def test_replicas_keep_what_they_hold_under_a_successor(tmp_path: Path) -> None:
    async def run() -> None:
        mine, theirs = await succeeded(tmp_path, prompts=3)
        second = await started(tmp_path, known(3, ONE_FAILED), epoch=2, replicas=["r0", "r1"])
        assert await second.join("r0", keys(mine)) == [Key(0, 0)], "it is durable already"
        assert await second.lease("r0", 9, 0) == Grant((), leave=False), "r1 has not said yet"
        assert await second.join("r1", keys(theirs)) == []
        assert keys(await second.lease("r0", 9, 0)) == [Key(2, 0), Key(2, 1)]
        assert await second.deliver("r1", batch_of(tmp_path, done(theirs), "theirs")) == []
        assert await second.deliver("r0", batch_of(tmp_path, done(mine)[1:], "mine")) == []
        assert stored(tmp_path) == [0, 0, 1, 1], "nobody's work is lost or done twice"

    asyncio.run(run())


def test_a_redelivery_of_what_is_durable_is_refused_by_a_successor(tmp_path: Path) -> None:
    async def run() -> None:
        mine, _ = await succeeded(tmp_path, prompts=3)
        second = await started(tmp_path, known(3, ONE_FAILED), epoch=2, replicas=["r0"])
        assert await second.join("r0", keys(mine)) == [Key(0, 0)]
        before = Pool(tmp_path).versions()["samples"]
        again = batch_of(tmp_path, done(mine), "again")
        assert await second.deliver("r0", again) == [Key(0, 0)], "its receipt was lost"
        assert Pool(tmp_path).versions()["samples"] == before
        assert await second.deliver("r0", batch_of(tmp_path, done(mine)[1:], "rest")) == []
        assert stored(tmp_path) == [0, 1]

    asyncio.run(run())


def test_what_a_lost_replica_held_is_drawn_by_others(tmp_path: Path) -> None:
    async def run() -> None:
        mine, theirs = await succeeded(tmp_path, prompts=2)
        second = await started(tmp_path, known(2, ONE_FAILED), epoch=2, replicas=["r0", "r1"])
        await second.join("r0", keys(mine))
        waiting = asyncio.create_task(second.lease("r0", 9, 60))
        await asyncio.sleep(0)
        assert (await second.lost_replica("r1", engine_died=False)).requeued == 0, "it never joined"
        assert keys(await asyncio.wait_for(waiting, 30)) == keys(theirs)
        assert await second.join("r1", keys(theirs)) == keys(theirs), "they are r0's by now"

    asyncio.run(run())


def test_an_unexpected_newcomer_waits_for_the_others_too(tmp_path: Path) -> None:
    async def run() -> None:
        _, theirs = await succeeded(tmp_path, prompts=2)
        second = await started(tmp_path, known(2, ONE_FAILED), epoch=2, replicas=["r1"])
        assert await second.join("r2", []) == []
        assert not (await second.lease("r2", 9, 0)).work
        assert await second.join("r1", keys(theirs)) == []
        assert keys(await second.lease("r2", 9, 0)) == [Key(0, 1)]

    asyncio.run(run())


def test_tasks_of_two_coordinators_have_different_numbers(tmp_path: Path) -> None:
    async def run() -> None:
        numbers = set()
        for epoch in (1, 2):
            coordinator = await started(tmp_path, known(1), epoch)
            await coordinator.join("r0", [])
            drawn = done(await coordinator.lease("r0", 2, 0))
            await coordinator.deliver("r0", batch_of(tmp_path, drawn, f"of-{epoch}"))
            task = await coordinator.lease_scores("s0", wait=False)
            assert task is not None
            numbers.add(task.number)
            assert not await coordinator.deliver_scores("s0", [12345], None, [])
        assert len(numbers) == 2

    asyncio.run(run())


def test_a_predecessor_that_lives_on_commits_nothing(tmp_path: Path) -> None:
    async def run() -> None:
        first = await started(tmp_path, known(1))
        await first.join("r0", [])
        drawn = done(await first.lease("r0", 2, 0))
        await started(tmp_path, known(1), epoch=2)
        with pytest.raises(BusyError):
            await first.deliver("r0", batch_of(tmp_path, drawn))
        assert stored(tmp_path) == []

    asyncio.run(run())
