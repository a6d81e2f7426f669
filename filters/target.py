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
    last: str | None = None
    """The prompt that the target is reached with."""


def rows_by_prompt(samples: pl.DataFrame, per_prompt: int) -> pl.DataFrame:
    """What a target has to know of each prompt with samples: `settled`, `rows` and `kept_rows`, as
    `SettledPrefix` has them. `samples` has `prompt_id, settled, eligible, judged, reason, fate`."""
    kept = (pl.col("eligible") & pl.col("reason").is_null() & pl.col("judged")).sum()
    return samples.group_by("prompt_id").agg(
        settled=pl.col("settled").first(),
        rows=(pl.col("fate") == PUBLISHED).sum().cast(pl.Int64),
        kept_rows=kept.cast(pl.Int64).clip(upper_bound=per_prompt),
    )


def settled_prefix(by_prompt: pl.DataFrame, prompt_ids: pl.Series, wanted: int) -> SettledPrefix:
    """The prefix of settled prompts. `by_prompt` is as `rows_by_prompt` has it; `prompt_ids` are
    all prompts in the order of their hash, also those without samples."""
    prefix = (
        prompt_ids.to_frame("prompt_id")
        .join(by_prompt, on="prompt_id", how="left", maintain_order="left")
        .filter(pl.col("settled").fill_null(value=False).cast(pl.Int8).cum_min() == 1)
        .with_columns(total=pl.col("rows").cum_sum())
    )
    rows, kept_rows = int(prefix["rows"].sum()), int(prefix["kept_rows"].sum())
    if rows < wanted:
        return SettledPrefix(rows, kept_rows, reached=False)
    within = prefix.filter(pl.col("total") - pl.col("rows") < wanted)
    return SettledPrefix(rows, kept_rows, reached=True, last=within["prompt_id"][-1])


def cut_at_target(
    samples: pl.DataFrame, prompt_ids: pl.Series, wanted: int, per_prompt: int
) -> tuple[pl.DataFrame, SettledPrefix]:
    """Gives the published samples of prompts beyond the target the fate `beyond_target`, and no
    rank.

    Where the prefix of settled prompts has too few, nothing is cut.
    """
    found = settled_prefix(rows_by_prompt(samples, per_prompt), prompt_ids, wanted)
    if found.last is None:
        return samples, found
    beyond = (pl.col("prompt_id") > found.last) & (pl.col("fate") == PUBLISHED)
    fate = pl.when(beyond).then(pl.lit(BEYOND_TARGET)).otherwise(pl.col("fate"))
    return samples.with_columns(fate=fate, rank=pl.when(~beyond).then("rank")), found
