"""Whatever is killed, whenever: the same command goes on, and the version is what it would be."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.cluster import LOOPBACK_ONLY
from infra.coordinator import Coordinator
from infra.data_file import DataFile
from infra.replica import Replica
from infra.scorer_worker import ScorerWorker
from jobs.actors import get
from jobs.recipe import Job
from schemas.errors import BusyError, RunError
from tests.conftest import ROOT, MakeJob
from tests.jobs.faults import (
    SLOW,
    Saboteur,
    acknowledged,
    assert_whole,
    drawn_again,
    driver,
    events,
    has_samples,
    keep_journal,
    orphans,
    run_generate,
    samples,
    slow_job,
    wait_until,
)

pytestmark = pytest.mark.usefixtures("ray_here")

COMMIT_S = 2.0
"""A write, a commit and its acknowledgement, on a busy machine."""
KILL = "__import__('os').kill(__import__('os').getpid(), 9)"


def test_a_killed_coordinator_is_followed_and_nothing_is_drawn_again(
    make_job: MakeJob, undisturbed: str
) -> None:
    job = slow_job(make_job)
    saboteur = Saboteur("ray::Coordinator", has_samples(job, 8))
    run_generate(job)
    assert saboteur.killed
    names = [event["event"] for event in events(job)]
    assert "coordinator_died" in names
    assert names.count("replica_started") == 1, "the replica went on"
    assert orphans(job) == 0
    assert_whole(job, set(), undisturbed)


@pytest.mark.parametrize("title", ["ray::Replica", "ray::ScorerWorker"])
def test_a_killed_worker_is_replaced(title: str, make_job: MakeJob, undisturbed: str) -> None:
    job = slow_job(make_job)
    saboteur = Saboteur(title, has_samples(job, 8))
    run_generate(job)
    assert saboteur.killed
    assert any(event["event"].endswith("_died") for event in events(job))
    assert_whole(job, set(), undisturbed)
    assert set(samples(job)["tries"]) == {1}, "a kill does not use up tries"


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["replica", "driver"])
def test_no_more_is_drawn_again_than_was_in_flight_or_not_yet_flushed(
    victim: str, make_job: MakeJob, undisturbed: str, tmp_path: Path
) -> None:
    flush_s = 0.5
    job = slow_job(make_job, engine_args={"tokens_per_second": 60}, flush={"seconds": flush_s})
    journal = tmp_path / "journal"
    patch = f"from tests.jobs.faults import keep_journal; keep_journal({str(journal)!r})"
    if victim == "driver":
        first = driver(job, tmp_path, patch)
        wait_until(has_samples(job, 24), "no samples")
        first.kill()
        first.communicate()
        second = driver(job, tmp_path, patch)
        second.communicate(timeout=120)
        assert second.returncode == 0
    else:
        with pytest.MonkeyPatch.context() as kept:
            kept.setattr("infra.placement.Replica", Replica)  # comes back after the journal's own
            keep_journal(str(journal))
            saboteur = Saboteur("ray::Noting", has_samples(job, 24))
            run_generate(job)
            assert saboteur.killed
    unfinished, finished_before_s = drawn_again(journal)
    assert len(unfinished) <= SLOW["max_num_seqs"] * 9 // 8, "slots, and what waits for one"
    assert all(seconds < flush_s + COMMIT_S for seconds in finished_before_s)
    assert_whole(job, set(), undisturbed)


@pytest.mark.slow
def test_a_clock_that_jumps_changes_nothing(
    make_job: MakeJob, undisturbed: str, tmp_path: Path
) -> None:
    """All processes of the run think that it is an hour later, and earlier again, all the time."""
    job = slow_job(make_job, engine_args={"tokens_per_second": 20})
    jumping = {"PYTHONPATH": str(ROOT / "tests" / "jobs" / "jumping_clock")}
    first = driver(job, tmp_path, environment=jumping)
    wait_until(has_samples(job), "no samples")
    second = driver(job, tmp_path, environment=jumping)
    _, said = second.communicate(timeout=120)
    assert second.returncode == BusyError.exit_code, said
    _, said = first.communicate(timeout=120)
    assert first.returncode == 0, said
    assert_whole(job, set(), undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("title", ["ray::Coordinator", "ray::Replica", "ray::ScorerWorker"])
def test_killed_at_its_start(title: str, make_job: MakeJob, undisturbed: str) -> None:
    job = slow_job(make_job)
    saboteur = Saboteur(title, lambda: True)
    run_generate(job)
    assert saboteur.killed
    assert_whole(job, set(), undisturbed)


@pytest.mark.parametrize("committed", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_coordinator_killed_around_a_commit(
    committed: bool, make_job: MakeJob, undisturbed: str, tmp_path: Path
) -> None:
    """Between the files and their commit, or between the commit and its acknowledgement."""
    job = slow_job(make_job)
    mark = tmp_path / "killed"

    class Dying(Coordinator):
        async def start(self) -> None:
            await super().start()
            commit = self._committer._commit_together

            async def dying(table: str, deliveries: list[Any]) -> None:
                if table == "samples" and deliveries and not mark.exists():
                    mark.touch()
                    if committed:
                        await commit(table, deliveries)
                    os.kill(os.getpid(), signal.SIGKILL)
                await commit(table, deliveries)

            self._committer._commit_together = dying  # type: ignore[method-assign]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jobs.generate.Coordinator", Dying)
        run_generate(job)
    assert mark.exists()
    assert_whole(job, set(), undisturbed)


@pytest.mark.parametrize("table", ["samples", pytest.param("scores", marks=pytest.mark.slow)])
def test_a_worker_killed_during_a_write(
    table: str, make_job: MakeJob, undisturbed: str, tmp_path: Path
) -> None:
    job = slow_job(make_job)
    mark = tmp_path / "killed"

    def torn_once(write: Any, folder: str) -> Any:
        def write_or_die(rows: Sequence[Any]) -> DataFile:
            if not mark.exists():
                mark.touch()
                (Path(folder) / "torn.parquet").write_bytes(b"PAR1 half a file")
                os.kill(os.getpid(), signal.SIGKILL)
            written: DataFile = write(rows)
            return written

        return write_or_die

    class DyingReplica(Replica):
        async def run(self) -> None:
            self._files.write = torn_once(  # type: ignore[method-assign]
                self._files.write, self._settings.samples
            )
            await super().run()

    class DyingScorer(ScorerWorker):
        async def run(self) -> None:
            self._files.write = torn_once(  # type: ignore[method-assign]
                self._files.write, self._settings.scores
            )
            await super().run()

    with pytest.MonkeyPatch.context() as patch:
        if table == "samples":
            patch.setattr("infra.placement.Replica", DyingReplica)
        else:
            patch.setattr("infra.scorer_worker.ScorerWorker", DyingScorer)
        run_generate(job)
    assert mark.exists()
    assert_whole(job, set(), undisturbed)


def test_a_killed_driver_is_resumed_by_the_same_command(
    make_job: MakeJob, undisturbed: str, tmp_path: Path
) -> None:
    job = slow_job(make_job)
    first = driver(job, tmp_path)
    wait_until(has_samples(job, 8), "no samples")
    first.kill()
    first.communicate()
    before = acknowledged(job)
    second = driver(job, tmp_path)
    _, said = second.communicate(timeout=120)
    assert second.returncode == 0, said
    assert_whole(job, before, undisturbed)
    from infra.catalog import Catalog

    assert Catalog(job.store, "sums").versions() == ["v0001"]


@pytest.mark.parametrize(
    ("patch", "published"),
    [
        pytest.param(
            f"import jobs.build as b; b.write_parquet = lambda *_: {KILL}",
            "v0001",
            marks=pytest.mark.slow,
        ),
        (f"from infra.catalog import Catalog as c; c.commit = lambda *_: {KILL}", "v0002"),
    ],
    ids=["during build", "between files and manifest"],
)
def test_a_driver_killed_while_it_publishes(
    patch: str, published: str, make_job: MakeJob, undisturbed: str, tmp_path: Path
) -> None:
    from infra.catalog import Catalog

    job = make_job()
    run_generate(job)
    dying = driver(job, tmp_path, patch)
    dying.communicate(timeout=120)
    assert dying.returncode == -signal.SIGKILL
    assert Catalog(job.store, "sums").versions() == [], "nobody sees half a version"
    again = driver(job, tmp_path)
    _, said = again.communicate(timeout=120)
    assert again.returncode == 0, said
    assert Catalog(job.store, "sums").versions() == [published]
    manifest = Catalog(job.store, "sums").manifest(published)
    assert manifest.content_digest == undisturbed


def test_two_drivers_on_one_pool(make_job: MakeJob, tmp_path: Path) -> None:
    job = slow_job(make_job, engine_args={"tokens_per_second": 20})
    first = driver(job, tmp_path, command="generate")
    wait_until(has_samples(job), "no samples")
    second = driver(job, tmp_path, command="generate")
    _, said = second.communicate(timeout=120)
    assert second.returncode == BusyError.exit_code
    assert "is held by attempt a000001 of recipe 'sums' since" in said
    assert str(first.pid) in said
    first.terminate()
    assert first.wait(timeout=120) == 128 + signal.SIGTERM, "the first one had not noticed"


@pytest.mark.parametrize(
    "number", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGTERM]
)
def test_a_signal_drains(
    number: signal.Signals, make_job: MakeJob, undisturbed: str, tmp_path: Path
) -> None:
    """What was finished is committed, though the next flush was far away."""
    job = slow_job(make_job, flush={"seconds": 60})
    first = driver(job, tmp_path, command="generate")
    wait_until(lambda: leased(job), "nothing was leased")
    first.send_signal(number)
    _, said = first.communicate(timeout=120)
    assert first.returncode == 128 + number, said
    assert "a second signal stops at once" in said
    before = acknowledged(job)
    assert events(job)[-1]["event"] == "attempt_ended"
    resumed = driver(job, tmp_path, command="generate")
    _, said = resumed.communicate(timeout=120)
    assert resumed.returncode == 0, said
    assert_whole(job, before, undisturbed)


def leased(job: Job) -> bool:
    """Whether the newest attempt gave out work."""
    if not job.store.folders(f"pools/{job.recipe.pool}/attempts"):
        return False
    return any(event["event"] == "first_lease" for event in events(job))


def test_a_second_signal_stops_at_once(make_job: MakeJob, tmp_path: Path) -> None:
    job = slow_job(make_job, engine_args={"hangs_after": 1})
    first = driver(job, tmp_path, command="generate")
    wait_until(lambda: leased(job), "nothing was leased")
    first.send_signal(signal.SIGTERM)
    first.send_signal(signal.SIGTERM)
    assert first.wait(timeout=60) == 128 + signal.SIGTERM


@pytest.mark.slow
def test_a_dying_engine_is_started_again(make_job: MakeJob, undisturbed: str) -> None:
    """Each engine dies with its 20th request; what it had finished is delivered before."""
    job = slow_job(make_job, engine_args={"dies_after": 20})
    run_generate(job)
    assert sum(event["event"] == "replica_died" for event in events(job)) >= 1
    assert_whole(job, set(), undisturbed)


def test_a_hung_engine_is_given_up(make_job: MakeJob, undisturbed: str) -> None:
    job = slow_job(
        make_job, engine_args={"hangs_after": 25}, replicas={"stall_seconds": 2, "max": 2}
    )
    run_generate(job)
    reasons = [event["reason"] for event in events(job) if event["event"] == "replica_died"]
    assert reasons
    assert all(reason.startswith("hung: no token for 2 s") for reason in reasons)
    assert_whole(job, set(), undisturbed)


@pytest.mark.slow
def test_engines_that_never_start_end_the_run(make_job: MakeJob) -> None:
    job = slow_job(make_job, engine_args={"start_seconds": 600}, replicas={"start_seconds": 0.5})
    with pytest.raises(RunError, match=r"slow start: not ready after") as caught:
        run_generate(job)
    assert "fewer replicas than teacher.replicas.min" in str(caught.value)
    names = [event["event"] for event in events(job)]
    assert names.count("replica_started") == 2
    assert "replica_quarantined" in names


def test_a_poisoned_prompt_costs_itself_alone(make_job: MakeJob) -> None:
    job = slow_job(
        make_job, engine_args={"poisoned": 0.03}, replicas={"max": 2}, max_failed=1, choose={}
    )
    run_generate(job)
    rows = samples(job)
    failed = rows.filter(rows["outcome"] == "failed")
    assert set(failed["failure"]) == {"poisoned"}
    assert failed["prompt_id"].n_unique() == 1
    assert rows["prompt_id"].n_unique() == 12, "all others were drawn"


def test_no_placement_group_is_left(make_job: MakeJob) -> None:
    from ray.util import placement_group_table

    run_generate(make_job())
    assert {group["state"] for group in placement_group_table().values()} <= {"REMOVED"}


def test_too_many_failures_stop_the_run_and_can_be_retried(
    make_job: MakeJob, undisturbed: str
) -> None:
    from jobs.generate import generate
    from jobs.prompts import read_prompts
    from jobs.repair import Repairs

    rejecting = slow_job(make_job, engine_args={"rejects": 0.9})
    with pytest.raises(RunError, match="failed for one reason, simulated_reject"):
        run_generate(rejecting)
    assert set(samples(rejecting)["outcome"]) >= {"failed"}
    mended = slow_job(make_job)
    generate(mended, read_prompts(mended.recipe), Repairs(("simulated_reject",)))
    assert set(samples(mended)["outcome"]) == {"done"}
    assert_whole(mended, set(), undisturbed)


def test_errors_of_actors_are_ours() -> None:
    import ray

    def fails() -> None:
        raise BusyError("somebody else")

    with pytest.raises(BusyError, match="somebody else"):
        get(ray.remote(fails).remote())


def test_a_lost_node_costs_what_was_on_it(
    make_job: MakeJob, undisturbed: str, tmp_path: Path
) -> None:
    job = slow_job(make_job)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(job.resolved))
    command = [sys.executable, "-m", "tests.jobs.node_loss", str(recipe)]
    environment = {**os.environ, LOOPBACK_ONLY: "0"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=270, check=False
    )
    assert done.returncode == 0, done.stderr
    assert any(event["event"] == "replica_died" for event in events(job))
    assert_whole(job, set(), undisturbed)


def test_room_that_was_lost_before_ray_tells_is_given_back(
    make_job: MakeJob, undisturbed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first look after the death sees the lost node's CPUs, and takes all that are left."""
    import ray

    job = slow_job(make_job)
    saboteur = Saboteur("ray::Replica", has_samples(job, 8))
    looks_after_death = []

    def room() -> int:
        looks_after_death.extend(saboteur.killed)
        return int(ray.cluster_resources()["CPU"]) if len(looks_after_death) == 1 else 1

    monkeypatch.setattr("jobs.scorer_workers._room", room)
    monkeypatch.setattr("jobs.scorer_workers.FIT_S", 0.5)
    run_generate(job)
    assert len(looks_after_death) > 1
    assert_whole(job, set(), undisturbed)


def test_a_slow_disk_does_not_block_the_engines_loop(make_job: MakeJob) -> None:
    """Writing takes two seconds here; on the loop, that would be its lag."""
    job = slow_job(make_job)

    class SlowDisk(Replica):
        def _write(self, finished: Any) -> Any:
            time.sleep(2)
            return super()._write(finished)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("infra.placement.Replica", SlowDisk)
        run_generate(job)
    (settled,) = (event for event in events(job) if event["event"] == "settled")
    assert 0 < settled["loop_lag_s"] < 1
