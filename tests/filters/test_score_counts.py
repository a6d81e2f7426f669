"""How the values of scores are spread."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from filters.score_counts import added_up, score_counts

COLUMNS = ["repetition.share", "format.complete", "language.code"]
ROWS = st.lists(
    st.tuples(
        st.none() | st.floats(allow_infinity=True, allow_nan=True, width=32),
        st.none() | st.booleans(),
        st.none() | st.just("not_correct"),
        st.booleans(),
    ),
    max_size=40,
)
Row = tuple[float | None, bool | None, str | None, bool]


def frame(rows: list[Row]) -> pl.DataFrame:
    kinds = {
        "repetition.share": pl.Float64,
        "format.complete": pl.Boolean,
        "reason": pl.String,
        "judged": pl.Boolean,
    }
    return pl.DataFrame(rows, schema=kinds, orient="row").with_columns(
        pl.lit("en").alias("language.code")
    )


def test_counts() -> None:
    rows: list[Row] = [
        (0.1234, True, None, True),
        (0.1199, True, None, True),
        (0.5, False, "not_correct", True),
        (None, None, None, True),
        (float("nan"), True, None, False),
    ]
    assert score_counts(frame(rows), COLUMNS).rows() == [
        ("format.complete", 0.0, False, 1),
        ("format.complete", 1.0, True, 2),
        ("repetition.share", 0.12, True, 2),
        ("repetition.share", 0.5, False, 1),
    ]


@given(ROWS, ROWS)
def test_shards_add_up(first: list[Row], second: list[Row]) -> None:
    apart = added_up([score_counts(frame(first), COLUMNS), score_counts(frame(second), COLUMNS)])
    assert apart.equals(score_counts(frame(first + second), COLUMNS))


def test_nothing() -> None:
    assert added_up([]).is_empty()
