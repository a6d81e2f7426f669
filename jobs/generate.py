"""Generate ⇄ score: draws and judges samples until every prompt is settled."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl

from infra.cluster import ray_cluster
from infra.coordinator import start_coordinator
from infra.messages import Known, Progress, ScoreTask
from infra.pool import DataFile, PoolWriter, next_epoch
from infra.revision import code_digest
from infra.spool import write_file
from jobs.crew import Crew, get
from jobs.progress import ProgressDisplay
from jobs.prompts import PromptList
from jobs.recipe import Job
from jobs.survey import POOL_KEY, fill_tasks, known, survey
from schemas.arrow import PROMPTS

PROMPTS_PER_FILE = 4096


@dataclass(frozen=True)
class Generated:
    """What a stage did."""

    attempt: str | None
    """Null: there was nothing to do, and nothing was started."""
    prompts_added: int = 0
    drawn: int = 0
    failed: int = 0
    tokens: int = 0
    working_s: float = 0.0
    """From the first replica that was ready to the last verdict."""
    scored: int = 0
    """Old samples that got scores they lacked."""


def generate(job: Job, prompts: PromptList) -> Generated:
    """Draws what is missing. Safe to run again at any time: what exists is not drawn again."""
    if survey(job, prompts).complete:
        return Generated(None)
    with _attempt(job) as attempt:
        added = attempt.add_prompts(prompts)
        scored = attempt.fill_scores(prompts)
        found = survey(job, prompts)
        if found.complete:
            return Generated(attempt.name, added, scored=scored)
        progress = attempt.draw(known(job, prompts, found.samples))
    return Generated(
        attempt.name,
        added,
        progress.drawn,
        progress.failed,
        progress.tokens,
        progress.working_s,
        scored,
    )


def fill_scores(job: Job, prompts: PromptList) -> Generated:
    """Computes only the scores that are missing; draws nothing."""
    if not survey(job, prompts).unscored:
        return Generated(None)
    with _attempt(job) as attempt:
        added = attempt.add_prompts(prompts)
        return Generated(attempt.name, added, scored=attempt.fill_scores(prompts))


@contextmanager
def _attempt(job: Job) -> Iterator["Attempt"]:
    """An execution with Ray, the pool's next epoch and a progress display."""
    started = datetime.now(UTC).isoformat(timespec="seconds")
    with ray_cluster(), ProgressDisplay() as display:
        epoch = next_epoch(
            job.store, job.recipe.pool, {"recipe": job.recipe.name, "since": started}
        )
        # From here on nobody else can commit, so that what is surveyed now stays true.
        PoolWriter(job.pool, epoch)
        attempt = Attempt(job, epoch, display)
        resolved = json.dumps(job.resolved, indent=2, sort_keys=True).encode()
        key = f"pools/{job.recipe.pool}/attempts/{attempt.name}/recipe.json"
        job.store.put_if_absent(key, resolved)
        yield attempt


class Attempt:
    """One execution: a coordinator at a time, replicas and scorer workers around it."""

    def __init__(self, job: Job, epoch: int, display: ProgressDisplay) -> None:
        self.name = f"a{epoch:06d}"
        self._job = job
        self._epoch = epoch
        self._display = display

    def add_prompts(self, prompts: PromptList) -> int:
        """Commits the prompts that the pool has not seen; returns how many."""
        key = list(POOL_KEY)
        seen = self._job.pool.scan("prompts").select(key).collect()
        fresh = prompts.frame.join(seen, on=key, how="anti", nulls_equal=True)
        files = [self._write_prompts(i, part) for i, part in enumerate(_slices(fresh))]
        with self._coordinator(Known((), (), (), (), ()), []) as coordinator:
            get(coordinator.commit_prompts.remote(files))
        return fresh.height

    def _write_prompts(self, number: int, part: pl.DataFrame) -> DataFile:
        path = self._job.pool.folder("prompts") / f"{self.name}-{number:06d}.parquet"
        return write_file(path, PROMPTS, part.to_dicts())

    def fill_scores(self, prompts: PromptList) -> int:
        """Scores old samples that lack a score; returns how many."""
        found = survey(self._job, prompts)
        if not found.unscored:
            return 0
        tasks = fill_tasks(self._job, prompts, found.samples)
        self._display.say(f"scoring {found.unscored:,} samples that lack a score")
        with self._coordinator(Known((), (), (), (), ()), tasks) as coordinator:
            Crew(self._job, self.name, coordinator, self._display, "fill").work(replicas=0)
        return found.unscored

    def draw(self, known_prompts: Known) -> Progress:
        """Draws and scores until all prompts are settled; returns the final counts."""
        with self._coordinator(known_prompts, []) as coordinator:
            replicas = self._job.recipe.teacher.replicas.max
            crew = Crew(self._job, self.name, coordinator, self._display, "s")
            return crew.work(replicas=replicas)

    @contextmanager
    def _coordinator(self, known_prompts: Known, tasks: list[ScoreTask]) -> Iterator[Any]:
        import ray

        coordinator = start_coordinator(
            self._job.pool.root, self._epoch, self._job.recipe.samples, code_digest()
        )
        try:
            get(coordinator.begin.remote(known_prompts, tasks))
            yield coordinator
        finally:
            ray.kill(coordinator)


def _slices(frame: pl.DataFrame) -> Iterator[pl.DataFrame]:
    return frame.iter_slices(PROMPTS_PER_FILE) if frame.height else iter(())
