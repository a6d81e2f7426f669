"""Which final answer most samples of a prompt give: a majority vote (self-consistency, Wang et al.
2022, arXiv:2203.11171)."""

import re
from typing import Final

import polars as pl

from filters.expression import worth
from filters.math_text import normal, words
from filters.quantity import exact

VOTE_COLUMNS: Final[dict[str, pl.DataType]] = {
    "group.majority": pl.String(),
    "group.votes": pl.UInt32(),
    "group.vote_share": pl.Float64(),
    "group.agrees": pl.Boolean(),
}
TEXT_ALONE: Final = re.compile(r"^\\text\s*\{([^{}]*)\}$")
PROSE: Final = re.compile(r"(?=.*[^\W\d_]{3})[^\W\d_]+(?:[ -][^\W\d_]+)*\.?")
LOOSE_SPACE: Final = re.compile(r"(?<![^\W_])\s+|\s+(?![^\W_])")
"""Not between two letters or digits."""
INTEGER: Final = re.compile(r"0|-?[1-9][0-9]*")
"""Its own form, and what most answers are: read as others are, 400,000 of them took 11 s."""
LONGEST: Final = 200
"""Characters of an answer whose form is looked at; a longer one stands for itself."""


def canonical(answer: str) -> str:
    """What answers that say the same have in common: the exact value of a number, what an
    expression is worth at two points, else the text without layout and fonts, and without case if
    it is prose: in a formula braces, commas and capitals tell one answer from another."""
    if len(answer) > LONGEST or INTEGER.fullmatch(answer):
        return answer
    text = normal(answer)
    if (number := exact(text)) is not None:
        return str(number)
    plain = TEXT_ALONE.sub(r"\1", text).strip()
    if PROSE.fullmatch(plain):
        return words(plain)
    return worth(text) or LOOSE_SPACE.sub("", text)


def with_votes(samples: pl.DataFrame) -> pl.DataFrame:
    """Adds `VOTE_COLUMNS`, from the eligible samples that have a `final_answer`, and `answer_form`,
    what is `canonical` of it.

    `votes`: so many they are. `majority`: the answer that most of them give, in the shortest way it
    is written, `vote_share`: of how many of them; both null where two answers have as many.
    `agrees`: whether a sample's own answer is that one, null without an answer.

    Needs `prompt_id, eligible, final_answer`. Answers are the same if `canonical` says so.
    """
    answers = samples["final_answer"].drop_nulls().unique()
    forms = pl.DataFrame(
        {"final_answer": answers, "answer_form": [canonical(answer) for answer in answers]},
        schema={"final_answer": pl.String(), "answer_form": pl.String()},
    )
    samples = samples.join(forms, on="final_answer", how="left")
    counted = (
        samples.filter(pl.col("eligible") & pl.col("answer_form").is_not_null())
        .group_by("prompt_id", "answer_form")
        .agg(
            pl.len().alias("count"),
            pl.col("final_answer")
            .sort_by(pl.col("final_answer").str.len_chars(), "final_answer")
            .first(),
        )
    )
    most = pl.col("count") == pl.col("count").max()
    alone = most.sum() == 1
    won = [
        pl.when(alone).then(pl.col(name).filter(most).first())
        for name in ("answer_form", "final_answer")
    ]
    groups = counted.group_by("prompt_id").agg(
        won[0].alias("won"),
        won[1].alias("group.majority"),
        pl.col("count").sum().alias("group.votes"),
        pl.when(alone)
        .then(pl.col("count").max() / pl.col("count").sum())
        .alias("group.vote_share"),
    )
    return (
        samples.join(groups, on="prompt_id", how="left")
        .with_columns(
            (pl.col("answer_form") == pl.col("won")).alias("group.agrees"),
            pl.col("group.votes").fill_null(0),
        )
        .drop("won")
    )
