"""A refresh that is killed at any moment, and the next one."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.catalog import Catalog
from jobs.recipe import Job
from tests.conftest import ROOT, MakeJob
from tests.jobs.faults import KEY, samples, slow_job
from tests.pools import write_sums
from tests.published import problems

MOMENTS = 10


@dataclass
class Place:
    """A store of its own, and refreshes into it in processes of their own."""

    job: Job
    recipe: Path

    def start(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "jobs.cli", "refresh", str(self.recipe)]
        command += ["--allow-simulated", "--json"]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(command, cwd=ROOT, text=True, start_new_session=True, **pipes)

    def refresh(self) -> dict[str, Any]:
        process = self.start()
        out, said = process.communicate(timeout=200)
        assert process.returncode == 0, said
        told: dict[str, Any] = json.loads(out)
        return told

    def kill_after(self, seconds: float) -> bool:
        """Whether it was still at work."""
        process = self.start()
        try:
            process.wait(timeout=seconds)
            return False
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            return True
        finally:
            process.communicate()

    def digest(self) -> str:
        """Of the newest version, which is sound; no sample is there twice."""
        catalog = Catalog(self.job.store, "sums")
        newest = catalog.latest()
        assert newest is not None
        assert problems(catalog, newest.version) == []
        assert samples(self.job).select(KEY).is_duplicated().sum() == 0
        hint = json.loads(self.job.store.get("datasets/sums/latest.json") or b"")
        assert hint["version"] == newest.version
        return newest.content_digest


@pytest.fixture
def place(make_job: MakeJob, sums: Path, tmp_path: Path) -> Any:
    write_sums(sums, 24)

    def make(name: str) -> Place:
        job = slow_job(make_job, store=str(tmp_path / name), report={"samples": 20})
        recipe = tmp_path / f"{name}.yaml"
        recipe.write_text(yaml.safe_dump(job.resolved))
        return Place(job, recipe)

    return make


def undisturbed(place: Any) -> tuple[str, float]:
    """The digest, and how long it takes."""
    calm = place("calm")
    started = time.monotonic()
    assert calm.refresh()["status"] == "published"
    return calm.digest(), time.monotonic() - started


def test_killed_at_ten_moments_one_after_another(place: Any) -> None:
    wanted, seconds = undisturbed(place)
    killed, seed = place("killed"), random.randrange(1 << 30)
    chance, kills = random.Random(seed), 0
    for _ in range(MOMENTS):
        kills += killed.kill_after(chance.uniform(0.5, seconds))
    told = killed.refresh()
    assert killed.digest() == wanted, f"seed {seed}, {kills} kills"
    assert told["status"] in ("published", "unchanged")
    assert killed.refresh()["reason"].startswith("nothing has changed")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("moment", range(MOMENTS))
def test_killed_at_one_of_ten_moments(place: Any, moment: int) -> None:
    wanted, seconds = undisturbed(place)
    killed = place("killed")
    killed.kill_after((moment + random.random()) / MOMENTS * seconds)
    killed.refresh()
    assert killed.digest() == wanted
