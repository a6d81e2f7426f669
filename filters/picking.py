"""What all outputs pick their rows by, and what their rows have in common."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from filters.choose import Chooser
from filters.distinct import ReadTexts
from filters.groups import tokens_or_guess
from filters.pairs import Pairer
from filters.scorer import Scorer
from filters.scorers import scorers_of

PROMPT_COLUMNS = ("messages", "reference", "license")
"""What rows have from their prompts."""
SAMPLE_COLUMNS = (
    "id",
    "prompt_id",
    "sample_index",
    "domain",
    "source",
    "final_answer",
    "correct",
    "prompt_tokens",
    "reasoning_tokens",
    "answer_tokens",
    "teacher_id",
    "text_digest",
    "group.pass_rate",
    "path",
    "row",
)
"""The narrow columns of every output whose rows are single samples."""


@dataclass(frozen=True)
class Picking:
    """What a recipe says about which samples are rows, compiled, and how their texts are read."""

    chooser: Chooser
    pairer: Pairer | None
    """Null without the output `preference`."""
    scorers: Mapping[str, Scorer]
    by_domain: Mapping[str, tuple[str, ...]]
    """Names of scorers."""
    texts: ReadTexts

    def verifier(self, domains: pl.Series) -> pl.Expr:
        """Of each row's `domain` the scorer that tells right from wrong; null where none does."""
        names = {domain: self._verifier(domain) for domain in domains.unique()}
        return pl.col("domain").replace_strict(names, return_dtype=pl.String)

    def _verifier(self, domain: str) -> str | None:
        names = scorers_of(self.by_domain, domain)
        return next((name for name in names if self.scorers[name].verifies), None)


def in_part() -> pl.Expr:
    """What a sample counts in a part: its tokens, and its prompt's."""
    return (pl.col("prompt_tokens").fill_null(0) + tokens_or_guess()).cast(pl.Int64)


def of_one_sample(generator: str) -> dict[str, pl.Expr]:
    """Columns that `reward` and `raw` fill in the same way."""
    return {
        "prompt": pl.col("messages"),
        "answer": pl.col("final_answer"),
        "reference_answer": pl.col("reference"),
        "response_tokens": pl.col("answer_tokens"),
        "pass_rate": pl.col("group.pass_rate"),
        "generator": pl.lit(generator),
    }


def score_columns(scorers: Mapping[str, Scorer]) -> list[str]:
    """The columns that `scores_struct` is made of."""
    return [f"{name}.{field}" for name, scorer in scorers.items() for field in _fields(scorer)]


def scores_struct(scorers: Mapping[str, Scorer]) -> pl.Expr:
    """`scores.<scorer>.<field>`: everything that was found out about the sample."""
    structs = [
        pl.struct(pl.col(f"{name}.{field}").alias(field) for field in _fields(scorer)).alias(name)
        for name, scorer in sorted(scorers.items())
    ]
    return pl.struct(structs)


def _fields(scorer: Scorer) -> Sequence[str]:
    verifying = ["verdict"] if scorer.verifies else []
    return [*scorer.fields, "reason", *verifying]
