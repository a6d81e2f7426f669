"""How the values of scores are spread, as counts that add up over shards."""

from collections.abc import Iterable, Sequence

import polars as pl

DIGITS = 2
"""Significant ones that a value is counted by: at most 180 values a power of ten."""
SCHEMA = {"column": pl.String, "value": pl.Float64, "kept": pl.Boolean, "samples": pl.Int64}


def score_counts(samples: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """Of judged samples: how many have which value, true being 1 and texts left out.

    Needs `judged` and `reason`, whose null is a kept sample. A frame of `SCHEMA`, sorted.
    """
    judged = samples.filter("judged").with_columns(kept=pl.col("reason").is_null())
    numbers = [
        column
        for column in columns
        if judged.schema[column].is_numeric() or judged.schema[column] == pl.Boolean
    ]
    return added_up(
        judged.select("kept", value=pl.col(column).cast(pl.Float64))
        .filter(pl.col("value").is_finite())
        .group_by(pl.col("value").round_sig_figs(DIGITS), "kept")
        .agg(samples=pl.len())
        .with_columns(column=pl.lit(column))
        for column in numbers
    )


def added_up(counts: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Of all shards together."""
    found = [one.select(pl.col(name).cast(kind) for name, kind in SCHEMA.items()) for one in counts]
    every = pl.concat([pl.DataFrame(schema=SCHEMA), *found])
    own = every.group_by("column", "value", "kept").agg(pl.col("samples").sum())
    return own.select(*SCHEMA).sort("column", "value", "kept")
