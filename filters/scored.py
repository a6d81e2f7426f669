"""Scores beside their samples: one wide row a sample, and whether it is kept."""

from collections.abc import Mapping

import polars as pl

from filters.rules import DTYPES, first_broken_rule
from filters.scorer import Scorer, scorer_id
from filters.scorers import scorers_of
from schemas.sample import DONE
from schemas.score import FALSE, TRUE

SCORE_KEY = ["prompt_id", "teacher_id", "sample_index", "text_digest", "reference_id"]
EVIDENCE = "evidence"


def with_scores(
    samples: pl.DataFrame,
    scores: pl.DataFrame,
    scorers: Mapping[str, Scorer],
    by_domain: Mapping[str, tuple[str, ...]],
) -> pl.DataFrame:
    """`samples` with every scorer's columns, `correct` and `missing`.

    `samples` has the score key, `domain`, `outcome`; `scores` are rows of the scores table, of
    which only those of exactly these scorers count. `missing` lists the scorers that apply to a
    finished sample and have not scored it.
    """
    for scorer in scorers.values():
        samples = samples.join(
            _columns_of(scores, scorer), on=SCORE_KEY, how="left", validate="m:1"
        )
    domains = samples["domain"].unique().to_list()
    applying = {
        name: pl.col("domain").is_in([d for d in domains if name in scorers_of(by_domain, d)])
        for name in scorers
    }
    done = pl.col("outcome") == DONE
    missing = [
        pl.when(done & applies & pl.col(f"{name}.scored").is_null()).then(pl.lit(name))
        for name, applies in applying.items()
    ]
    verdicts = [
        pl.when(applies).then(pl.col(f"{name}.correct"))
        for name, applies in applying.items()
        if scorers[name].verifies
    ]
    return samples.with_columns(
        missing=pl.concat_list([*missing, pl.lit(None, pl.String)]).list.drop_nulls(),
        correct=pl.coalesce([*verdicts, pl.lit(None, pl.Boolean)]),
    ).drop(f"{name}.scored" for name in scorers)


def _columns_of(scores: pl.DataFrame, scorer: Scorer) -> pl.DataFrame:
    """The rows of one scorer with its fields as columns, beside their keys."""
    name = scorer.name
    dtype = pl.Struct({field: DTYPES[kind] for field, kind in scorer.fields.items()})
    values = pl.col("values").str.json_decode(dtype)
    columns = [values.struct.field(field).alias(f"{name}.{field}") for field in scorer.fields]
    columns += [
        pl.col("reason").alias(f"{name}.reason"),
        pl.lit(value=True).alias(f"{name}.scored"),
    ]
    if scorer.verifies:
        verdict = pl.col("verdict")
        correct = verdict.replace_strict({TRUE: True, FALSE: False}, default=None)
        columns += [
            verdict.alias(f"{name}.verdict"),
            correct.cast(pl.Boolean).alias(f"{name}.correct"),
        ]
    own = scores.filter(pl.col("scorer_id") == scorer_id(scorer))
    return own.select(*SCORE_KEY, *columns)


def with_reasons(samples: pl.DataFrame, rules: Mapping[str, pl.Expr]) -> pl.DataFrame:
    """Adds `judged` and `reason`: null for a kept sample, and for one that is not judged yet."""
    failed = pl.col("outcome") != DONE
    judged = failed | (pl.col("missing").list.len() == 0)
    reason = (
        pl.when(failed)
        .then(pl.lit("failed_") + pl.col("failure_reason"))
        .when(judged)
        .then(first_broken_rule(rules))
    )
    return samples.with_columns(judged=judged, reason=reason)
