"""Ingest: what the pool has not seen of a recipe's prompts is added to it."""

from typing import Any

import polars as pl

from infra.data_file import DataFile
from infra.lease import WriterLease, writing
from infra.pool import reading
from infra.pool_writer import PoolWriter
from infra.spool import write_table
from jobs.actors import get
from jobs.clusters import TABLE, Clusters
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
        added[TABLE] = _new_clusters(job, prompts.clusters)
    for table in prompts.compared_with:
        if added[table].height:
            _assert_unchanged(job, prompts, table)
    for table, rows in added.items():
        if files := _written(job, table, rows, prefix):
            get(coordinator.commit_files.remote(table, files))
    keep_prompts(job, prompts)
    return added["prompts"].height


def remember_clusters(job: Job, prompts: PromptList) -> None:
    """Commits the clusters that the list's splits rest on, where no run has yet: a version that is
    published with them holds for ever. Raises as `add_prompts`, and BusyError where the pool is
    held by another run."""
    if not job.recipe.splits or prompts.clusters is None or not job.pool.files("samples"):
        return  # without samples nothing is published
    if _new_clusters(job, prompts.clusters).is_empty():
        return
    lease = WriterLease.acquire(job.store, writing(job.recipe.pool), job.recipe.name)
    try:
        rows = _new_clusters(job, prompts.clusters)
        _assert_unchanged(job, prompts, TABLE)
        writer = PoolWriter(job.pool, lease.epoch)
        writer.commit(TABLE, _written(job, TABLE, rows, f"{lease.attempt}-{lease.epoch:06d}"))
    finally:
        lease.release()


def _new_clusters(job: Job, found: Clusters) -> pl.DataFrame:
    """Rows that the table does not have. BusyError where it meanwhile has a prompt in another
    cluster."""
    with reading(job.pool):
        stored = job.pool.scan(TABLE).select("prompt_id", other="cluster").collect()
    both = found.fresh.join(stored, on="prompt_id", how="left", maintain_order="left")
    if (both["other"] != both["cluster"]).any():
        raise _changed(job, TABLE)
    return both.filter(pl.col("other").is_null()).drop("other")


def _assert_unchanged(job: Job, prompts: PromptList, table: str) -> None:
    if job.pool.files(table) != prompts.compared_with[table]:
        raise _changed(job, table)


def _changed(job: Job, table: str) -> BusyError:
    return BusyError(
        f"pool {job.recipe.pool}: another run has changed its {table} since this one looked for "
        "duplicates there; run it again"
    )


def _not_in(job: Job, table: str, rows: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    """Those that the table does not have."""
    with reading(job.pool):
        seen = job.pool.scan(table).select(key).collect()
    return rows.join(seen, on=key, how="anti", nulls_equal=True)


def _written(job: Job, table: str, rows: pl.DataFrame, prefix: str) -> list[DataFile]:
    folder = job.pool.folder(table)
    return [
        write_table(f"{folder}/{prefix}-{i:06d}.parquet", part.to_arrow().cast(TABLES[table]))
        for i, part in enumerate(rows.iter_slices(PROMPTS_PER_FILE))
        if part.height
    ]
