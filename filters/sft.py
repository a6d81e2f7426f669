"""The `sft` output: chosen samples as rows that trainers read."""

from collections.abc import Mapping

import polars as pl

from filters.assistant import assistant_messages, reasoning_and_response
from filters.choose import PUBLISHED
from filters.picking import SAMPLE_COLUMNS, Picking, in_part, score_columns, scores_struct
from filters.scorer import Scorer
from schemas.outputs import SFT

COLUMNS = (
    *SAMPLE_COLUMNS,
    "rank",
    "finish_reason",
    "group.majority",
    "group.votes",
    "group.vote_share",
)


def chosen_samples(samples: pl.DataFrame, picking: Picking) -> pl.DataFrame:
    """The narrow columns of those that are published, and what they count in a part."""
    chosen = samples.filter(pl.col("fate") == PUBLISHED)
    return chosen.select(*COLUMNS, *score_columns(picking.scorers), size=in_part())


def sft_rows(chosen: pl.DataFrame, scorers: Mapping[str, Scorer], generator: str) -> pl.DataFrame:
    """One row a chosen sample, in the columns of `schemas.outputs.SFT`, and `scores`.

    `chosen` is what `chosen_samples` gives, with the samples' texts, and the prompts' `messages`,
    `reference` and `license`. Where a prompt has no reference, the answer that more than half of
    its samples give stands in for it, and `reference_from` says so.
    """
    majority = (pl.col("group.votes") > 1) & (pl.col("group.vote_share") > 0.5)
    given = pl.when(pl.col("reference").str.strip_chars() != "").then(pl.col("reference"))
    voted = pl.when(majority).then(pl.col("group.majority"))
    rows = chosen.with_columns(*reasoning_and_response()).with_columns(
        answer=pl.col("final_answer"),
        reference_answer=pl.coalesce(given, voted),
        reference_from=pl.when(given.is_not_null())
        .then(pl.lit("prompt"))
        .when(voted.is_not_null())
        .then(pl.lit("majority")),
        response_tokens=pl.col("answer_tokens"),
        pass_rate=pl.col("group.pass_rate"),
        generator=pl.lit(generator),
        prompt=pl.col("messages").list.last().struct.field("content"),
        messages=pl.concat_list("messages", assistant_messages()),
    )
    return rows.select(*SFT.names, scores=scores_struct(scorers))
