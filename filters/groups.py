"""What the samples of a prompt say together: `group.*`, columns that are the same for all of them,
and how each stands among them."""

from functools import cache
from math import comb

import polars as pl

from filters.votes import VOTE_COLUMNS, with_votes
from schemas.score import TIMEOUT, UNPARSABLE

GROUP_COLUMNS: dict[str, pl.DataType] = {
    "group.pass_rate": pl.Float64(),
    "group.pass_rate_low": pl.Float64(),
    "group.pass_rate_high": pl.Float64(),
    "group.judged": pl.UInt32(),
    "group.unparsable": pl.UInt32(),
    "group.timeouts": pl.UInt32(),
    "group.length_rank": pl.Float64(),
    **VOTE_COLUMNS,
}
CERTAINTY = 0.95
TOKENS_IF_UNKNOWN = 8_000
"""Of a sample whose tokenizer has no token for the closing tag: what a reasoning model thinks."""
PRECISION = 1e-6


def with_groups(samples: pl.DataFrame, probe: int) -> pl.DataFrame:
    """Adds `GROUP_COLUMNS`.

    `pass_rate`: the share of right ones among the probe's samples that have a verdict, of which
    there are `judged`, with the 95 % interval of its Beta posterior (uniform prior) from
    `pass_rate_low` to `pass_rate_high`. What nobody could read or what took too long is neither
    right nor wrong and counts apart, in `unparsable` and `timeouts`: else a verifier's failures
    would pass for difficulty. The probe alone defines them, because later samples depend on how
    earlier ones went. `length_rank`: where a sample's tokens stand among the prompt's samples that
    are kept, from 0 (shortest) to 1; 0.5 alone. The others are those of `with_votes`.

    Needs `prompt_id, sample_index, correct, verdict, final_answer, eligible, judged, reason,
    reasoning_tokens, answer_tokens`.
    """
    of_probe = samples.filter(pl.col("sample_index") < probe)
    groups = of_probe.group_by("prompt_id").agg(
        right=pl.col("correct").sum(),
        judged=pl.col("correct").count(),
        unparsable=(pl.col("verdict") == UNPARSABLE).sum(),
        timeouts=(pl.col("verdict") == TIMEOUT).sum(),
    )
    counts = groups.select("right", "judged").unique()
    intervals = [beta_interval(right, judged) for right, judged in counts.iter_rows()]
    known = counts.with_columns(
        low=pl.Series([low for low, _ in intervals], dtype=pl.Float64),
        high=pl.Series([high for _, high in intervals], dtype=pl.Float64),
    )
    groups = groups.join(known, on=["right", "judged"]).select(
        "prompt_id",
        pl.when(pl.col("judged") > 0)
        .then(pl.col("right") / pl.col("judged"))
        .alias("group.pass_rate"),
        pl.col("low").alias("group.pass_rate_low"),
        pl.col("high").alias("group.pass_rate_high"),
        *(pl.col(name).alias(f"group.{name}") for name in ("judged", "unparsable", "timeouts")),
    )
    samples = samples.join(groups, on="prompt_id", how="left").with_columns(_length_rank())
    return with_votes(samples)


def response_tokens() -> pl.Expr:
    """A sample's length: tokens of thinking and answer; 0 where they are not known."""
    return pl.col("reasoning_tokens").fill_null(0) + pl.col("answer_tokens").fill_null(0)


def tokens_or_guess() -> pl.Expr:
    """The same, but where it is not known what a reasoning model usually takes."""
    return (pl.col("reasoning_tokens") + pl.col("answer_tokens")).fill_null(TOKENS_IF_UNKNOWN)


def _length_rank() -> pl.Expr:
    kept = pl.col("eligible") & pl.col("judged") & pl.col("reason").is_null()
    own = pl.when(kept).then(response_tokens())
    place, others = own.rank("average").over("prompt_id") - 1, own.count().over("prompt_id") - 1
    rank = pl.when(others > 0).then(place / others).otherwise(0.5)
    return pl.when(kept).then(rank).alias("group.length_rank")


@cache
def beta_interval(right: int, judged: int) -> tuple[float, float]:
    """The equal-tailed interval of Beta(right + 1, judged - right + 1) that holds 95 %."""
    tail = (1 - CERTAINTY) / 2
    return _quantile(right, judged, tail), _quantile(right, judged, 1 - tail)


def _quantile(right: int, judged: int, mass: float) -> float:
    """Of that distribution, by halving. Its function is a binomial's tail: with n = judged + 1
    throws that hit with probability x, that of more than `right` hits."""
    low, high, throws = 0.0, 1.0, judged + 1
    while high - low > PRECISION:
        x = (low + high) / 2
        below = sum(comb(throws, k) * x**k * (1 - x) ** (throws - k) for k in range(right + 1))
        low, high = (x, high) if 1 - below < mass else (low, x)
    return (low + high) / 2
