"""Which prompts of a list are duplicates of others, or in conflict with them; the pool says who
came first."""

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
from jobs.clusters import near_duplicate_flags
from jobs.recipe import Job
from jobs.remembered import Remembered


def with_duplicate_flags(
    job: Job, prompts: pl.DataFrame, texts: pl.Series, memory: Remembered, *, near: bool
) -> pl.DataFrame:
    """Adds `filters.duplicates.DUPLICATE_COLUMNS`; near-duplicates are looked for if they are asked
    for, in the clusters that `memory` then has. `texts` are what the prompts say.

    Of those that are alike the one that the pool knew first is no duplicate, and one that a rule
    leaves out comes after all others, since nothing is drawn for it.
    """
    same = same_texts(texts, prompts["reference"])
    nobody = dict.fromkeys(DUPLICATE_COLUMNS, pl.lit(value=False))
    nobody["prompt.conflicting_reference"] = pl.lit(conflicting(same))
    prompts = prompts.with_columns(**nobody)
    order = memory.order(prompts.with_columns(reason=first_broken_rule(job.rules.prompts)))
    exact = _in_place(duplicates(same[order.to_list()]), order)
    prompts = prompts.with_columns(exact.alias("prompt.duplicate"))
    if not near or memory.clusters is None:
        return prompts
    alike = near_duplicate_flags(memory.clusters, kinds(texts, prompts["reference"]), order)
    return prompts.with_columns((exact | alike).alias(NEAR))


def _in_place(flags: pl.Series, order: pl.Series) -> pl.Series:
    """Flags in the order of the list."""
    return pl.DataFrame({"flag": flags, "index": order}).sort("index")["flag"]
