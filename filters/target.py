"""The target: the shortest prefix of settled prompts, in the order of their hash, with enough rows.

In that order and no other: by which prompts are settled first, the easy ones would be chosen.
"""

from typing import NamedTuple

import polars as pl

from filters.choose import PUBLISHED

BEYOND_TARGET = "beyond_target"


class SettledPrefix(NamedTuple):
    """The prompts before the first one that is not settled."""

    rows: int
    """Published samples, by `choose` alone."""
    kept_rows: int
    """Kept samples, at most `per_prompt` of each prompt: what they would be without a `where`."""
    reached: bool


def cut_at_target(
    samples: pl.DataFrame, prompt_ids: pl.Series, wanted: int, per_prompt: int
) -> tuple[pl.DataFrame, SettledPrefix]:
    """Gives the published samples of prompts beyond the target the fate `beyond_target`.

    `samples` has `prompt_id, settled, eligible, reason, fate`; `prompt_ids` are all prompts in the
    order of their hash, also those without samples. Where the prefix of settled prompts has too
    few, nothing is cut.
    """
    kept = (pl.col("eligible") & pl.col("reason").is_null() & pl.col("judged")).sum()
    by_prompt = samples.group_by("prompt_id").agg(
        settled=pl.col("settled").first(),
        rows=(pl.col("fate") == PUBLISHED).sum().cast(pl.Int64),
        kept_rows=kept.cast(pl.Int64).clip(upper_bound=per_prompt),
    )
    prefix = (
        prompt_ids.to_frame("prompt_id")
        .join(by_prompt, on="prompt_id", how="left", maintain_order="left")
        .filter(pl.col("settled").fill_null(value=False).cast(pl.Int8).cum_min() == 1)
        .with_columns(total=pl.col("rows").cum_sum())
    )
    rows, kept_rows = int(prefix["rows"].sum()), int(prefix["kept_rows"].sum())
    found = SettledPrefix(rows, kept_rows, reached=rows >= wanted)
    if not found.reached:
        return samples, found
    chosen = prefix.filter(pl.col("total") - pl.col("rows") < wanted).select("prompt_id")
    beyond = ~pl.col("prompt_id").is_in(chosen["prompt_id"].implode())
    fate = pl.when(beyond & (pl.col("fate") == PUBLISHED)).then(pl.lit(BEYOND_TARGET))
    return samples.with_columns(fate=fate.otherwise(pl.col("fate"))), found
