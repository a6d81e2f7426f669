"""Killing what runs, and what must be true afterwards."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import psutil
import yaml

from infra.events import read_events
from jobs.build import build
from jobs.generate import Generated, generate
from jobs.prompts import read_prompts
from jobs.recipe import Job
from tests.conftest import ROOT, MakeJob

KEY = ["prompt_id", "teacher_id", "sample_index"]
WAIT_S = 240.0
RUN = "import sys; from jobs.cli import main; {patch}; sys.exit(main(sys.argv[1:]))"
SLOW = {"max_num_seqs": 8, "tokens_per_second": 300}
"""About a quarter of a second a sample, so that there is a middle of the run."""


def slow_job(make_job: MakeJob, **fields: Any) -> Job:
    """A run of a few seconds that flushes often."""
    args = SLOW | fields.pop("engine_args", {})
    replicas = fields.pop("replicas", {})
    teacher = {"model": "sim", "engine": "simulated", "engine_args": args, "replicas": replicas}
    return make_job(teacher=teacher, **{"flush": {"seconds": 0.3}, **fields})


def run_generate(job: Job) -> Generated:
    """One attempt, to its end."""
    return generate(job, read_prompts(job.recipe))


def digest(job: Job) -> str:
    """Of the data files that a version would have."""
    return build(job, read_prompts(job.recipe)).content_digest


def samples(job: Job) -> pl.DataFrame:
    """All rows of the samples table."""
    return job.pool.scan("samples").collect()


def acknowledged(job: Job) -> set[str]:
    """Texts that are in the pool now."""
    return set(samples(job)["text_digest"].drop_nulls())


def events(job: Job, attempt: str | None = None) -> list[dict[str, Any]]:
    """Of an attempt, the newest by default."""
    pool = job.recipe.pool
    name = attempt or job.store.folders(f"pools/{pool}/attempts")[-1]
    return read_events(job.store, pool, name)


def assert_whole(job: Job, before: set[str], undisturbed: str) -> None:
    """Nothing acknowledged is lost, no key is there twice, and the version is what it would be."""
    rows = samples(job)
    assert before <= set(rows["text_digest"]), "acknowledged and lost"
    assert rows.select(KEY).is_duplicated().sum() == 0
    scores = job.pool.scan("scores").collect()
    assert scores.select([*KEY, "text_digest", "scorer_id"]).is_duplicated().sum() == 0
    assert digest(job) == undisturbed


def wait_until(true: Callable[[], bool], what: str) -> None:
    """Polls for a condition of another process."""
    deadline = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def has_samples(job: Job, count: int = 1) -> Callable[[], bool]:
    """Whether so many samples are committed."""
    return lambda: sum(file.rows for file in job.pool.files("samples")) >= count


def processes(title: str) -> list[psutil.Process]:
    """Ray workers below this process whose title begins so."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if " ".join(process.cmdline()).startswith(title):
                found.append(process)
        except psutil.Error:
            continue
    return found


class Saboteur(threading.Thread):
    """Kills a process of the run as soon as a condition holds, as often as it is told."""

    def __init__(self, title: str, when: Callable[[], bool]) -> None:
        super().__init__(daemon=True)
        self._title = title
        self._when = when
        self.killed: list[int] = []
        self.start()

    def run(self) -> None:
        wait_until(lambda: self._when() and bool(processes(self._title)), f"no {self._title}")
        victim = processes(self._title)[0]
        os.kill(victim.pid, signal.SIGKILL)
        self.killed.append(victim.pid)


def orphans(job: Job) -> int:
    """Rows in sample files that were written and never committed: work that was thrown away."""
    folder = job.pool.folder("samples")
    committed = set()
    version = job.pool.versions()["samples"] or 0
    for number in range(version + 1):
        committed |= {file.name for file in job.pool.files("samples", number)}
    lost = [path for path in Path(folder).glob("*.parquet") if path.name not in committed]
    return sum(pl.scan_parquet(path).select(pl.len()).collect().item() for path in lost)


def keep_journal(path: str) -> None:
    """From now on replicas note in a file when a sample is begun and when it is finished."""
    from infra import placement
    from infra.replica import Replica

    class Noting(Replica):
        async def _draw(self, ready: Any) -> None:
            self._note("begun", ready.work.key)
            await super()._draw(ready)
            self._note("finished", ready.work.key)

        def _note(self, what: str, key: Any) -> None:
            with open(path, "a") as file:
                file.write(f"{os.getpid()} {key.prompt}/{key.sample_index} {what} ")
                file.write(f"{time.monotonic()}\n")

    placement.Replica = Noting  # type: ignore[attr-defined]


def drawn_again(journal: Path) -> tuple[list[str], list[float]]:
    """Keys that were begun by two processes: those that the first one had not finished, and for
    those that it had, how many seconds before its end."""
    text = pl.read_csv(
        journal, separator=" ", has_header=False, new_columns=["pid", "key", "what", "at"]
    )
    first = text["pid"][0]
    ends = text.filter(pl.col("pid") == first)["at"].max()
    assert isinstance(ends, float)
    again = text.filter(pl.col("pid") != first).select("key").unique()
    mine = text.filter(pl.col("pid") == first).join(again, on="key", how="semi")
    finished = mine.filter(pl.col("what") == "finished")
    unfinished = mine.join(finished, on="key", how="anti")
    return unfinished["key"].to_list(), [ends - at for at in finished["at"]]


def driver(
    job: Job,
    tmp_path: Path,
    patch: str = "",
    command: str = "run",
    environment: dict[str, str] | None = None,
) -> Any:
    """The command line in a process of its own, with `patch` run first."""
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(job.resolved))
    code = RUN.format(patch=patch or "pass")
    arguments = [sys.executable, "-c", code, command, str(recipe)]
    if command in ("run", "build"):
        arguments.append("--allow-simulated")
    env = os.environ | (environment or {})
    return subprocess.Popen(arguments, cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True)
