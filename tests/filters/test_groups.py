"""What the samples of a prompt say together."""

import random
from collections.abc import Sequence
from math import comb

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.groups import GROUP_COLUMNS, beta_interval, with_groups

VERDICTS = ("true", "false", "unparsable", "timeout", None)


Row = tuple[str, int, str | None, int | None]


def frame(rows: Sequence[Row]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "prompt_id": prompt,
                "sample_index": index,
                "verdict": verdict,
                "correct": {"true": True, "false": False}.get(verdict or ""),
                "final_answer": None,
                "eligible": True,
                "judged": True,
                "reason": None if verdict == "true" else "not_right",
                "reasoning_tokens": tokens,
                "answer_tokens": 1,
            }
            for prompt, index, verdict, tokens in rows
        ],
        schema_overrides={
            "sample_index": pl.Int32, "verdict": pl.String, "correct": pl.Boolean,
            "reason": pl.String, "final_answer": pl.String, "reasoning_tokens": pl.Int32,
        },
    )  # fmt: skip


def test_who_could_not_be_read_counts_apart() -> None:
    rows = [("a", 0, "true", 5), ("a", 1, "false", 5), ("a", 2, "unparsable", 5),
            ("a", 3, "timeout", 5), ("a", 4, "true", 5), ("b", 0, "timeout", 5)]  # fmt: skip
    found = with_groups(frame(rows), probe=4).unique("prompt_id").sort("prompt_id")
    names = ["pass_rate", "judged", "unparsable", "timeouts"]
    said = [found[f"group.{name}"].to_list() for name in names]
    assert said == [[0.5, None], [2, 0], [1, 0], [1, 1]]
    assert found["group.pass_rate_low"].to_list() == pytest.approx([0.0943, 0.0250], abs=1e-4)
    assert found["group.pass_rate_high"].to_list() == pytest.approx([0.9057, 0.9750], abs=1e-4)


def test_lengths_are_ranked_among_the_kept() -> None:
    rows = [("a", 0, "true", 300), ("a", 1, "false", 100), ("a", 2, "true", 200),
            ("a", 3, "true", 100), ("b", 0, "true", 7), ("c", 0, "true", 4),
            ("c", 1, "true", 4)]  # fmt: skip
    found = with_groups(frame(rows), probe=4)["group.length_rank"].to_list()
    assert found == [1.0, None, 0.5, 0.0, 0.5, 0.5, 0.5]


@given(st.integers(0, 64), st.integers(0, 64))
def test_the_interval_holds_95_percent(right: int, wrong: int) -> None:
    """By adding up Beta's density, which for whole numbers is a binomial's."""
    low, high = beta_interval(right, right + wrong)
    assert 0 <= low < high <= 1
    steps, throws = 4000, right + wrong
    inside = sum(
        comb(throws, right) * x**right * (1 - x) ** wrong * (throws + 1) / steps
        for x in ((step + 0.5) / steps for step in range(steps))
        if low <= x <= high
    )
    assert inside == pytest.approx(0.95, abs=0.01)
    assert low == pytest.approx(1 - beta_interval(wrong, throws)[1], abs=1e-5)


ROWS = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 9), st.sampled_from(VERDICTS),
              st.none() | st.integers(0, 9)),
    unique_by=lambda row: (row[0], row[1]),
    min_size=1,
)  # fmt: skip


@given(ROWS, st.integers(0, 2**32))
def test_the_order_of_rows_changes_nothing(rows: list[Row], seed: int) -> None:
    shuffled = random.Random(seed).sample(rows, len(rows))
    one, other = (
        with_groups(frame(some), probe=4).sort("prompt_id", "sample_index")
        for some in (rows, shuffled)
    )
    assert one.equals(other)
    assert {name: one.schema[name] for name in GROUP_COLUMNS} == GROUP_COLUMNS
