"""Repairs of a pool that a run makes when it is told to: failed samples reopened, damaged files
given up. What they take away is drawn or computed again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from infra.data_file import DataFile
from infra.pool import reading
from infra.rewriting import write_without
from jobs.actors import get
from jobs.prompts import PromptList
from jobs.recipe import Job
from schemas.arrow import TABLES
from schemas.sample import FAILED


@dataclass(frozen=True)
class Repairs:
    """What a run is told to mend before it goes on."""

    retry_failed: tuple[str, ...] = ()
    """Reasons of failed samples that are to be drawn again."""
    drop_damaged: bool = False
    """Forget files that cannot be read: what was in them is made again."""


NO_REPAIRS = Repairs()


def needs_repair(job: Job, prompts: PromptList, repairs: Repairs) -> bool:
    """Whether there is anything to mend."""
    if repairs.drop_damaged and any(job.pool.damaged(name) for name in TABLES):
        return True
    return bool(repairs.retry_failed) and not _failed(job, prompts, repairs).is_empty()


def repair(
    job: Job,
    prompts: PromptList,
    coordinator: Any,
    repairs: Repairs,
    prefix: str,
    say: Callable[[str], None],
) -> None:
    """Mends the pool, table by table. `prefix` begins the names of new files, and is used once."""
    rewriter = _Rewriter(job, coordinator, prefix)
    if repairs.drop_damaged:
        damaged = {table: job.pool.damaged(table) for table in TABLES}
        # Samples go last: were they gone and their scores not, and this run killed, nobody would
        # see any more that there is something to mend.
        for table in ("prompts", "clusters", "scores", "samples"):
            if table == "samples":
                rewriter.remove("scores", _orphan_scores(job, damaged["samples"]))
            if damaged[table]:
                get(coordinator.commit_files.remote(table, [], damaged[table]))
                rows = sum(file.rows for file in damaged[table])
                say(f"dropped {len(damaged[table])} damaged files of {table} with {rows:,} rows")
    if repairs.retry_failed:
        failed = _failed(job, prompts, repairs)
        say(f"reopening {failed.height:,} samples that failed: {', '.join(repairs.retry_failed)}")
        rewriter.remove("samples", failed)


def _failed(job: Job, prompts: PromptList, repairs: Repairs) -> pl.DataFrame:
    """Places of this teacher's samples of these prompts that failed for one of the reasons."""
    plain = [reason.removeprefix("failed_") for reason in repairs.retry_failed]
    with reading(job.pool):
        return (
            job.pool.scan("samples")
            .filter(pl.col("teacher_id") == job.teacher_id)
            .filter((pl.col("outcome") == FAILED) & pl.col("failure_reason").is_in(plain))
            .join(prompts.frame.lazy().select("prompt_id"), on="prompt_id", how="semi")
            .select("path", "row")
            .collect()
        )


def _orphan_scores(job: Job, damaged: Sequence[DataFile]) -> pl.DataFrame:
    """Places of scores whose samples are in no sound file. Those will be drawn and scored again,
    perhaps with the same text, and no score may be there twice."""
    key = ["prompt_id", "teacher_id", "sample_index"]
    with reading(job.pool):
        samples = job.pool.scan("samples", without=damaged).select(key)
        scores = job.pool.scan("scores").select(*key, "path", "row")
        return scores.join(samples, on=key, how="anti").select("path", "row").collect()


@dataclass
class _Rewriter:
    """Replaces files by ones without some of their rows, each in one commit."""

    job: Job
    coordinator: Any
    prefix: str
    files: int = 0

    def remove(self, table: str, places: pl.DataFrame) -> None:
        """Removes the rows at these places (`path`, `row`) from a table."""
        for (path,), group in places.sort("path", "row").group_by("path", maintain_order=True):
            self._rewrite(table, path, set(group["row"]))

    def _rewrite(self, table: str, uri: str, gone: set[int]) -> None:
        folder, _, name = uri.rpartition("/")
        (old,) = (file for file in self.job.pool.files(table) if file.name == name)
        self.files += 1
        left = write_without(uri, gone, f"{folder}/{self.prefix}-{self.files:06d}.parquet")
        fresh = [] if left is None else [left]
        get(self.coordinator.commit_files.remote(table, fresh, [old]))
