"""Scores beside their samples: one wide row a sample, and whether it is kept."""

from collections.abc import Collection, Mapping

import polars as pl

from filters.rules import DTYPES, first_broken_rule
from filters.scorer import Scorer, scorer_id
from filters.scorers import scorers_of
from schemas.errors import StoreError
from schemas.sample import DONE
from schemas.score import FALSE, TRUE

TEXT_KEY = ["prompt_id", "sample_index", "text_digest"]
"""Of a text, among those of one teacher."""
SEPARATOR = ","
COMPLETE = "format.complete"


def with_scores(
    samples: pl.DataFrame,
    scores: pl.DataFrame,
    scorers: Mapping[str, Scorer],
    by_domain: Mapping[str, tuple[str, ...]],
) -> pl.DataFrame:
    """`samples` with every scorer's columns, `verdict`, `correct`, `final_answer` and `missing`.

    `samples` has `TEXT_KEY`, `domain`, `outcome`; `scores` are rows of the scores table. Both are
    of one teacher, and the scores of the samples' present references: to join by that too would
    double the time. Of the scores only those of exactly these scorers count. `missing` names the
    scorers that apply to a finished sample and have not scored it, with commas between them.

    A million samples are joined again at every start, so that all here is done in columns.
    """
    rows = samples.height
    for scorer in scorers.values():
        samples = samples.join(_columns_of(scores, scorer), on=TEXT_KEY, how="left")
    # A left join loses no row. (Its own `validate` would double the time.)
    if samples.height > rows:
        raise StoreError(f"{samples.height - rows:,} samples have two scores of one scorer")
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
    verifying = [(name, applies) for name, applies in applying.items() if scorers[name].verifies]

    def first_of(field: str, dtype: pl.DataType) -> pl.Expr:
        found = [
            pl.when(applies).then(pl.col(column))
            for name, applies in verifying
            if (column := f"{name}.{field}") in samples.columns
        ]
        return pl.coalesce([*found, pl.lit(None, dtype)])

    return samples.with_columns(
        missing=pl.concat_str(
            [*missing, pl.lit(None, pl.String)], separator=SEPARATOR, ignore_nulls=True
        ),
        verdict=first_of("verdict", pl.String()),
        correct=first_of("correct", pl.Boolean()),
        final_answer=first_of("answer", pl.String()),
    ).drop(f"{name}.scored" for name in scorers)


def _columns_of(scores: pl.DataFrame, scorer: Scorer) -> pl.DataFrame:
    """The rows of one scorer with its fields as columns, beside their keys."""
    name = scorer.name
    dtype = pl.Struct({field: DTYPES[kind] for field, kind in scorer.fields.items()})
    own = scores.filter(pl.col("scorer_id") == scorer_id(scorer))
    # Most scorers say only a few different things: each is decoded once.
    values = own.select("values").unique()
    decoded = values.with_columns(decoded=pl.col("values").str.json_decode(dtype))
    own = own.join(decoded, on="values", how="left")
    fields = pl.col("decoded").struct
    columns = [fields.field(field).alias(f"{name}.{field}") for field in scorer.fields]
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
    return own.select(*TEXT_KEY, *columns)


def with_reasons(
    samples: pl.DataFrame, rules: Mapping[str, pl.Expr], max_tokens: int
) -> pl.DataFrame:
    """Adds `judged`, `reason` (null for a kept sample, and for one that is not judged yet),
    `wrong`: the sample came to its end, and with a wrong answer, and `extensible`: it was truncated
    at fewer than `max_tokens`, and what it would have become is not known."""
    failed = pl.col("outcome") != DONE
    extensible = (pl.col("finish_reason") == "length") & (pl.col("max_tokens") < max_tokens)
    extensible = extensible.fill_null(value=False)
    judged = (failed | (pl.col("missing") == "")) & ~extensible
    reason = (
        pl.when(failed)
        .then(pl.lit("failed_") + pl.col("failure_reason"))
        .when(judged)
        .then(first_broken_rule(rules))
    )
    wrong = ~pl.col("correct") & complete(samples.columns)
    return samples.with_columns(
        judged=judged,
        reason=reason,
        wrong=(judged & wrong).fill_null(value=False),
        extensible=extensible,
    )


def complete(columns: Collection[str]) -> pl.Expr:
    """Whether a sample came to its end; also by the scorer `format`, if its columns are there."""
    stopped = pl.col("finish_reason") == "stop"
    return stopped & pl.col(COMPLETE) if COMPLETE in columns else stopped
