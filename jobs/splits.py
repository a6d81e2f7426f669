"""Splits of the prompts: by their clusters, as the pool remembers them (decision 0021)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from filters.packed import unpacked_bands
from filters.splits import NEAR_OTHER_SPLIT, crossing, in_mixed_buckets, splits_of
from jobs.clusters import Clusters
from jobs.prompts import PromptList
from schemas.recipe import TRAIN, Recipe


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


def shares(prompts: PromptList, recipe: Recipe) -> dict[str, dict[str, Any]]:
    """How large each split came out, as JSON values: the `wanted_share` of the prompts and
    the `share` that it has, its `prompts`, their `clusters`, and how many prompts the
    `largest_cluster` has. Nothing where the recipe has no splits. What is left out is not counted.
    """
    if not recipe.splits:
        return {}
    own = prompts.splits.join(prompts.frame, on="prompt_id", how="semi")
    sizes = own.group_by("split", "cluster").len()
    wanted = {**recipe.splits, TRAIN: 1 - sum(recipe.splits.values())}
    found = {}
    for split, share in wanted.items():
        clusters = sizes.filter(pl.col("split") == split)["len"]
        found[split] = {
            "wanted_share": round(share, 9),
            "share": round(clusters.sum() / own.height, 9),
            "prompts": clusters.sum(),
            "clusters": len(clusters),
            "largest_cluster": clusters.max() or 0,
        }
    return found


def warnings(found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Of `shares`: a sentence for each split that is empty, or off by more than half of what was
    wanted. As many prompts as one cluster has are always in one split."""
    every = sum(own["prompts"] for own in found.values())
    largest = max((own["largest_cluster"] for own in found.values()), default=0)
    return [
        f"split {name} has {own['prompts']:,} of {every:,} prompts ({own['share']:.2%}, wanted "
        f"{own['wanted_share']:.2%}); the largest cluster of alike ones has {largest:,}"
        for name, own in found.items()
        if abs(own["share"] - own["wanted_share"]) > own["wanted_share"] / 2
    ]
