"""The `preference` output: pairs of samples as rows that trainers read."""

import polars as pl

from filters.assistant import assistant_messages, reasoning_and_response
from filters.distinct import ReadTexts
from filters.pairs import CHOSEN, REJECTED
from schemas.outputs import PREFERENCE


def with_both_texts(pairs: pl.DataFrame, texts: ReadTexts) -> pl.DataFrame:
    """Pairs as `pairs_of` has them, with `reasoning` and `answer` of both samples."""
    sides = (CHOSEN, REJECTED)
    places = [pairs.select(path=f"{side}path", row=f"{side}row") for side in sides]
    read = texts(pl.concat(places)).select("reasoning", "answer")
    both = [read.head(pairs.height), read.tail(pairs.height)]
    own = [part.select(pl.all().name.prefix(side)) for part, side in zip(both, sides, strict=True)]
    return pl.concat([pairs, *own], how="horizontal")


def preference_rows(pairs: pl.DataFrame, generator: str) -> pl.DataFrame:
    """One row a pair, in the columns of `schemas.outputs.PREFERENCE`.

    `pairs` has what `with_both_texts` gives, and `PROMPT_COLUMNS` of `filters.sft`. The messages of
    both sides are made as those of the `sft` output are.
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
