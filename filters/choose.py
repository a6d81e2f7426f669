"""Which of a prompt's kept samples are published, and what becomes of all others.

Every sample ends with one `fate`: `published`, or a reason. The fates of a version add up to all
samples that were drawn.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

import polars as pl

from filters.distinct import SIGNATURE, ReadTexts, near_duplicates_of_better
from filters.diverse import diverse_places
from filters.groups import GROUP_COLUMNS
from filters.rules import compile_expression, compile_rule
from schemas.choosing import Choose, Trim
from schemas.errors import RecipeError

PUBLISHED = "published"
SURPLUS = "surplus"
NOT_SCORED = "not_scored"
NOT_CONTINUED = "not_continued"
"""Truncated at fewer tokens than the recipe lets it have."""
BEYOND = "beyond_per_prompt"
WHERE_NOT_MET = "where_not_met"
TRIMMED_SHORT = "trimmed_short"
TRIMMED_LONG = "trimmed_long"
NEAR_DUPLICATE = "near_duplicate"
"""Of a better one that may be published."""
FATES = (
    PUBLISHED,
    SURPLUS,
    BEYOND,
    WHERE_NOT_MET,
    NEAR_DUPLICATE,
    TRIMMED_SHORT,
    TRIMMED_LONG,
    NOT_SCORED,
    NOT_CONTINUED,
)
"""Of any recipe's samples; its own rules have more."""

NO_TRIM = Trim()
OPEN = pl.col("fate").is_null()
WORD_BITS = 62
"""So many sample indexes fit into one integer of a column."""

EligibleCount = Callable[[int, int, int], tuple[int, bool]]
"""(judged, kept, wrong) bits of a prompt's samples -> (how many are eligible, settled)."""


@dataclass(frozen=True)
class Chooser:
    """The compiled `choose` of a recipe."""

    per_prompt: int
    order: tuple[tuple[pl.Expr, bool], ...]
    """Expressions, and whether they sort descending."""
    where: pl.Expr
    trim: Trim = NO_TRIM
    distinct: float | None = None
    diverse: bool = False

    @classmethod
    def compile(cls, choose: Choose, columns: Mapping[str, pl.DataType]) -> "Chooser":
        """RecipeError where an order or `where` does not fit the columns, or nothing tells what is
        distinct or diverse."""
        comparing = {"distinct": choose.distinct is not None, "diverse": choose.diverse}
        for field, asked in comparing.items():
            if asked and SIGNATURE not in columns:
                raise RecipeError(
                    f"choose.{field}: compares signatures of samples; add `signature` to `scorers`"
                )
        available = {**columns, **GROUP_COLUMNS}
        order = tuple(
            (
                compile_expression(text.removeprefix("-"), available, f"choose.order_by[{i}]"),
                text.startswith("-"),
            )
            for i, text in enumerate(choose.order_by)
        )
        where = (
            pl.lit(True)
            if choose.where is None
            else compile_rule(choose.where, available, "choose.where")
        )
        return cls(choose.per_prompt, order, where, choose.trim, choose.distinct, choose.diverse)


def with_eligible(samples: pl.DataFrame, eligible_count: EligibleCount) -> pl.DataFrame:
    """Adds `eligible` and `settled`, by replaying the stopping rule of the scheduler.

    Needs what `index_bits` does.
    """
    bits = index_bits(samples)
    known = cache(eligible_count)  # most prompts went like many others
    counts = [known(*verdicts) for _, *verdicts in bits.values()]
    groups = pl.DataFrame(
        {
            "prompt_id": pl.Series([*bits], dtype=samples["prompt_id"].dtype),
            "eligible_indexes": pl.Series([count for count, _ in counts], dtype=pl.Int32),
            "settled": pl.Series([settled for _, settled in counts], dtype=pl.Boolean),
        }
    )
    return (
        samples.join(groups, on="prompt_id", how="left")
        .with_columns(eligible=pl.col("sample_index") < pl.col("eligible_indexes"))
        .drop("eligible_indexes")
    )


def index_bits(samples: pl.DataFrame) -> dict[str, tuple[int, int, int, int]]:
    """(done, judged, kept, wrong) of each prompt: bit sets over sample indexes. One that is
    `extensible` is still to be drawn.

    Needs `prompt_id, sample_index, extensible, judged, reason, wrong`; without a `reason` a sample
    is kept.
    """
    judged, kept = pl.col("judged"), pl.col("judged") & pl.col("reason").is_null()
    samples = samples.select(
        "prompt_id", "sample_index", "wrong", done=~pl.col("extensible"), judged=judged, kept=kept
    )
    index, highest = pl.col("sample_index"), samples["sample_index"].max() or 0
    assert isinstance(highest, int)
    found: dict[str, tuple[int, int, int, int]] = {}
    for start in range(0, highest + 1, WORD_BITS):
        own = samples.filter(index.is_between(start, start + WORD_BITS - 1))
        bit = pl.lit(2, pl.Int64).pow((index - start).cast(pl.UInt32))
        words = own.group_by("prompt_id").agg(
            bit.filter(name).sum().alias(name) for name in ("done", "judged", "kept", "wrong")
        )
        for prompt_id, *word in words.iter_rows():
            before = found.get(prompt_id, (0, 0, 0, 0))
            found[prompt_id] = (
                before[0] | word[0] << start,
                before[1] | word[1] << start,
                before[2] | word[2] << start,
                before[3] | word[3] << start,
            )
    return found


