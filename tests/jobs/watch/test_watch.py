"""`stillhouse watch` as a command: what is meant, what is told, how it ends."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from jobs.cli import main
from jobs.recipe import Job
from jobs.watch.watch import watched
from schemas.errors import VersionError
from tests.conftest import ROOT, MakeJob
from tests.jobs.faults import wait_until
from tests.jobs.watch.attempts import attempt
from tests.pools import drawn


@pytest.fixture
def job(make_job: MakeJob) -> Job:
    return make_job(scorers={"math": ["exact_match"], "*": ["format"]})


@pytest.fixture
def recipe(job: Job, tmp_path: Path) -> str:
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(job.resolved, sort_keys=False))
    return str(path)


def test_a_recipe_or_the_name_of_its_pool(job: Job, recipe: str) -> None:
    assert watched(recipe, None, "elsewhere", ()).pool == "sums", "before its first run"
    with attempt(job) as run:
        by_recipe = watched(recipe, None, "elsewhere", ())
        by_name = watched("sums", run.name, job.recipe.store, ())
    assert by_recipe.store.url == by_name.store.url == job.store.url
    assert (by_recipe.attempt, by_name.attempt) == (None, run.name)
    other = watched(recipe, None, "elsewhere", ["pool=other"])
    assert other.pool == "other"


def test_what_is_not_there_is_named_with_what_is(job: Job, recipe: str) -> None:
    with pytest.raises(VersionError, match=r"neither a recipe file nor a pool.*none"):
        watched("sums", None, job.recipe.store, ())
    with attempt(job) as run:
        pass
    with pytest.raises(VersionError, match="pools there: sums"):
        watched("sumz", None, job.recipe.store, ())
    with pytest.raises(VersionError, match=f"no attempt 'a9'; there are {run.name}"):
        watched(recipe, "a9", "elsewhere", ())


def test_json_is_the_feed_once(job: Job, recipe: str, capsys: pytest.CaptureFixture[str]) -> None:
    with attempt(job) as run:
        run.draw(drawn(job, 2))
    assert main(["watch", recipe, "--json"]) == 0
    feed = json.loads(capsys.readouterr().out)
    assert (feed["attempt"], feed["state"]["name"]) == (run.name, "finished")
    assert feed["samples"]["judged"] == 24
    assert main(["watch", "sums", "--store", "nowhere", "--json"]) == 1
    assert "neither a recipe file nor a pool" in capsys.readouterr().err


@pytest.fixture
def command(recipe: str) -> Iterator["subprocess.Popen[str]"]:
    arguments = [sys.executable, "-m", "jobs.cli", "watch", recipe]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(arguments, cwd=ROOT, text=True, **pipes) as process:
        yield process
        process.kill()


def told_address(process: "subprocess.Popen[str]") -> str:
    assert process.stderr is not None
    for line in process.stderr:
        if line.strip().startswith("http://127.0.0.1:"):
            return line.strip()
    raise AssertionError("no address was told")


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.load(answer)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_it_serves_before_while_and_after_the_run_until_a_signal(
    job: Job, command: "subprocess.Popen[str]", number: int, code: int
) -> None:
    url = told_address(command)
    assert get(f"{url}feed.json")["state"]["name"] == "waiting"
    with pytest.raises(urllib.error.HTTPError, match="403"):
        get(f"{url.rsplit('/', 2)[0]}/feed.json")
    niceness = os.getpriority(os.PRIO_PROCESS, command.pid)
    assert niceness > os.getpriority(os.PRIO_PROCESS, 0) or niceness == 19
    with attempt(job) as run:
        run.draw(drawn(job, 1))

    def finished() -> bool:
        return bool(get(f"{url}feed.json")["state"]["name"] == "finished")

    wait_until(finished, "the end is shown, and served on")
    assert get(f"{url}feed.json")["attempt"] == run.name
    command.send_signal(number)
    out, err = command.communicate(timeout=60)
    assert (command.returncode, out) == (code, "")
    assert "Traceback" not in err
