"""A scorer worker: a Ray actor that scores committed samples with the judge that it is handed."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, Protocol

import polars as pl

from infra.data_file import DataFile, scan_file
from infra.link import Link
from infra.messages import Judged, ScoreTask
from infra.patience import Patience
from infra.prompts import read_prompt
from infra.revision import assert_same_code
from infra.spool import Files, Spool
from schemas.arrow import SAMPLES, SCORES
from schemas.prompt import Prompt
from schemas.recipe import Flush
from schemas.sample import Sample
from schemas.score import ScoreRow

Item = tuple[Prompt, Sample]
ROW_BYTES = 300
"""Of a row's keys."""

log = logging.getLogger(__name__)


class Judge(Protocol):
    """What `jobs` hands in: scorers and rules, built in the worker's own process."""

    def score(self, items: Sequence[Item], scorers: Sequence[str] | None) -> list[ScoreRow]:
        """Score rows of the samples by the named scorers, null: by all that apply."""
        ...

    def verdicts(
        self, items: Sequence[Item], rows: Sequence[ScoreRow]
    ) -> list[tuple[str | None, bool]]:
        """Of each sample why it is not kept, null for a kept one, and whether it is complete and
        its answer wrong."""
        ...

    def close(self) -> None:
        """Ends what it has started."""
        ...


@dataclass(frozen=True, slots=True)
class ScorerSettings:
    """What a scorer worker is started with."""

    make_judge: Callable[[], Judge]
    scores: str
    """Where the files of the scores table lie."""
    flush: Flush
    attempt: str
    coordinator: str
    """The name of the coordinator's actor."""
    code: str


class ScorerWorker:
    """Pulls tasks until it is killed; the scores of many tasks and of all scorers share a file."""

    def __init__(self, name: str, settings: ScorerSettings) -> None:
        self._name = name
        self._settings = settings
        self._link = Link(settings.coordinator, self._rejoin)
        self._judge: Judge | None = None
        self._spool: Spool[ScoreRow] = Spool(settings.flush)
        self._files = Files(settings.scores, SCORES, f"{settings.attempt}-{name}")
        self._patience = Patience(settings.flush.patience_seconds)
        self._tasks: list[int] = []
        self._verdicts: list[Judged] = []

    async def run(self) -> None:
        """Scores until the coordinator fails or this worker is killed."""
        assert_same_code(self._settings.code)
        judge = self._judge = self._settings.make_judge()
        while True:
            task = await self._link.call("lease_scores", self._name, not self._tasks)
            if task is not None:
                items = await self._patience(partial(_read_items, task))
                await asyncio.to_thread(self._score, judge, task, items)
            if self._tasks and (task is None or self._spool.due()):
                await self._flush()

    async def _rejoin(self, coordinator: Any) -> None:
        """What was scored for a coordinator that is gone will be scored again: its successor
        reads from the pool what lacks scores."""
        await coordinator.join_worker.remote(self._name)
        self._spool.take()
        self._tasks, self._verdicts = [], []

    async def close(self) -> None:
        """Ends what the scorers have started; the worker is killed next."""
        if self._judge is not None:
            await asyncio.to_thread(self._judge.close)

    def _score(self, judge: Judge, task: ScoreTask, items: Sequence[Item]) -> None:
        rows = judge.score(items, task.scorers)
        if task.scorers is None:
            verdicts = judge.verdicts(items, rows)
            keys = [sample.key for sample in task.samples]
            self._verdicts += [
                Judged(key, *verdict) for key, verdict in zip(keys, verdicts, strict=True)
            ]
        for row in rows:
            self._spool.add(row, ROW_BYTES + len(row.values) + len(row.evidence or ""))
        self._tasks.append(task.number)

    async def _flush(self) -> None:
        rows = self._spool.take()
        tasks, verdicts = self._tasks, self._verdicts
        self._tasks, self._verdicts = [], []
        file = await self._patience(lambda: self._write(rows)) if rows else None
        if not await self._link.call("deliver_scores", self._name, tasks, file, verdicts):
            log.warning("scorer worker %s was given up; its scores are dropped", self._name)

    def _write(self, rows: Sequence[ScoreRow]) -> DataFile:
        return self._files.write([row.to_row() for row in rows])


@lru_cache(maxsize=2)
def _read_samples(path: str) -> pl.DataFrame:
    """A file's samples; consecutive tasks read from the same one."""
    return scan_file(path, SAMPLES).collect()


def _read_items(task: ScoreTask) -> list[Item]:
    rows = _read_samples(task.path)[[sample.row for sample in task.samples]]
    return [
        (read_prompt(place.prompt), Sample.from_row(row))
        for place, row in zip(task.samples, rows.iter_rows(named=True), strict=True)
    ]


def start_scorer_worker(name: str, settings: ScorerSettings) -> Any:
    """The worker as a Ray actor."""
    import ray

    return (
        ray.remote(ScorerWorker)
        .options(num_cpus=1, max_restarts=0, max_concurrency=10)
        .remote(name, settings)
    )
