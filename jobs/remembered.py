"""What a pool remembers of a list's prompts: who came first, and what each one is alike with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from infra.data_file import DataFile
from infra.pool import Pool, reading
from jobs.clusters import TABLE, Clusters, Stored, clusters
from jobs.recipe import Job

Files = Mapping[str, Sequence[DataFile]]


@dataclass(frozen=True)
class Remembered:
    """A list beside its pool."""

    places: pl.Series
    """Of each prompt, in the order of the list: when the pool came to know it; null for a new
    one."""
    clusters: Clusters | None
    """Where they were asked for."""
    files: Files
    """Of the pool's tables that were looked at."""

    def order(self, prompts: pl.DataFrame) -> pl.Series:
        """Row numbers of the list: those first that nothing leaves out (`reason`), and of these
        the one that the pool knew first; new ones by their identity."""
        left_out = pl.col("reason").is_not_null()
        rows = prompts.select("prompt_id", left_out=left_out, place=self.places).with_row_index()
        return rows.sort("left_out", "place", "prompt_id", nulls_last=True)["index"]


def remembered(
    job: Job, prompts: pl.DataFrame, texts: pl.Series, *, clustered: bool, drop_damaged: bool
) -> Remembered:
    """`texts` are what the prompts say. StoreError for damaged files that are not dropped."""
    pool = job.pool
    tables = ("prompts", TABLE) if clustered else ("prompts",)
    damaged = {table: pool.damaged(table) if drop_damaged else [] for table in tables}
    files = {t: [file for file in pool.files(t) if file not in damaged[t]] for t in tables}
    ids = prompts.select("prompt_id")
    known = _known(pool, damaged["prompts"])
    places = ids.join(known, on="prompt_id", how="left", maintain_order="left")["place"]
    if not clustered:
        return Remembered(places, None, files)
    found = clusters(Stored(pool, damaged[TABLE]), ids.with_columns(text=texts))
    return Remembered(places, found, files)


def _known(pool: Pool, damaged: Sequence[DataFile]) -> pl.DataFrame:
    """`prompt_id` and `place` of the prompts that the pool has, in the order in which they came."""
    with reading(pool):
        rows = pool.scan("prompts", without=damaged).select("prompt_id").collect()
    return rows.with_row_index("place").unique("prompt_id", keep="first", maintain_order=True)
