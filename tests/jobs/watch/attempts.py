"""Attempts as a run leaves them, made without a run."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from infra.data_file import DataFile
from infra.events import EventLog
from infra.lease import WriterLease, writing
from infra.pool_writer import PoolWriter
from infra.spool import write_file
from jobs.judge import RecipeJudge
from jobs.prompts import read_prompts
from jobs.recipe import Job
from jobs.watch.watcher import Watcher
from schemas.arrow import SAMPLES, SCORES
from schemas.prompt import Prompt
from schemas.sample import Sample
from tests.pools import remember

Drawn = tuple[Prompt, Sample]


class Attempt:
    """At work until it is ended."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._lease = WriterLease.acquire(job.store, writing(job.recipe.pool), job.recipe.name)
        self.name = self._lease.attempt
        self.events = EventLog(job.store, job.recipe.pool, self.name)
        self.writer = PoolWriter(job.pool, self._lease.epoch)
        self._judge = RecipeJudge(job)
        self._files = 0
        folder = f"pools/{job.recipe.pool}/attempts/{self.name}"
        job.store.put_if_absent(f"{folder}/recipe.json", json.dumps(job.resolved).encode())
        self.tell("attempt_started", recipe=job.recipe.name)
        self.tell("replica_started", replica="r0.1")
        self.tell("replica_ready", replica="r0.1")

    def tell(self, event: str, **facts: Any) -> None:
        """An event, in a file of its own."""
        self.events.add(event, **facts)
        self.events.flush()

    def draw(self, rows: Sequence[Drawn], *, score: bool = True) -> DataFile:
        """These samples, in a file, and their scores in another one."""
        self._files += 1
        name = f"{self.name}-r0.1-{self._files:06d}.parquet"
        samples = [
            sample.to_row() | {"attempt": self.name, "replica": "r0.1"} for _, sample in rows
        ]
        file = write_file(f"{self.job.pool.folder('samples')}/{name}", SAMPLES, samples)
        self.writer.commit("samples", [file])
        if score:
            self.score(rows)
        return file

    def score(self, rows: Sequence[Drawn], scorers: Sequence[str] | None = None) -> DataFile:
        """Their scores, in a file; by all scorers or by some."""
        self._files += 1
        name = f"{self.name}-s0-{self._files:06d}.parquet"
        scores = [row.to_row() for row in self._judge.score(rows, scorers)]
        file = write_file(f"{self.job.pool.folder('scores')}/{name}", SCORES, scores)
        self.writer.commit("scores", [file])
        return file

    def end(self, reason: str | None = None) -> None:
        """As a run does."""
        self._judge.close()
        self.tell("attempt_ended", reason=reason)
        self._lease.release()


@contextmanager
def attempt(job: Job, reason: str | None = None) -> Iterator[Attempt]:
    """On a pool that knows the recipe's prompts; ends with the block."""
    job.store.create()
    if not job.pool.files("prompts"):
        remember(job, read_prompts(job.recipe))
    made = Attempt(job)
    try:
        yield made
    finally:
        made.end(reason)


def watcher(job: Job, name: str | None = None, **more: Any) -> Watcher:
    """One that looks whenever it is asked."""
    return Watcher(job.store, job.recipe.pool, name, every_s=0.0, **more)


def everything_below(root: Path) -> dict[str, tuple[int, int]]:
    """Each file of a folder, with its size and when it was written."""
    files = (path for path in root.rglob("*") if path.is_file())
    facts = ((path, path.stat()) for path in files)
    return {str(path): (stat.st_size, stat.st_mtime_ns) for path, stat in facts}
