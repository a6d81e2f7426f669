"""The assistant's message of a sample, as trainers read it."""

from typing import Final

import polars as pl

from schemas.reasoning import CLOSE, OPEN

AROUND: Final = f"{OPEN}\n{{}}\n{CLOSE}\n\n{{}}"


def reasoning_and_response(prefix: str = "") -> list[pl.Expr]:
    """`reasoning` and `response` as outputs have them, from a sample's `reasoning` and `answer`;
    all four have the prefix. What is stripped is the layout around the tags."""
    return [
        pl.col(f"{prefix}reasoning").str.strip_chars("\n"),
        pl.col(f"{prefix}answer").str.strip_chars().alias(f"{prefix}response"),
    ]


def assistant_messages(prefix: str = "") -> pl.Expr:
    """A list of one message, from `reasoning` and `response` with that prefix.

    It has both think tags around the reasoning, whichever of them the model had to write: trainers
    read the reasoning from there. Without any thinking it is the response alone.
    """
    reasoning, response = pl.col(f"{prefix}reasoning"), pl.col(f"{prefix}response")
    content = (
        pl.when(reasoning.is_null())
        .then(response)
        .otherwise(pl.format(AROUND, reasoning, response))
    )
    message = pl.struct(role=pl.lit("assistant"), content=content)
    return message.reshape((-1, 1)).arr.to_list()
