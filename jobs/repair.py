"""Repairs of a pool that a run makes when it is told to: failed samples reopened, damaged files
given up. What they take away is drawn or computed again."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from infra.spool import write_table
from jobs.crew import get
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


def needs_repair(job: Job, repairs: Repairs) -> bool:
    """Whether there is anything to mend."""
    if repairs.drop_damaged and any(job.pool.damaged(name) for name in TABLES):
        return True
    return bool(repairs.retry_failed) and not _failed(job, repairs.retry_failed).is_empty()


def repair(
    job: Job, coordinator: Any, repairs: Repairs, attempt: str, say: Callable[[str], None]
) -> None:
    """Mends the pool, table by table."""
    if repairs.drop_damaged:
        for table in TABLES:
            if damaged := job.pool.damaged(table):
                get(coordinator.commit_files.remote(table, [], damaged))
                rows = sum(file.rows for file in damaged)
                say(f"dropped {len(damaged)} damaged files of {table} with {rows:,} rows")
    if repairs.retry_failed:
        failed = _failed(job, repairs.retry_failed)
        say(f"reopening {failed.height:,} failed samples")
        for number, ((path,), group) in enumerate(failed.group_by("path", maintain_order=True)):
            _reopen(
                job, coordinator, Path(path), group["row"].to_list(), f"{attempt}-f{number:06d}"
            )


def _failed(job: Job, reasons: tuple[str, ...]) -> pl.DataFrame:
    """Places of this teacher's samples that failed for one of the reasons."""
    plain = [reason.removeprefix("failed_") for reason in reasons]
    return (
        job.pool.scan("samples")
        .filter(pl.col("teacher_id") == job.teacher_id)
        .filter((pl.col("outcome") == FAILED) & pl.col("failure_reason").is_in(plain))
        .select("path", "row")
        .collect()
        .sort("path", "row")
    )


def _reopen(job: Job, coordinator: Any, path: Path, rows: list[int], name: str) -> None:
    """Replaces a file by one without these rows, in one commit: their keys are free again."""
    (old,) = (file for file in job.pool.files("samples") if file.name == path.name)
    table = pq.read_table(path)
    gone = set(rows)
    left = table.filter(pa.array([row not in gone for row in range(table.num_rows)]))
    fresh = [write_table(path.with_name(f"{name}.parquet"), left)] if left.num_rows else []
    get(coordinator.commit_files.remote("samples", fresh, [old]))
