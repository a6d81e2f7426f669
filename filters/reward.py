"""The `reward` output: complete samples, each right or wrong."""

from collections.abc import Mapping

import polars as pl

from filters.assistant import assistant_messages, reasoning_and_response
from filters.picking import (
    SAMPLE_COLUMNS,
    Picking,
    in_part,
    of_one_sample,
    score_columns,
    scores_struct,
)
from filters.scored import complete
from filters.scorer import Scorer
from schemas.outputs import REWARD


def labelled_samples(samples: pl.DataFrame, picking: Picking) -> pl.DataFrame:
    """The narrow columns of the eligible and complete samples with a verdict, kept or not: a
    truncated one would teach that long is wrong."""
    labelled = samples.filter(
        "eligible", "judged", complete(samples.columns), pl.col("correct").is_not_null()
    )
    return labelled.select(*SAMPLE_COLUMNS, *score_columns(picking.scorers), size=in_part())


def reward_rows(
    labelled: pl.DataFrame, scorers: Mapping[str, Scorer], generator: str
) -> pl.DataFrame:
    """One row a sample, in the columns of `schemas.outputs.REWARD`, and `scores`. `labelled` is
    what `labelled_samples` gives, with texts, and the prompts' `messages`, `reference` and
    `license`."""
    rows = labelled.with_columns(*reasoning_and_response()).with_columns(
        completion=assistant_messages(), label=pl.col("correct"), **of_one_sample(generator)
    )
    return rows.select(*REWARD.names, scores=scores_struct(scorers))
