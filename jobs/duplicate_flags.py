"""Which prompts of a list are duplicates of others, or in conflict with them; the pool says who
came first."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import polars as pl

from filters.duplicates import (
    DUPLICATE_COLUMNS,
    NEAR,
    conflicting,
    duplicates,
    kinds,
    same_texts,
)
from filters.rules import first_broken_rule
from infra.data_file import DataFile
from infra.pool import Pool, reading
from jobs.clusters import TABLE, Clusters, Stored, clusters, near_duplicate_flags
from jobs.recipe import Job

Files = Mapping[str, Sequence[DataFile]]


class Flagged(NamedTuple):
    """A list with flags, and what these rest on."""

    prompts: pl.DataFrame
    clusters: Clusters | None
    compared_with: Files
    """Files of the pool's tables."""


def with_duplicate_flags(
    job: Job, prompts: pl.DataFrame, texts: pl.Series, *, near: bool, drop_damaged: bool
) -> Flagged:
    """Adds `filters.duplicates.DUPLICATE_COLUMNS`; near-duplicates are looked for if they are asked
    for. `texts` are what the prompts say. StoreError for damaged files that are not dropped.

    Of those that are alike the one that the pool knew first is no duplicate, and one that a rule
    leaves out comes after all others, since nothing is drawn for it.
    """
    pool = job.pool
    tables = ("prompts", TABLE) if near else ("prompts",)
    damaged = {table: pool.damaged(table) if drop_damaged else [] for table in tables}
    files = {t: [file for file in pool.files(t) if file not in damaged[t]] for t in tables}
    same = same_texts(texts, prompts["reference"])
    nobody = dict.fromkeys(DUPLICATE_COLUMNS, pl.lit(value=False))
    nobody["prompt.conflicting_reference"] = pl.lit(conflicting(same))
    prompts = prompts.with_columns(**nobody)
    order = _order(job, prompts, _known(pool, damaged["prompts"]))
    exact = _in_place(duplicates(same[order.to_list()]), order)
    prompts = prompts.with_columns(exact.alias("prompt.duplicate"))
    if not near:
        return Flagged(prompts, None, files)
    said = prompts.select("prompt_id").with_columns(text=texts)
    found = clusters(Stored(pool, damaged[TABLE]), said)
    alike = near_duplicate_flags(found, kinds(texts, prompts["reference"]), order)
    return Flagged(prompts.with_columns((exact | alike).alias(NEAR)), found, files)


def _known(pool: Pool, damaged: Sequence[DataFile]) -> pl.DataFrame:
    """`prompt_id` and `place` of the prompts that the pool has, in the order in which they came."""
    with reading(pool):
        rows = pool.scan("prompts", without=damaged).select("prompt_id").collect()
    return rows.with_row_index("place").unique("prompt_id", keep="first", maintain_order=True)


def _order(job: Job, prompts: pl.DataFrame, known: pl.DataFrame) -> pl.Series:
    """Row numbers, of those first that go before others."""
    left_out = first_broken_rule(job.rules.prompts).is_not_null()
    rows = prompts.select("prompt_id", left_out=left_out).with_row_index()
    placed = rows.join(known, on="prompt_id", how="left")
    return placed.sort("left_out", "place", "prompt_id", nulls_last=True)["index"]


def _in_place(flags: pl.Series, order: pl.Series) -> pl.Series:
    """Flags in the order of the list."""
    return pl.DataFrame({"flag": flags, "index": order}).sort("index")["flag"]
