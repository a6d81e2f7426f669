"""Survivorship: what difficulty, length and source there was before the choice, and after it.

Counts of shards and of parts, which add up: dimension -> bin -> measure -> count. They are numbers
of samples, of prompts, which are each in one shard and in one part, and of tokens.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import polars as pl

Counts = dict[str, dict[str, dict[str, int]]]

PASS_RATES = ("never", "up_to_1/4", "up_to_1/2", "up_to_3/4", "below_1", "always", "unknown")
"""Bins of the pass rate of a prompt's probe; `unknown` where nothing was judged."""
UNKNOWN = "unknown"
"""Of lengths: the tokenizer has no token for the closing tag, or the engine did not say."""
POWERS = [2**exponent for exponent in range(31)]
ORDERS: Mapping[str, Callable[[str], Any]] = {
    "pass_rate": PASS_RATES.index,
    "tokens": lambda name: POWERS[-1] + 1 if name == UNKNOWN else int(name),
}
"""Of the bins of a dimension; those of the others stand in the order of their names."""


def drawn_counts(samples: pl.DataFrame) -> Counts:
    """Of all samples of a shard: prompts by `pass_rate` and by whether any sample is right
    (`solved`), finished samples by `tokens`, and prompts, samples and tokens by `source` and
    `domain`.

    Needs `prompt_id, domain, source, finish_reason, reasoning_tokens, answer_tokens, correct,
    group.pass_rate`. Surplus samples and truncated ones count as drawn; finished are those that
    the model ended itself.
    """
    prompts = samples.group_by("prompt_id").agg(
        pl.col("group.pass_rate").first(), solved=pl.col("correct").max()
    )
    solved = pl.when("solved").then(pl.lit("yes")).when(~pl.col("solved")).then(pl.lit("no"))
    finished = samples.filter(pl.col("finish_reason") == "stop")
    return {
        "pass_rate": _counted(prompts.select(bin=_pass_rate()), prompts=pl.len()),
        "solved": _counted(prompts.select(bin=solved.otherwise(pl.lit(UNKNOWN))), prompts=pl.len()),
        "tokens": _counted(finished.select(bin=_length(finished)), finished=pl.len()),
        **_by_origin(samples, ""),
    }


def published_counts(chosen: pl.DataFrame) -> Counts:
    """The same of samples that are published, in measures of their own. Needs `prompt_id, domain,
    source, reasoning_tokens, answer_tokens, group.pass_rate`."""
    prompts = chosen.group_by("prompt_id").agg(pl.col("group.pass_rate").first())
    return {
        "pass_rate": _counted(prompts.select(bin=_pass_rate()), prompts_published=pl.len()),
        "tokens": _counted(chosen.select(bin=_length(chosen)), published=pl.len()),
        **_by_origin(chosen, "_published"),
    }


def added_up(counts: Iterable[Counts]) -> Counts:
    """Of all shards and parts together. Bins stand in their own order, so that the result is the
    same text whatever was counted first."""
    total: Counts = {}
    for one in counts:
        for dimension, bins in one.items():
            for name, measures in bins.items():
                own = total.setdefault(dimension, {}).setdefault(name, {})
                for measure, count in measures.items():
                    own[measure] = own.get(measure, 0) + count
    return {
        dimension: {
            name: dict(sorted(bins[name].items()))
            for name in sorted(bins, key=ORDERS.get(dimension, str))
        }
        for dimension, bins in sorted(total.items())
    }


def measured(counts: Mapping[str, Mapping[str, int]], measure: str) -> dict[str, int]:
    """One measure of a dimension: bin -> count."""
    return {name: own[measure] for name, own in counts.items() if own.get(measure)}


def middle(lengths: Mapping[str, int]) -> str | None:
    """The bin of lengths that the median is in; the lower one of two, null where none is known."""
    known = sorted((int(name), count) for name, count in lengths.items() if name != UNKNOWN)
    half, before = sum(count for _, count in known) / 2, 0
    for length, count in known:
        before += count
        if before >= half:
            return str(length)
    return None


def _by_origin(samples: pl.DataFrame, ending: str) -> Counts:
    tokens = (pl.col("reasoning_tokens") + pl.col("answer_tokens")).cast(pl.Int64).sum()
    measures = {
        f"prompts{ending}": pl.col("prompt_id").n_unique(),
        f"samples{ending}": pl.len(),
        f"tokens{ending}": tokens,
    }
    return {
        origin: _counted(
            samples.with_columns(pl.col(origin).fill_null("").alias("bin")), **measures
        )
        for origin in ("domain", "source")
    }


def _counted(rows: pl.DataFrame, **measures: pl.Expr) -> dict[str, dict[str, int]]:
    found = rows.group_by("bin").agg(**measures)
    return {row.pop("bin"): row for row in found.iter_rows(named=True)}


def _pass_rate() -> pl.Expr:
    rate, never, quarter, half, most, below, always, unknown = (
        pl.col("group.pass_rate"),
        *PASS_RATES,
    )
    return (
        pl.when(rate.is_null())
        .then(pl.lit(unknown))
        .when(rate == 0)
        .then(pl.lit(never))
        .when(rate <= 1 / 4)
        .then(pl.lit(quarter))
        .when(rate <= 1 / 2)
        .then(pl.lit(half))
        .when(rate <= 3 / 4)
        .then(pl.lit(most))
        .when(rate < 1)
        .then(pl.lit(below))
        .otherwise(pl.lit(always))
    )


def _length(samples: pl.DataFrame) -> pl.Series:
    """Tokens of thinking and answer, as the power of two below them. By comparison: logarithms of
    floating point put some powers below themselves."""
    lengths = samples.select(
        (pl.col("reasoning_tokens") + pl.col("answer_tokens")).cast(pl.Int64)
    ).to_series()
    powers = pl.Series(POWERS, dtype=pl.Int64)
    place = powers.search_sorted(lengths.fill_null(0), side="right")
    bins = pl.Series(["0", *map(str, POWERS)]).gather(place)
    return bins.zip_with(lengths.is_not_null(), pl.Series([UNKNOWN]))
