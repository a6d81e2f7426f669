"""Decide a shard: what becomes of the samples of a range of prompts, and what is told of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from filters.choose import PUBLISHED
from filters.mix import rows_in_strata
from filters.outputs import OUTPUTS
from filters.picking import score_columns
from filters.score_counts import score_counts
from filters.shown import shown
from filters.splits import NEAR_OTHER_SPLIT
from filters.survivorship import Counts, drawn_counts
from filters.target import rows_by_prompt
from jobs.fates import fates_at, picking
from jobs.prompts import PromptList
from jobs.recipe import Job

CANNED = "refusal.canned"
CHOSEN = "chosen"
"""What becomes of the best samples of a prompt where there is no `sft` that they are published
in."""
SHOWN = (
    "prompt_id",
    "domain",
    "source",
    "pass_rate",
    "sample_index",
    "fate",
    "rank",
    "kept",
    "finish_reason",
    "reasoning_tokens",
    "answer_tokens",
    "final_answer",
    "failure",
    "path",
    "row",
)
"""What a report says of a sample, and where its texts lie."""


@dataclass(frozen=True)
class Shard:
    """A range of prompts, and the state of the pool that they are looked at in."""

    name: str
    prompts: PromptList
    versions: Mapping[str, int | None]
    first: str
    last: str
    shown: int
    """So many of its samples may be in a report."""


@dataclass(frozen=True)
class Tally:
    """What is told of a shard."""

    funnel: Mapping[str, int]
    tokens: int
    engine_versions: frozenset[str]
    canned_answers: int | None
    by_prompt: pl.DataFrame
    """Of each prompt with samples: `settled`, `rows`, `kept_rows`, the `tokens` of its published
    ones and, where the recipe has a mix, its `stratum`."""
    picked: Mapping[str, pl.DataFrame]
    """As `jobs.decide.Picked.by_prompt`."""
    drawn: Counts
    kept: int
    tokens_by_fate: Mapping[str, int]
    scores: pl.DataFrame
    """As `filters.score_counts` counts them."""
    shown: pl.DataFrame
    """`SHOWN` and score columns of samples that a report may show."""


def outputs_of(job: Job) -> list[str]:
    """Names; the main one comes first."""
    return [name for name in OUTPUTS if name in job.recipe.outputs]


def decide_shard(job: Job, shard: Shard, _: Iterable[Any]) -> tuple[Tally, dict[str, pl.DataFrame]]:
    """How its samples ended, and the rows of each output that they are."""
    samples = fates_at(job, shard.prompts, shard.versions)
    by_prompt = _by_prompt(job, samples)
    if "sft" not in job.recipe.outputs:
        samples = samples.with_columns(pl.col("fate").replace(PUBLISHED, CHOSEN))
    drawn_for = pl.col("prompt_id").is_in(shard.prompts.frame["prompt_id"].implode())
    elsewhere = pl.col("prompt_id").is_in(_near_other_split(shard.prompts).implode())
    own, every, by = samples.filter(drawn_for), samples.filter(~elsewhere), picking(job)
    tables = {
        name: OUTPUTS[name].pick(every if OUTPUTS[name].everything else own, by)
        for name in outputs_of(job)
    }
    tally = Tally(
        dict(samples["fate"].value_counts().iter_rows()),
        samples.select(_tokens().sum()).item() or 0,
        frozenset(samples["engine_version"].unique()),
        canned_answers(samples),
        by_prompt,
        {name: _sizes(rows) for name, rows in tables.items()},
        drawn_counts(samples),
        samples.select(_kept().sum()).item(),
        dict(samples.group_by("fate").agg(_tokens().sum()).iter_rows()),
        score_counts(samples, score_columns(job.scorers)),
        _shown(job, every, shard.shown),
    )
    return tally, tables


def _shown(job: Job, samples: pl.DataFrame, most: int) -> pl.DataFrame:
    own = shown(samples, most).with_columns(
        kept=_kept(), pass_rate=pl.col("group.pass_rate"), failure=pl.col("failure_reason")
    )
    return own.select(*SHOWN, *score_columns(job.scorers))


def _kept() -> pl.Expr:
    return pl.col("judged") & pl.col("reason").is_null()


def _near_other_split(prompts: PromptList) -> pl.Series:
    """Prompts whose texts must not be in a version at all."""
    if not prompts.left_out.width:
        return pl.Series([], dtype=pl.String)
    return prompts.left_out.filter(pl.col("reason") == NEAR_OTHER_SPLIT)["prompt_id"]


def _by_prompt(job: Job, samples: pl.DataFrame) -> pl.DataFrame:
    published = samples.filter(pl.col("fate") == PUBLISHED)
    if job.mixer is not None:
        of_published = rows_in_strata(published, job.mixer).drop("rows")
    elif "sft" in job.recipe.outputs:
        of_published = published.group_by("prompt_id").agg(tokens=_tokens().sum())
    else:
        of_published = pl.DataFrame(schema={"prompt_id": pl.String, "tokens": pl.Int64})
    return (
        rows_by_prompt(samples, job.recipe.choose.per_prompt)
        .join(of_published, on="prompt_id", how="left")
        .sort("prompt_id")
        .with_columns(pl.col("tokens").fill_null(0))
    )


def _sizes(rows: pl.DataFrame) -> pl.DataFrame:
    return (
        rows.group_by("prompt_id")
        .agg(rows=pl.len().cast(pl.Int64), size=pl.col("size").sum())
        .sort("prompt_id")
    )


def _tokens() -> pl.Expr:
    return (pl.col("reasoning_tokens") + pl.col("answer_tokens")).cast(pl.Int64)


def canned_answers(samples: pl.DataFrame) -> int | None:
    """How many of them recite a political line; null where none was looked at."""
    if CANNED not in samples.columns:
        return None
    found = samples[CANNED].drop_nulls()
    return None if found.is_empty() else int(found.sum())
