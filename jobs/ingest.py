"""Ingest: what the pool has not seen of a recipe's prompts is added to it."""

from typing import Any

import polars as pl

from infra.pool import reading
from infra.spool import write_table
from jobs.actors import get
from jobs.clusters import TABLE
from jobs.prompt_copy import keep_prompts
from jobs.prompts import PromptList
from jobs.recipe import Job
from jobs.survey import POOL_KEY
from schemas.arrow import TABLES
from schemas.errors import BusyError

PROMPTS_PER_FILE = 4096


def add_prompts(job: Job, prompts: PromptList, coordinator: Any, prefix: str) -> int:
    """Commits the prompts that are new, and how many they are; keeps the list for the next start.

    `prefix` begins the names of new files, and is used once. OSError where the store cannot be
    written, BusyError where another run has changed what the list was compared with.
    """
    added = {"prompts": _not_in(job, "prompts", prompts.frame, list(POOL_KEY))}
    if prompts.clusters is not None:
        added[TABLE] = _not_in(job, TABLE, prompts.clusters.fresh, ["prompt_id"])
    for table, files in prompts.compared_with.items():
        if added[table].height and job.pool.files(table) != files:
            raise BusyError(
                f"pool {job.recipe.pool}: another run has changed its {table} since this one "
                "looked for duplicates there; run it again"
            )
    for table, rows in added.items():
        _commit(job, coordinator, table, rows, prefix)
    keep_prompts(job, prompts)
    return added["prompts"].height


def _not_in(job: Job, table: str, rows: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    """Those that the table does not have."""
    with reading(job.pool):
        seen = job.pool.scan(table).select(key).collect()
    return rows.join(seen, on=key, how="anti", nulls_equal=True)


def _commit(job: Job, coordinator: Any, table: str, rows: pl.DataFrame, prefix: str) -> None:
    folder = job.pool.folder(table)
    files = [
        write_table(f"{folder}/{prefix}-{i:06d}.parquet", part.to_arrow().cast(TABLES[table]))
        for i, part in enumerate(rows.iter_slices(PROMPTS_PER_FILE))
        if part.height
    ]
    if files:
        get(coordinator.commit_files.remote(table, files))
