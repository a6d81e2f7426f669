"""Choosing as a whole, over random pools: what must hold of every fate."""

import base64
from collections.abc import Sequence
from math import ceil
from random import Random
from typing import NamedTuple

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from filters.choose import (
    PUBLISHED,
    SURPLUS,
    TRIMMED_LONG,
    TRIMMED_SHORT,
    WHERE_NOT_MET,
    Chooser,
    with_eligible,
    with_fates,
)
from filters.distinct import SIGNATURE
from filters.groups import with_groups
from filters.near_duplicates import PERMUTATIONS
from infra.sampling import Need, eligible_prefix
from schemas.choosing import Choose, Trim
from schemas.identity import identity

NEED = Need(probe=3, max=9, kept=5)
COLUMNS: dict[str, pl.DataType] = {"quality": pl.Int64(), SIGNATURE: pl.String()}
TEXTS = [
    base64.b64encode(bytes([a]) * 64 + bytes([b]) * 64).decode() for a in range(3) for b in range(3)
]
assert PERMUTATIONS == 128


class Row(NamedTuple):
    prompt: str
    number: int
    reason: str | None
    quality: int | None
    tokens: int
    text: str | None


ROWS = st.lists(
    st.builds(
        Row,
        st.sampled_from("abcd"),
        st.integers(0, 8),
        st.sampled_from([None, None, None, "not_right"]),
        st.none() | st.integers(0, 3),
        st.integers(0, 4),
        st.none() | st.sampled_from(TEXTS),
    ),
    unique_by=lambda row: row[:2],
    min_size=1,
    max_size=30,
)
SHARES = st.sampled_from([0.0, 0.1, 0.25, 1 / 3, 0.49])
CHOOSE = st.builds(
    Choose,
    per_prompt=st.integers(1, 5),
    order_by=st.sampled_from([(), ("quality",), ("-quality", "group.length_rank")]),
    where=st.sampled_from([None, "quality > 0 or group.pass_rate = 1"]),
    trim=st.builds(Trim, shortest=SHARES, longest=SHARES),
    diverse=st.booleans(),
)


def fates(rows: Sequence[Row], choose: Choose, need: Need = NEED) -> pl.DataFrame:
    samples = pl.DataFrame(
        [
            {
                "prompt_id": row.prompt,
                "sample_index": row.number,
                "judged": True,
                "extensible": False,
                "reason": row.reason,
                "correct": row.reason is None,
                "wrong": row.reason is not None,
                "final_answer": None,
                "verdict": "true" if row.reason is None else "false",
                "quality": row.quality,
                "reasoning_tokens": row.tokens,
                "answer_tokens": 1,
                SIGNATURE: row.text,
                "id": identity("y", row[:2]),
            }
            for row in rows
        ],
        schema_overrides={
            "sample_index": pl.Int32,
            "quality": pl.Int64,
            **dict.fromkeys(("reason", "final_answer", SIGNATURE), pl.String),
        },
    )
    chooser = Chooser.compile(choose, COLUMNS)
    samples = with_eligible(samples, lambda j, k, w: eligible_prefix(j, k, w, need))
    return with_fates(with_groups(samples, need.probe), chooser, lambda rows: rows)


@given(ROWS, CHOOSE, st.randoms())
def test_neither_order_nor_partition_changes_anything(
    rows: list[Row], choose: Choose, random: Random
) -> None:
    found = fates(rows, choose)
    random.shuffle(rows)
    assert found.equals(fates(rows, choose))
    prompts = sorted({row.prompt for row in rows})
    apart = [fates([row for row in rows if row.prompt == prompt], choose) for prompt in prompts]
    assert found.equals(pl.concat(apart))


@given(ROWS, CHOOSE)
def test_what_holds_of_every_choice(rows: list[Row], choose: Choose) -> None:
    found = fates(rows, choose)
    assert found.select("prompt_id", "sample_index").rows() == sorted(row[:2] for row in rows)
    assert found["fate"].null_count() == 0
    assert found["rank"].is_not_null().equals(found["fate"] == PUBLISHED)
    published = found.filter(pl.col("fate") == PUBLISHED)
    assert published.filter(pl.col("reason").is_not_null() | ~pl.col("eligible")).is_empty()
    candidates = found.filter(
        pl.col("eligible") & pl.col("reason").is_null() & (pl.col("fate") != WHERE_NOT_MET)
    )
    assert set(candidates["prompt_id"]) == set(published["prompt_id"]), "one of each at least"
    for (prompt,), own in published.group_by("prompt_id"):
        left = candidates.filter(
            (pl.col("prompt_id") == prompt) & ~pl.col("fate").is_in([TRIMMED_SHORT, TRIMMED_LONG])
        )
        count = min(choose.per_prompt, left.height)
        assert sorted(own["rank"]) == [*range(1, count + 1)]
    surplus = found.filter(pl.col("reason").is_null() & ~pl.col("eligible"))
    assert set(surplus["fate"]) <= {SURPLUS}


@given(ROWS, CHOOSE)
def test_the_shortest_and_the_longest_are_trimmed(rows: list[Row], choose: Choose) -> None:
    found = fates(rows, choose)
    open_before = ~pl.col("fate").is_in([SURPLUS, WHERE_NOT_MET]) & pl.col("reason").is_null()
    for _, own in found.filter(open_before).group_by("prompt_id"):
        ordered = own.sort("reasoning_tokens", "id")["fate"].to_list()
        short, long = (
            ceil(round(share * len(ordered), 6))
            for share in (choose.trim.shortest, choose.trim.longest)
        )
        if short + long >= len(ordered):
            short = long = 0
        trimmed = [fate if fate in (TRIMMED_SHORT, TRIMMED_LONG) else None for fate in ordered]
        middle = [None] * (len(ordered) - short - long)
        assert trimmed == [TRIMMED_SHORT] * short + middle + [TRIMMED_LONG] * long


def test_a_tenth_of_thirty_is_three() -> None:
    rows = [Row("a", n, None, 0, n, None) for n in range(30)]
    choose = Choose(per_prompt=30, trim=Trim(shortest=0.1, longest=0.05))
    found = fates(rows, choose, Need(probe=30, max=30, kept=1))
    fate = found["fate"].to_list()
    assert fate == [TRIMMED_SHORT] * 3 + [PUBLISHED] * 25 + [TRIMMED_LONG] * 2


@given(ROWS, st.integers(1, 4))
def test_the_best_one_comes_first_and_a_longer_choice_goes_on(
    rows: list[Row], per_prompt: int
) -> None:
    choose = Choose(per_prompt=per_prompt, order_by=("-quality",), diverse=True)
    found = fates(rows, choose)
    best = fates(rows, Choose(per_prompt=1, order_by=("-quality",)))
    first = pl.col("rank") == 1
    assert found.filter(first).equals(best.filter(first))
    more = fates(rows, choose.model_copy(update={"per_prompt": per_prompt + 1}))
    assert found.drop_nulls("rank").equals(more.filter(pl.col("rank") <= per_prompt))
