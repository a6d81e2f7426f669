"""The `preference` output: pairs of samples as rows that trainers read."""

from collections.abc import Mapping

import polars as pl

from filters.assistant import assistant_messages, reasoning_and_response
from filters.pairs import CHOSEN, REJECTED, pairs_of
from filters.picking import Picking
from filters.scorer import Scorer
from schemas.outputs import PREFERENCE


def picked_pairs(samples: pl.DataFrame, picking: Picking) -> pl.DataFrame:
    """The narrow columns of the pairs, and what they count in a part."""
    assert picking.pairer is not None, "the recipe has the output"
    pairs = pairs_of(samples, picking.chooser, picking.pairer, picking.texts)
    return pairs.with_columns(size=pl.col("tokens"))


def preference_rows(pairs: pl.DataFrame, _: Mapping[str, Scorer], generator: str) -> pl.DataFrame:
    """One row a pair, in the columns of `schemas.outputs.PREFERENCE`.

    `pairs` is what `picked_pairs` gives, with the texts of both samples, and the prompts'
    `messages`, `reference` and `license`. The messages of both sides are made as those of the `sft`
    output are.
    """
    given = pl.when(pl.col("reference").str.strip_chars() != "").then(pl.col("reference"))
    rows = pairs.with_columns(*reasoning_and_response(CHOSEN), *reasoning_and_response(REJECTED))
    of_sides = [
        pl.col(f"{side}.{theirs}").alias(f"{side}_{ours}")
        for side in ("chosen", "rejected")
        for theirs, ours in (
            ("id", "id"),
            ("sample_index", "index"),
            ("final_answer", "answer"),
            ("tokens", "tokens"),
            ("mean_logprob", "logprob"),
            ("text_digest", "digest"),
        )
    ]
    return rows.with_columns(
        *of_sides,
        prompt=pl.col("messages"),
        chosen=assistant_messages(CHOSEN),
        rejected=assistant_messages(REJECTED),
        reference_answer=given,
        pass_rate=pl.col("group.pass_rate"),
        generator=pl.lit(generator),
    ).select(PREFERENCE.names)
