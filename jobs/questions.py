"""What prompts say: their messages as one text, without the template around the last."""

from collections.abc import Sequence

import polars as pl

from schemas.recipe import PromptSource


def questions(messages: pl.Series, sources: Sequence[PromptSource]) -> pl.Series:
    """What prompts say, all messages of each as one text, without the template of a source around
    the last: of short questions most words would be the same."""
    content = pl.col("messages").struct.field("content")
    last = pl.int_range(pl.len()).over("index") == pl.len().over("index") - 1
    said = (
        pl.DataFrame({"messages": messages})
        .with_row_index()
        .explode("messages")
        .select(
            "index",
            content=pl.when(last).then(_without_template(content, sources)).otherwise(content),
        )
    )
    return said.group_by("index", maintain_order=True).agg(pl.col("content").str.join("\n"))[
        "content"
    ]


def _without_template(content: pl.Expr, sources: Sequence[PromptSource]) -> pl.Expr:
    """The text between what a template has before and behind the prompt; of the templates that fit,
    the longest."""
    around = {_around(source.template) for source in sources}
    found = content
    for head, tail in sorted(around, key=lambda two: (len(two[0]) + len(two[1]), two)):
        room = content.str.len_chars().cast(pl.Int64) - len(head) - len(tail)
        fits = content.str.starts_with(head) & content.str.ends_with(tail) & (room >= 0)
        found = pl.when(fits).then(content.str.slice(len(head), room)).otherwise(found)
    return found


def _around(template: str) -> tuple[str, str]:
    head, _, tail = template.format(prompt="\0").partition("\0")
    return head, tail
