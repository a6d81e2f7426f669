"""A real run, watched from its beginning to its end, and one that is killed."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from jobs.fates import samples_with_fates
from jobs.prompts import read_prompts
from jobs.recipe import Job, load_job
from tests.conftest import MakeJob
from tests.jobs.faults import driver, slow_job, wait_until
from tests.jobs.watch.attempts import watcher


def until_it_is(job: Job, process: Any, states: set[str]) -> list[dict[str, Any]]:
    """What a watcher tells from now on until it tells one of these states."""
    watch = watcher(job)
    feeds: list[dict[str, Any]] = []

    def ended() -> bool:
        feeds.append(watch.feed())
        return feeds[-1]["state"]["name"] in states

    wait_until(ended, f"is none of {states}: {process.poll()}")
    return feeds


def test_a_watched_run_is_told_as_it_goes_and_as_it_ended(
    make_job: MakeJob, tmp_path: Path
) -> None:
    job = slow_job(make_job, replicas={"max": 2})
    with driver(job, tmp_path, command="generate") as process:
        feeds = until_it_is(job, process, {"finished", "failed", "crashed"})
        process.communicate(timeout=60)
    names = [feed["state"]["name"] for feed in feeds]
    assert names[-1] == "finished"
    assert [*dict.fromkeys(names)] == ["waiting", "starting", "running", "finished"]
    begun = [feed for feed in feeds if "samples" in feed]
    drawn = [feed["samples"]["drawn"] for feed in begun]
    assert drawn == sorted(drawn)
    assert len(set(drawn)) > 2, "samples came in between"
    last = begun[-1]
    ran = load_job(str(tmp_path / "recipe.yaml"))  # whose rules are in another order
    samples = samples_with_fates(ran, read_prompts(ran.recipe))
    funnel = Counter({row["name"]: row["samples"] for row in last["funnel"] if row["samples"]})
    assert funnel == Counter(reason or "kept" for reason in samples["reason"])
    progress = last["progress"]
    assert (progress["settled"], progress["prompts"]) == (12, 12)
    assert progress["drawn"] == last["samples"]["drawn"]
    assert sum(replica["samples"] for replica in last["replicas"]) == progress["drawn"]
    assert last["throughput"]
    assert last["cost"]["tokens"] >= last["samples"]["tokens"]
    assert not last["notes"]
    recipe = json.loads((Path(job.pool.root) / "attempts/a000001/recipe.json").read_text())
    assert list(recipe["keep"]) == list(ran.recipe.keep), "reasons go by their order"


@pytest.mark.slow
def test_a_run_that_is_killed_has_crashed_and_the_next_one_is_followed(
    make_job: MakeJob, tmp_path: Path
) -> None:
    job = slow_job(make_job)
    with driver(job, tmp_path, command="generate") as process:
        wait_until(lambda: bool(job.pool.files("samples")), "nothing is drawn")
        process.kill()
        process.communicate(timeout=60)
    watch = watcher(job)
    crashed = watch.feed()
    assert crashed["state"]["name"] == "crashed"
    assert crashed["samples"]["drawn"] > 0
    with driver(job, tmp_path, command="generate") as process:
        process.communicate(timeout=200)
    resumed = watch.feed()
    assert (resumed["attempt"], resumed["state"]["name"]) == ("a000002", "finished")
    whole = samples_with_fates(job, read_prompts(job.recipe))
    first = watcher(job, "a000001").feed()
    assert first["samples"]["drawn"] + resumed["samples"]["drawn"] == whole.height
