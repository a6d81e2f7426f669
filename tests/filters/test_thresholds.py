"""Numbers that a rule compares with, and other numbers in their place."""

import math
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.rules import compile_rule
from filters.thresholds import Region, number_in, regions, thresholds, written

COLUMNS: dict[str, pl.DataType] = {
    "a": pl.Float64(),
    "b": pl.Int64(),
    "s.share": pl.Float64(),
    "domain": pl.String(),
}


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        ("s.share >= 0.95 and b < 2", [("s.share", "0.95"), ("b", "2")]),
        ("0.5 < a", [("a", "0.5")]),
        ("not (b > -3)", [("b", "-3")]),
        ("b>-3 or 5 <= -b", [("b", "-3"), ("-b", "5")]),
        ("a * 2 + 1 > 10", [("a * 2 + 1", "10")]),
        ("abs(a - 0.5) <= .25", [("abs(a - 0.5)", ".25")]),
        ("b not between 1 and 20 and a = 1e-3", [("b", "1"), ("b", "20"), ("a", "1e-3")]),
        ("case when domain = 'x' then a > 3 else a > 4 end", [("a", "3"), ("a", "4")]),
        ("case when domain = 'x' then a else b end > 4",
         [("case when domain = 'x' then a else b end", "4")]),
        ("domain = '0.9 < a' and b > 1 -- a < 7", [("b", "1")]),
        ("domain = 'it''s > 2' and a /* > 8 */ > 1.", [("a", "1.")]),
        ("a + 3 > b and a - 3 < b and round(a, 2) > b", []),
        ("b in (1, 2, 3) and domain is not null", []),
        ("a > 2 * b", []),
    ],
)  # fmt: skip
def test_what_a_rule_compares_with(rule: str, found: list[tuple[str, str]]) -> None:
    compile_rule(rule, COLUMNS, "keep.rule")
    told = thresholds(rule)
    assert [(one.operand, one.number) for one in told] == found
    for one in told:
        assert one.changed(one.number) == rule
        compile_rule(one.changed("-0.125"), COLUMNS, "keep.rule")


def test_a_changed_rule_decides_at_the_new_number() -> None:
    rows = pl.DataFrame({"a": [0.1, 0.5, 0.9], "b": [1, 2, 3], "s.share": [0.0] * 3})
    rows = rows.with_columns(domain=pl.lit("a > 0.4"))
    (one,) = thresholds("domain = 'a > 0.4' and a >= 0.7 -- a >= 0.7")
    for number, kept in [("0.7", 1), ("0.5", 2), ("0.1", 3), ("1", 0)]:
        rule = compile_rule(one.changed(number), COLUMNS, "keep.rule")
        assert rows.filter(rule).height == kept


numbers = st.floats(-1e9, 1e9).map(lambda x: round(x, 6)) | st.integers(-9, 9).map(float)


@given(st.lists(numbers, max_size=8), numbers, st.booleans())
def test_regions_leave_nothing_out(values: list[float], current: float, up: bool) -> None:
    told = list(regions(values, current, up=up))
    ends = [(one.low, one.high) if up else (one.high, one.low) for one in told]
    for (_, end), (start, _) in pairwise(ends):
        assert end == start, "they follow each other"
    if told:
        assert math.isinf(ends[-1][1])
    beyond = {value for value in values if (value > current if up else value < current)}
    assert {one.low for one in told if one.is_point} == beyond
    for one in told:
        if (number := number_in(one, current, whole=False)) is not None:
            value = float(number)
            assert value == one.low if one.is_point else one.low < value < one.high


@pytest.mark.parametrize(
    ("region", "current", "whole", "wide", "number"),
    [
        (Region(0.9312, 0.9312), 0.95, False, True, "0.93"),
        (Region(0.9312, 0.9312), 0.95, False, False, "0.9312"),
        (Region(137, 137), 100, True, True, "137"),
        (Region(137, math.inf), 100, True, False, "138"),
        (Region(5, 6), 4, True, False, None),
        (Region(1, math.inf), 1, False, False, "1.1"),
        (Region(0.5, 0.500001), 0.4, False, False, "0.5000001"),
    ],
)
def test_a_number_is_near_and_round(
    region: Region, current: float, whole: bool, wide: bool, number: str | None
) -> None:
    assert number_in(region, current, whole=whole, wide=wide) == number


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_written_number_is_exact(value: float) -> None:
    assert float(written(value)) == value
