"""The `rl` output: prompts that can be verified, and how often the teacher solves them."""

from collections.abc import Mapping

import polars as pl

from filters.picking import Picking
from filters.scorer import Scorer
from schemas.outputs import RL

RATES = ("pass_rate", "pass_rate_low", "pass_rate_high")
COUNTS = ("judged", "unparsable", "timeouts")


def verified_prompts(samples: pl.DataFrame, picking: Picking) -> pl.DataFrame:
    """The narrow columns of the prompts with a verdict, of which a sample meets `choose.where`.
    Whether any sample is right or kept does not matter."""
    where = picking.chooser.where.fill_null(value=False)
    judged = pl.col("group.judged").fill_null(0) > 0
    verifier = picking.verifier(samples["domain"])
    met = samples.with_columns(verifier=verifier).filter(
        "eligible", judged, where, pl.col("verifier").is_not_null()
    )
    # The same in all samples of a prompt; only the number of its tokens need not be known of all.
    groups = [f"group.{name}" for name in (*RATES, *COUNTS)]
    same = ("domain", "source", "teacher_id", "verifier", *groups)
    return (
        met.group_by("prompt_id")
        .agg(
            *(pl.col(name).first() for name in same),
            size=pl.col("prompt_tokens").max().fill_null(0).cast(pl.Int64),
        )
        .sort("prompt_id")
    )


def rl_rows(prompts: pl.DataFrame, _: Mapping[str, Scorer], generator: str) -> pl.DataFrame:
    """One row a prompt, in the columns of `schemas.outputs.RL`. `prompts` is what
    `verified_prompts` gives, with the prompts' `messages`, `reference` and `license`."""
    return prompts.with_columns(
        *(pl.col(f"group.{name}").alias(name) for name in RATES),
        *(pl.col(f"group.{name}").cast(pl.Int32).alias(name) for name in COUNTS),
        id=pl.col("prompt_id"),
        prompt=pl.col("messages"),
        reference_answer=pl.col("reference"),
        generator=pl.lit(generator),
    ).select(RL.names)
