"""The `sft` output: chosen samples as rows that trainers read."""

from collections.abc import Mapping, Sequence

import polars as pl

from filters.scorer import Scorer
from schemas.outputs import SFT
from schemas.reasoning import CLOSE, OPEN

SAMPLE_COLUMNS = (
    "id",
    "prompt_id",
    "sample_index",
    "domain",
    "source",
    "final_answer",
    "correct",
    "finish_reason",
    "prompt_tokens",
    "reasoning_tokens",
    "answer_tokens",
    "teacher_id",
    "text_digest",
    "group.majority",
    "group.votes",
    "group.vote_share",
    "group.pass_rate",
)
PROMPT_COLUMNS = ("messages", "reference", "license")


def sample_columns(scorers: Mapping[str, Scorer]) -> list[str]:
    """The narrow columns of a sample that `sft_rows` takes."""
    fields = [f"{name}.{field}" for name, scorer in scorers.items() for field in _fields(scorer)]
    return [*SAMPLE_COLUMNS, *fields]


def sft_rows(chosen: pl.DataFrame, scorers: Mapping[str, Scorer], generator: str) -> pl.DataFrame:
    """One row a chosen sample, in the columns of `schemas.outputs.SFT`, and a `scores` struct.

    `chosen` has `sample_columns`, the samples' texts, and `PROMPT_COLUMNS` of their prompts. The
    assistant's message always has both think tags around the reasoning, whichever of them the model
    had to write: trainers read the reasoning from there. Where a prompt has no reference, the
    answer that more than half of its samples give stands in for it, and `reference_from` says so.
    """
    majority = (pl.col("group.votes") > 1) & (pl.col("group.vote_share") > 0.5)
    given = pl.when(pl.col("reference").str.strip_chars() != "").then(pl.col("reference"))
    voted = pl.when(majority).then(pl.col("group.majority"))
    rows = chosen.with_columns(
        response=pl.col("answer").str.strip_chars(),
        reasoning=pl.col("reasoning").str.strip_chars("\n"),
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
    )
    assistant = pl.struct(
        role=pl.lit("assistant"),
        content=pl.when(pl.col("reasoning").is_null())
        .then(pl.col("response"))
        .otherwise(
            pl.format(f"{OPEN}\n{{}}\n{CLOSE}\n\n{{}}", pl.col("reasoning"), pl.col("response"))
        ),
    )
    rows = rows.with_columns(
        messages=pl.concat_list("messages", assistant.reshape((-1, 1)).arr.to_list())
    )
    return rows.select(*SFT.names, scores=_scores_struct(scorers))


def _scores_struct(scorers: Mapping[str, Scorer]) -> pl.Expr:
    """`scores.<scorer>.<field>`: everything that was found out about the sample."""
    structs = [
        pl.struct(pl.col(f"{name}.{field}").alias(field) for field in _fields(scorer)).alias(name)
        for name, scorer in sorted(scorers.items())
    ]
    return pl.struct(structs)


def _fields(scorer: Scorer) -> Sequence[str]:
    verifying = ["verdict"] if scorer.verifies else []
    return [*scorer.fields, "reason", *verifying]
