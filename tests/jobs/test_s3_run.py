"""Whole runs on a real S3 server: killed, out for a while, and refused."""

import subprocess
import time
from pathlib import Path

import pytest

from infra.catalog import Catalog
from infra.store import open_store
from jobs.build import build
from jobs.prompts import read_prompts
from jobs.recipe import Job
from tests.conftest import MakeJob
from tests.jobs.faults import (
    acknowledged,
    assert_whole,
    driver,
    events,
    has_samples,
    samples,
    slow_job,
    wait_until,
)
from tests.pools import drawn, write_pool
from tests.published import problems
from tests.s3_servers import CONFINED, CONFINED_TO, READER, SeaweedFS

pytestmark = [pytest.mark.s3, pytest.mark.usefixtures("ray_here")]

OUT_S = 5.0


def on_s3(weed: SeaweedFS, make_job: MakeJob, bucket: str = "") -> Job:
    return slow_job(make_job, store=f"s3://{weed.server.make_bucket(bucket)}")


def ended(run: "subprocess.Popen[str]") -> tuple[int, str]:
    _, said = run.communicate(timeout=200)
    return run.returncode, said


def test_a_server_killed_during_a_run_is_waited_for(
    own_seaweedfs: SeaweedFS, make_job: MakeJob, undisturbed: str, tmp_path: Path
) -> None:
    job = on_s3(own_seaweedfs, make_job)
    run = driver(job, tmp_path)
    wait_until(has_samples(job, 8), "no samples")
    own_seaweedfs.kill()
    time.sleep(OUT_S)
    own_seaweedfs.start()
    code, said = ended(run)
    assert code == 0, said
    assert_whole(job, set(), undisturbed)
    catalog = Catalog(job.store, "sums")
    assert catalog.manifest("v0001").content_digest == undisturbed


@pytest.mark.slow
def test_a_killed_driver_is_resumed_by_the_same_command(
    own_seaweedfs: SeaweedFS, make_job: MakeJob, undisturbed: str, tmp_path: Path
) -> None:
    job = on_s3(own_seaweedfs, make_job)
    first = driver(job, tmp_path)
    wait_until(has_samples(job, 8), "no samples")
    first.kill()
    first.communicate()
    before = acknowledged(job)
    code, said = ended(driver(job, tmp_path))
    assert code == 0, said
    assert_whole(job, before, undisturbed)


def test_what_may_not_be_written(
    own_seaweedfs: SeaweedFS, make_job: MakeJob, undisturbed: str, tmp_path: Path
) -> None:
    job = on_s3(own_seaweedfs, make_job, CONFINED_TO)
    code, said = ended(driver(job, tmp_path, environment={"AWS_ACCESS_KEY_ID": READER}))
    assert code == 1
    assert f"s3://{CONFINED_TO}/" in said
    assert "PutObject refused (AccessDenied): these credentials may not do that" in said
    assert list(open_store(job.store.url).walk("pools")) == [], "nothing was started"

    code, said = ended(driver(job, tmp_path, environment={"AWS_ACCESS_KEY_ID": CONFINED}))
    assert code == 1
    assert f"s3://{CONFINED_TO}/datasets/sums/" in said
    assert "AccessDenied" in said
    drawn = samples(job)

    code, said = ended(driver(job, tmp_path))
    assert code == 0, said
    assert samples(job).equals(drawn), "nothing was drawn again"
    assert Catalog(job.store, "sums").manifest("v0001").content_digest == undisturbed
    assert [e["event"] for e in events(job)].count("replica_started") == 1


def test_tasks_write_parts_to_a_bucket(
    own_seaweedfs: SeaweedFS,
    make_job: MakeJob,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And the parts are those of a folder, which were written in one process."""

    def filled(store: str) -> Job:
        job = make_job(store=store, scorers={"math": ["exact_match"], "*": ["format"]})
        write_pool(job, [drawn(job, 3)])
        return job

    here, there = (
        filled(str(tmp_path / "here")),
        filled(f"s3://{own_seaweedfs.server.make_bucket()}"),
    )
    monkeypatch.setattr("jobs.parts.TOKENS_PER_PART", 1000)
    wanted = build(here, read_prompts(here.recipe))
    assert len(wanted.files) > 1
    run = driver(there, tmp_path, "import jobs.parts as p; p.TOKENS_PER_PART = 1000", "build")
    code, said = ended(run)
    assert code == 0, said
    assert f"parts of sft written: 1 of {len(wanted.files)}" in said
    manifest = Catalog(there.store, "sums").manifest("v0001")
    assert manifest.content_digest == wanted.content_digest
    assert problems(Catalog(there.store, "sums"), "v0001") == []
    assert list(there.store.walk("datasets/sums/staging")) == []
