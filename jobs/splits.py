"""Splits of the prompts: by their clusters, as the pool remembers them (decision 0021)."""

import numpy as np
import polars as pl

from filters.packed import unpacked_bands
from filters.splits import NEAR_OTHER_SPLIT, crossing, in_mixed_buckets, splits_of
from jobs.clusters import Clusters
from schemas.recipe import Recipe


def assigned(found: Clusters, recipe: Recipe) -> pl.DataFrame:
    """`prompt_id`, `cluster` and `split` of each prompt, in their order."""
    own = found.prompts.select("prompt_id", "cluster")
    return own.with_columns(splits_of(own["cluster"], recipe.splits))


def with_crossing_left_out(
    flagged: pl.DataFrame, found: Clusters, splits: pl.DataFrame, order: pl.Series
) -> pl.DataFrame:
    """Prompts with `reason`, which is `near_other_split` for those that would bring a text of one
    split into another: those that are alike with one that comes before them in `order` (row
    numbers). What has a reason already is nobody's twin."""
    own = order.filter(flagged["reason"].is_null().gather(order)).to_numpy()
    keys = unpacked_bands(found.prompts["bands"].gather(own))
    codes = splits["split"].to_physical().gather(own).to_numpy().astype(np.int64)
    mixed = np.flatnonzero(in_mixed_buckets(keys, codes))
    sets = found.shingles(found.prompts[own[mixed]])
    crosses = np.zeros(flagged.height, bool)
    crosses[own[mixed]] = crossing(keys[mixed], sets.take, codes[mixed])
    reason = pl.when(pl.Series(crosses)).then(pl.lit(NEAR_OTHER_SPLIT)).otherwise("reason")
    return flagged.with_columns(reason=reason)
