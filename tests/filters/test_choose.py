"""Fates: every sample has one, and timing cannot change it."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.choose import Chooser, index_bits, with_eligible, with_fates
from filters.groups import with_groups
from infra.sampling import Need, eligible_prefix
from schemas.recipe import Choose

COLUMNS: dict[str, pl.DataType] = {"length": pl.Int64(), "correct": pl.Boolean()}
NEED = Need(probe=2, max=6, kept=2)


def fates(samples: pl.DataFrame, choose: Choose) -> pl.DataFrame:
    chooser = Chooser.compile(choose, COLUMNS)
    samples = with_eligible(samples, lambda j, k, w: eligible_prefix(j, k, w, NEED))
    return with_fates(with_groups(samples, NEED.probe), chooser)


def frame(rows: list[tuple[str, int, str | None, int]]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "prompt_id": prompt,
                "sample_index": index,
                "judged": True,
                "extensible": False,
                "reason": reason,
                "correct": reason is None,
                "wrong": reason == "wrong",
                "final_answer": None,
                "verdict": "true" if reason is None else "false",
                "length": length,
                "reasoning_tokens": length,
                "answer_tokens": None,
                "id": f"{prompt}{index}",
            }
            for prompt, index, reason, length in rows
        ],
        schema_overrides={
            "sample_index": pl.Int32,
            "reason": pl.String,
            "final_answer": pl.String,
            "answer_tokens": pl.Int32,
        },
    )


@given(
    st.dictionaries(
        st.tuples(st.sampled_from("abc"), st.integers(0, 200)),
        st.sampled_from([None, "wrong", "not judged"]),
    )
)
def test_bits_of_any_index(samples: dict[tuple[str, int], str | None]) -> None:
    rows = [(prompt, index, reason, 1) for (prompt, index), reason in samples.items()]
    judged = pl.col("reason").ne_missing("not judged")
    expected: dict[str, tuple[int, int, int, int]] = {}
    for (prompt, index), reason in samples.items():
        done, known, kept, wrong = expected.get(prompt, (0, 0, 0, 0))
        bit = 1 << index
        expected[prompt] = (
            done | bit,
            known | (0 if reason == "not judged" else bit),
            kept | (bit if reason is None else 0),
            wrong | (bit if reason == "wrong" else 0),
        )
    found = frame(rows) if rows else frame([("a", 0, None, 1)]).clear()
    found = found.with_columns(judged=judged, reason=pl.when(judged).then("reason"))
    assert index_bits(found) == expected


def test_every_fate() -> None:
    samples = frame(
        [
            ("a", 0, None, 9),
            ("a", 1, "not_right", 1),
            ("a", 2, None, 3),
            ("a", 3, None, 1),  # beyond the shortest prefix with two kept ones
            ("b", 0, None, 5),
        ]
    )
    found = fates(samples, Choose(per_prompt=1, order_by=("length",)))
    assert found["fate"].to_list() == [
        "beyond_per_prompt",
        "not_right",
        "published",
        "surplus",
        "published",
    ]
    assert found["settled"].to_list() == [True] * 4 + [False]


def test_what_is_still_to_be_gone_on_with() -> None:
    samples = frame([(p, i, None, 1) for p in "ab" for i in range(3)])
    extensible = pl.Series([False, True, False, False, False, True])
    samples = samples.with_columns(extensible=extensible, judged=~extensible)
    assert index_bits(samples) == {"a": (5, 5, 5, 0), "b": (3, 3, 3, 0)}
    found = fates(samples, Choose(per_prompt=2))
    assert found["settled"].to_list() == [False] * 3 + [True] * 3
    assert found["fate"][:3].to_list() == ["published", "not_continued", "surplus"]
    assert found["fate"][3:].to_list() == ["published", "published", "surplus"]


def test_descending_order_and_where() -> None:
    samples = frame([("a", 0, None, 1), ("a", 1, None, 2), ("b", 0, None, 1), ("b", 1, "x", 2)])
    found = fates(samples, Choose(order_by=("-length",), where="group.pass_rate < 1"))
    assert found["fate"].to_list() == ["where_not_met", "where_not_met", "published", "x"]


ROWS = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.integers(0, 5),
        st.sampled_from([None, "not_right"]),
        st.integers(0, 3),
    ),
    unique_by=lambda row: (row[0], row[1]),
    min_size=1,
)


@given(rows=ROWS, data=st.data())
def test_the_order_of_arrival_changes_nothing(
    rows: list[tuple[str, int, str | None, int]], data: st.DataObject
) -> None:
    choose = Choose(per_prompt=2, order_by=("length",))
    shuffled = data.draw(st.permutations(rows))
    found = fates(frame(rows), choose)
    assert found.equals(fates(frame(shuffled), choose))
    assert found.height == len(rows)
    assert found["fate"].null_count() == 0
    published = found.filter(pl.col("fate") == "published")
    assert published.filter(pl.col("reason").is_not_null() | ~pl.col("eligible")).is_empty()
    counts = published.group_by("prompt_id").len()["len"]
    assert counts.is_empty() or counts.max() <= 2  # type: ignore[operator]


def test_ties_are_broken_by_the_hash() -> None:
    samples = frame([("a", 0, None, 1), ("a", 1, None, 1)]).with_columns(id=pl.Series(["z", "b"]))
    found = fates(samples, Choose(order_by=("length",)))
    assert found["fate"].to_list() == ["beyond_per_prompt", "published"]


@pytest.mark.parametrize("order", ["lenght", "-nothing"])
def test_unknown_columns_are_refused(order: str) -> None:
    with pytest.raises(Exception, match=r"choose\.order_by\[0\]"):
        Chooser.compile(Choose(order_by=(order,)), COLUMNS)
