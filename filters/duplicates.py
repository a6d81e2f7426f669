"""Duplicates among prompts: those that say nearly what an earlier one says, for the same reference.

Problems that differ in their numbers are nearly the same text, and other problems. So prompts with
different references are never duplicates of each other; where even all words are the same, one of
the references is wrong.
"""

from typing import Final

import numpy as np
import polars as pl

from filters.near_duplicates import Bands, clustered
from filters.words import MULTIPLIER, Ragged

DUPLICATE_COLUMNS: Final[dict[str, pl.DataType]] = {
    "prompt.duplicate": pl.Boolean(),
    "prompt.conflicting_reference": pl.Boolean(),
}


def duplicates(references: pl.Series, keys: Bands, sets: Ragged) -> pl.DataFrame:
    """`DUPLICATE_COLUMNS` of prompts in the order in which one goes before another.

    `references` are identities of theirs, null where there is none; `keys` are the
    `near_duplicates.bands` of `sets`, their shingles. The first of those that are alike is no
    duplicate; of those in conflict every one is told.
    """
    numbers = references.fill_null("").rank("dense").to_numpy().astype(np.uint64)
    # Bands of different references never meet: another table for each of them.
    apart = np.where(keys == 0, np.uint64(0), keys ^ (numbers * MULTIPLIER)[:, None])
    first = clustered(apart, sets.take)
    return pl.DataFrame(
        {
            "prompt.duplicate": first != np.arange(len(keys)),
            "prompt.conflicting_reference": _conflicting(references, sets),
        }
    )


def _conflicting(references: pl.Series, sets: Ragged) -> pl.Series:
    """Whether the same words stand elsewhere with another reference."""
    words = [
        sets.flat[start:end].tobytes()
        for start, end in zip(sets.starts[:-1], sets.starts[1:], strict=True)
    ]
    prompts = pl.DataFrame(
        {"words": words, "reference": references}, {"words": pl.Binary(), "reference": pl.String()}
    )
    apart = pl.col("reference").drop_nulls().n_unique().over("words") > 1
    conflicting = apart & (pl.col("words").bin.size() > 0) & pl.col("reference").is_not_null()
    return prompts.select(conflicting).to_series()
