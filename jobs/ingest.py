"""Ingest: what the pool has not seen of a recipe's prompts is added to it."""

from typing import Any

import polars as pl

from infra.pool import reading
from infra.spool import write_table
from jobs.actors import get
from jobs.clusters import TABLE, clusters
from jobs.prompt_copy import keep_prompts
from jobs.prompts import PromptList
from jobs.recipe import Job
from jobs.survey import POOL_KEY
from schemas.arrow import TABLES

PROMPTS_PER_FILE = 4096


def add_prompts(job: Job, prompts: PromptList, coordinator: Any, prefix: str) -> int:
    """Commits the prompts that are new, and how many they are; keeps the list for the next start.

    `prefix` begins the names of new files, and is used once. OSError where the store cannot be
    written.
    """
    key = list(POOL_KEY)
    with reading(job.pool):
        seen = job.pool.scan("prompts").select(key).collect()
    fresh = prompts.frame.join(seen, on=key, how="anti", nulls_equal=True)
    _commit(job, coordinator, "prompts", fresh, prefix)
    _commit(job, coordinator, TABLE, _fresh_clusters(job, prompts), prefix)
    keep_prompts(job, prompts)
    return fresh.height


def _fresh_clusters(job: Job, prompts: PromptList) -> pl.DataFrame:
    """Looked for again if another run has added some since, before this one could write."""
    found = prompts.clusters
    if found is None:
        return pl.DataFrame()
    if not found.is_still_true:
        found = clusters(job.pool, prompts.with_left_out.frame, job.recipe.prompts)
    return found.fresh


def _commit(job: Job, coordinator: Any, table: str, rows: pl.DataFrame, prefix: str) -> None:
    folder = job.pool.folder(table)
    files = [
        write_table(folder / f"{prefix}-{i:06d}.parquet", part.to_arrow().cast(TABLES[table]))
        for i, part in enumerate(rows.iter_slices(PROMPTS_PER_FILE))
        if part.height
    ]
    if files:
        get(coordinator.commit_files.remote(table, files))
