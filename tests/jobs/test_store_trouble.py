"""A store that is out, full, torn or written by somebody else: a clear message, nothing lost."""

import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.pool import Pool
from infra.pool_writer import PoolWriter
from jobs.generate import generate
from jobs.prompts import read_prompts
from jobs.repair import Repairs
from schemas.errors import BusyError, StoreError, StoreUnavailableError
from tests.conftest import ROOT, MakeJob
from tests.jobs.faults import (
    acknowledged,
    assert_whole,
    digest,
    events,
    has_samples,
    run_generate,
    slow_job,
    wait_until,
)

pytestmark = pytest.mark.usefixtures("ray_here")

OUT_S = 10.0


def troubles(job: object) -> list[str]:
    return [e["reason"] for e in events(job) if e["event"] == "trouble"]  # type: ignore[arg-type]


def test_a_store_that_is_out_is_waited_for(
    make_job: MakeJob, undisturbed: str, tmp_path: Path
) -> None:
    job = slow_job(make_job)
    away = tmp_path / "away"

    def go_out() -> None:
        wait_until(has_samples(job, 8), "no samples")
        Path(job.store.url).rename(away)
        time.sleep(OUT_S)
        away.rename(Path(job.store.url))

    thread = threading.Thread(target=go_out)
    thread.start()
    run_generate(job)
    thread.join()
    assert any("the store cannot be written, trying again" in said for said in troubles(job))
    assert_whole(job, set(), undisturbed)


@pytest.mark.slow
def test_patience_has_an_end(make_job: MakeJob, tmp_path: Path) -> None:
    job = slow_job(make_job, flush={"seconds": 0.3, "patience_seconds": 1})
    before: set[str] = set()

    def go_out() -> None:
        wait_until(has_samples(job, 8), "no samples")
        before.update(acknowledged(job))
        Path(job.store.url).rename(tmp_path / "away")

    thread = threading.Thread(target=go_out)
    thread.start()
    with pytest.raises(StoreUnavailableError, match="could not be written for") as caught:
        run_generate(job)
    thread.join()
    assert caught.value.exit_code == 75
    (tmp_path / "away").rename(Path(job.store.url))
    run_generate(job)
    assert before <= acknowledged(job)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of four megabytes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"a disk can be mounted by root alone: {mounted.stderr}")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_full_disk_is_waited_for(make_job: MakeJob, undisturbed: str, small_disk: Path) -> None:
    job = slow_job(make_job, store=str(small_disk / "store"))

    def fill() -> None:
        wait_until(has_samples(job, 8), "no samples")
        filler = small_disk / "filler"
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"\0" * 1024)
            except OSError:
                time.sleep(4)
        filler.unlink()

    thread = threading.Thread(target=fill)
    thread.start()
    run_generate(job)
    thread.join()
    assert any("No space left" in said for said in troubles(job))
    assert_whole(job, set(), undisturbed)


@pytest.mark.parametrize(
    ("table", "damage"),
    [
        ("samples", "torn"),
        ("scores", "missing"),
        pytest.param("samples", "missing", marks=pytest.mark.slow),
        pytest.param("scores", "torn", marks=pytest.mark.slow),
        pytest.param("prompts", "torn", marks=pytest.mark.slow),
        pytest.param("prompts", "missing", marks=pytest.mark.slow),
    ],
)
def test_a_damaged_file_is_named_and_can_be_dropped(
    table: str, damage: str, make_job: MakeJob
) -> None:
    job = make_job()
    run_generate(job)
    undisturbed = digest(job)
    victim = Path(job.pool.folder(table)) / job.pool.files(table)[0].name
    if damage == "torn":
        victim.write_bytes(victim.read_bytes()[:-100])
    else:
        victim.unlink()
    prompts = read_prompts(job.recipe)
    with pytest.raises(StoreError, match=rf"missing or torn.*{victim.name}.*--drop-damaged"):
        generate(make_job(samples={"probe": 4, "max": 6, "enough": 2}), prompts)
    generate(job, prompts, Repairs(drop_damaged=True))
    assert_whole(job, set(), undisturbed)


def test_a_newer_writer_stops_a_run_that_thinks_it_is_alone(make_job: MakeJob) -> None:
    """As when this machine was cut off and another one took over: its commits are refused."""
    job = slow_job(make_job)
    before: set[str] = set()

    def take_over() -> None:
        wait_until(has_samples(job, 8), "no samples")
        PoolWriter(Pool(job.pool.root), epoch=99)
        before.update(acknowledged(job))

    thread = threading.Thread(target=take_over)
    thread.start()
    with pytest.raises(BusyError, match="taken over"):
        run_generate(job)
    thread.join()
    assert acknowledged(job) == before, "the zombie delivered nothing"


def test_no_decision_rests_on_the_wall_clock() -> None:
    """A clock that jumps an hour must not end a lease, a flush or a replica: the wall clock is
    only written down. These are the places that do."""
    written_down = {
        "infra/pool_writer.py",  # modification time of a Delta action
        "infra/lease.py",  # `since`, which is shown
        "infra/events.py",
        "jobs/publish.py",  # `created_at`
        "jobs/rollback.py",  # the same
        "jobs/refresh.py",  # when one began and ended, which is shown
        "jobs/watch/watcher.py",  # since when what is shown is old
    }
    # Not by `ast`: in CPython 3.11 it fails now and then where another thread parses too.
    asks = re.compile(r"\b(time\.time|datetime\.(now|utcnow))\(")
    found = {
        str(path.relative_to(ROOT))
        for package in ("schemas", "filters", "infra", "jobs")
        for path in (ROOT / package).rglob("*.py")
        if asks.search(path.read_text())
    }
    assert found == written_down


def test_a_moved_store_is_the_same_store(make_job: MakeJob, tmp_path: Path) -> None:
    job = make_job()
    run_generate(job)
    before = digest(job)
    moved = make_job(store=str(tmp_path / "moved"))
    shutil.copytree(Path(job.store.url), Path(moved.store.url))
    assert run_generate(moved).attempt is None
    assert digest(moved) == before
