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
    numbers that are the same where final answers are.

    `votes`: so many they are. `majority`: the answer that most of them give, in the shortest way it
    is written, `vote_share`: of how many of them; both null where two answers have as many.
    `agrees`: whether a sample's own answer is that one, null without an answer.

    Needs `prompt_id, eligible, final_answer`. Answers are the same if `canonical` says so.
    """
    answers = samples["final_answer"].drop_nulls().unique()
    forms = pl.Series([canonical(answer) for answer in answers], dtype=pl.String)
    # From here on numbers stand for texts. That of an answer grows with its length.
    written = (
        pl.DataFrame({"final_answer": answers, "answer_form": forms.rank("dense")})
        .sort(pl.col("final_answer").str.len_chars(), "final_answer")
        .with_columns(written=pl.int_range(pl.len()))
    )
    samples = samples.join(written, on="final_answer", how="left", maintain_order="left")
    counted = (
        samples.lazy()
        .filter(pl.col("eligible") & pl.col("answer_form").is_not_null())
        .group_by("prompt_id", "answer_form")
        .agg(count=pl.len().cast(pl.Int64), written=pl.col("written").min())
    )
    groups = _winners(counted).collect()
    won = groups["won"]
    groups = groups.with_columns(
        written["answer_form"].gather(won).alias("won"),
        written["final_answer"].gather(won).alias("group.majority"),
    )
    return (
        samples.join(groups, on="prompt_id", how="left", maintain_order="left")
        .with_columns(
            (pl.col("answer_form") == pl.col("won")).alias("group.agrees"),
            pl.col("group.votes").fill_null(0),
        )
        .drop("won", "written")
    )


def _winners(counted: pl.LazyFrame) -> pl.LazyFrame:
    """Of each prompt `won`, the least `written` of the form with the most votes, if it has them
    alone, and `group.votes` and `group.vote_share`."""
    # A count and which form has it are one number, so that a maximum has both: of those that have
    # the most votes once the form that is written longest, once the shortest. To look for it with
    # filters inside of the groups takes twice as long as all the rest.
    most, last = pl.col("count") * 2**32, 2**32 - 1
    longest, shortest = pl.col("longest") & last, last - (pl.col("shortest") & last)
    alone = longest == shortest
    return (
        counted.group_by("prompt_id")
        .agg(
            longest=(most + pl.col("written")).max(),
            shortest=(most + last - pl.col("written")).max(),
            votes=pl.col("count").sum(),
        )
        .select(
            "prompt_id",
            pl.when(alone).then(shortest).alias("won"),
            pl.col("votes").cast(pl.UInt32).alias("group.votes"),
            pl.when(alone)
            .then(pl.col("longest") // 2**32 / pl.col("votes"))
            .alias("group.vote_share"),
        )
    )
