"""Fates: every sample has one, and timing cannot change it."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.made_texts import Texts
from filters.choose import (
    NEAR_DUPLICATE,
    PUBLISHED,
    Chooser,
    index_bits,
    with_eligible,
    with_fates,
)
from filters.distinct import SIGNATURE, ReadTexts
from filters.groups import with_groups
from filters.scorer import Response
from filters.signature import SignatureScorer
from infra.sampling import Need, eligible_prefix
from schemas.choosing import Choose
from schemas.errors import RecipeError

COLUMNS: dict[str, pl.DataType] = {"length": pl.Int64(), "correct": pl.Boolean()}
NEED = Need(probe=2, max=6, kept=2)
MADE = Texts(11)


def fates(
    samples: pl.DataFrame, choose: Choose, need: Need = NEED, texts: ReadTexts = lambda rows: rows
) -> pl.DataFrame:
    columns = COLUMNS | ({SIGNATURE: pl.String()} if SIGNATURE in samples.columns else {})
    chooser = Chooser.compile(choose, columns)
    samples = with_eligible(samples, lambda j, k, w: eligible_prefix(j, k, w, need))
    return with_fates(with_groups(samples, need.probe), chooser, texts)


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


def alike(rows: list[tuple[str, int, str | None, int, str]]) -> pl.DataFrame:
    """With texts, and their signatures."""
    scorer = SignatureScorer()
    samples = frame([row[:4] for row in rows])
    texts = pl.Series("answer", [row[4] for row in rows])
    own = [scorer(Response("", None, text, "stop")).values["minhash"] for text in texts]
    return samples.with_columns(
        texts, pl.Series(SIGNATURE, own, pl.String), reasoning=pl.lit(None, pl.String)
    )


def test_of_samples_that_are_alike_the_better_is_published() -> None:
    first, second, third = (" ".join(MADE.text(90)) for _ in range(3))
    near, further = f"{first} after all", " ".join([*first.split()[:45], *MADE.text(45)])
    samples = alike(
        [
            ("a", 0, None, 50, first),
            ("a", 1, None, 20, near),
            ("a", 2, None, 70, further),
            ("a", 3, "wrong", 10, first),
            ("a", 4, None, 90, second),
            ("b", 0, None, 1, first),
            ("b", 1, None, 2, third),
        ]
    )
    choose = Choose(per_prompt=2, order_by=("length",), distinct=0.8)
    need = Need(probe=5, max=6, kept=5)
    found = dict(fates(samples, choose, need).group_by("prompt_id").agg("fate").iter_rows())
    assert found["a"][:4] == [NEAR_DUPLICATE, PUBLISHED, PUBLISHED, "wrong"]
    assert found["b"] == [PUBLISHED, PUBLISHED], "prompts are not compared"
    assert NEAR_DUPLICATE not in fates(samples, Choose(per_prompt=2), need)["fate"]
    half = Choose(per_prompt=2, order_by=("length",), distinct=0.3)
    assert fates(samples, half, need)["fate"].to_list().count(NEAR_DUPLICATE) == 2
    shuffled = fates(samples.sample(fraction=1, shuffle=True, seed=1), choose, need)
    assert shuffled["fate"].equals(fates(samples, choose, need)["fate"])


def test_what_is_distinct_needs_signatures() -> None:
    with pytest.raises(RecipeError, match=r"choose\.distinct: .* add `signature` to `scorers`"):
        Chooser.compile(Choose(distinct=0.8), COLUMNS)
    with pytest.raises(RecipeError, match=r"choose\.diverse: .* add `signature` to `scorers`"):
        Chooser.compile(Choose(diverse=True), COLUMNS)


@given(rows=ROWS)
def test_the_published_have_their_place(rows: list[tuple[str, int, str | None, int]]) -> None:
    found = fates(frame(rows), Choose(per_prompt=2, order_by=("length",)))
    assert found["rank"].is_not_null().equals(found["fate"] == PUBLISHED)
    for _, own in (
        found.drop_nulls("rank")
        .sort("prompt_id", "length", "id")
        .group_by("prompt_id", maintain_order=True)
    ):
        assert own["rank"].to_list() == [1, 2][: own.height]
