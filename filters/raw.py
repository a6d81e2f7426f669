"""The `raw` output: every sample that was drawn, with what became of it and why."""

from collections.abc import Mapping

import polars as pl

from filters.picking import (
    SAMPLE_COLUMNS,
    Picking,
    in_part,
    of_one_sample,
    score_columns,
    scores_struct,
)
from filters.scorer import Scorer
from schemas.outputs import RAW

COLUMNS = (
    *SAMPLE_COLUMNS,
    "fate",
    "rank",
    "verdict",
    "outcome",
    "failure_reason",
    "finish_reason",
    "thinking_cut",
    "max_tokens",
    "mean_logprob",
    "lowest_logprob",
    "tail_logprob",
)


def all_samples(samples: pl.DataFrame, picking: Picking) -> pl.DataFrame:
    """The narrow columns of all of them."""
    return samples.select(*COLUMNS, *score_columns(picking.scorers), size=in_part())


def raw_rows(samples: pl.DataFrame, scorers: Mapping[str, Scorer], generator: str) -> pl.DataFrame:
    """One row a sample, in the columns of `schemas.outputs.RAW`, and `scores`. `samples` is what
    `all_samples` gives, with texts, and the prompts' `messages`, `reference` and `license`. Its
    texts are as they were written, with all blank space."""
    rows = samples.with_columns(response=pl.col("answer"), **of_one_sample(generator))
    return rows.select(*RAW.names, scores=scores_struct(scorers))