def with_fates(samples: pl.DataFrame, chooser: Chooser, texts: ReadTexts) -> pl.DataFrame:
    """Adds `fate`, and `rank`: of those that are published their place in their prompt, from 1.

    Needs what `with_eligible` and `with_groups` add, and `id`, a hash that breaks ties, so that the
    result does not depend on the order of the rows. `texts` are read where samples have to be
    distinct, of those that seem not to be."""
    where = chooser.where.fill_null(False)
    samples = (
        samples.with_columns(
            fate=pl.when(pl.col("extensible") & ~pl.col("settled"))
            .then(pl.lit(NOT_CONTINUED))
            .when(~pl.col("judged") & ~pl.col("extensible"))
            .then(pl.lit(NOT_SCORED))
            .when(~pl.col("eligible"))
            .then(pl.lit(SURPLUS))
            .otherwise(pl.col("reason"))
        )
        .with_columns(
            fate=pl.when(OPEN & ~where).then(pl.lit(WHERE_NOT_MET)).otherwise(pl.col("fate"))
        )
        .sort("prompt_id", "sample_index")
    )
    candidates = in_order(samples, chooser)
    if chooser.trim != NO_TRIM:
        candidates = _trimmed(candidates, chooser.trim)
    if chooser.distinct is not None:
        candidates = _with_near_duplicates(candidates, chooser.distinct, samples, texts)
    candidates = _with_rank(candidates, chooser, samples)
    chosen = pl.col("rank").is_not_null()
    return (
        samples.with_row_index()
        .join(
            candidates.select("index", "rank", lost="fate"),
            on="index",
            how="left",
            maintain_order="left",
        )
        .with_columns(
            fate=pl.when(chosen).then(pl.lit(PUBLISHED)).otherwise(pl.coalesce("fate", "lost"))
        )
        .drop("index", "lost")
    )


def in_order(samples: pl.DataFrame, chooser: Chooser) -> pl.DataFrame:
    """What may be published, as it has no `fate` yet, best first, prompt by prompt: `index`, the
    row, `prompt`, a number, `tokens`, `id` and the empty `fate`. Narrow, since to sort all columns
    takes far longer. Needs `id` and what the order asks for."""
    order = [expression.alias(f"order_{i}") for i, (expression, _) in enumerate(chooser.order)]
    length = pl.col("reasoning_tokens") + pl.col("answer_tokens")
    descending = [down for _, down in chooser.order]
    return (
        samples.lazy()
        .with_row_index()
        .with_columns(prompt=pl.col("prompt_id").rle_id())
        .filter(OPEN)
        .select("index", "prompt", "id", "fate", *order, tokens=length)
        .sort(
            ["prompt", *(f"order_{i}" for i in range(len(order))), "id"],
            descending=[False, *descending, False],
            nulls_last=True,
        )
        .select("index", "prompt", "tokens", "id", "fate")
        .collect()
    )


def _trimmed(candidates: pl.DataFrame, trim: Trim) -> pl.DataFrame:
    """With the fates of those that are too short or too long for their prompt, of those whose
    length is known."""
    count, place = pl.len().over("prompt"), pl.int_range(pl.len()).over("prompt")
    # As a float 0.1 of 30 is a little more than 3.
    short, long = ((share * count - 1e-9).ceil() for share in (trim.shortest, trim.longest))
    known = candidates.lazy().filter(pl.col("tokens").is_not_null())
    by_length = known.sort("prompt", "tokens", "id").filter(short + long < count)
    return (
        candidates.lazy()
        .drop("fate")
        .join(
            by_length.select(
                "index",
                fate=pl.when(place < short)
                .then(pl.lit(TRIMMED_SHORT))
                .when(place >= count - long)
                .then(pl.lit(TRIMMED_LONG)),
            ),
            on="index",
            how="left",
            maintain_order="left",
        )
        .collect()
    )


def _with_near_duplicates(
    candidates: pl.DataFrame, similar: float, samples: pl.DataFrame, texts: ReadTexts
) -> pl.DataFrame:
    left = candidates.filter(OPEN)["index"]
    near = left.filter(near_duplicates_of_better(samples[left], similar, texts))
    is_near = pl.col("index").is_in(near.implode())
    return candidates.with_columns(
        fate=pl.when(is_near).then(pl.lit(NEAR_DUPLICATE)).otherwise(pl.col("fate"))
    )


def _with_rank(candidates: pl.DataFrame, chooser: Chooser, samples: pl.DataFrame) -> pl.DataFrame:
    """With `rank`, and the fate of those that are beyond `per_prompt`."""
    left = candidates.filter(OPEN)
    if chooser.diverse:
        signed = samples.select("prompt_id", SIGNATURE)[left["index"]]
        ranks = left.select("index", rank=diverse_places(signed, chooser.per_prompt))
    else:
        place = pl.int_range(1, pl.len() + 1, dtype=pl.Int32).over("prompt")
        ranks = left.select("index", rank=place).filter(pl.col("rank") <= chooser.per_prompt)
    return candidates.join(ranks, on="index", how="left").with_columns(
        fate=pl.when(OPEN & pl.col("rank").is_null()).then(pl.lit(BEYOND)).otherwise("fate")
    )
