"""Rules: dotted columns, errors that name the cure, null that is not false."""

import polars as pl
import pytest

from filters.rules import compile_expression, compile_rule, compile_rules, first_broken_rule
from schemas.errors import RecipeError

COLUMNS: dict[str, pl.DataType] = {
    "correct": pl.Boolean(),
    "language.share": pl.Float64(),
    "format.reason": pl.String(),
    "group.pass_rate": pl.Float64(),
}
FRAME = pl.DataFrame(
    {
        "correct": [True, False, None],
        "language.share": [1.0, 0.9, None],
        "format.reason": [None, "a.b", None],
        "group.pass_rate": [0.5, 1.0, None],
    }
)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("correct", [True, False, None]),
        ("language.share >= 0.95", [True, False, None]),
        ("language.share >= 0.95 and correct", [True, False, None]),
        ("language.share >= 0.95 or correct is null", [True, False, True]),
        ("group.pass_rate < 1", [True, False, None]),
        ("format.reason = 'a.b'", [None, True, None]),
        ('"language.share" > 0.5', [True, True, None]),
    ],
)
def test_rules_over_dotted_columns(rule: str, expected: list[bool | None]) -> None:
    compiled = compile_rule(rule, COLUMNS, "keep.x")
    assert FRAME.select(x=compiled)["x"].to_list() == expected


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("corect", "did you mean 'correct'"),
        ("language.shares > 1", "did you mean 'language.share'"),
        ("language.share", "a rule must be true or false"),
        ("language.share > 'x'", "keep.x"),
        ("correct and", "not an expression"),
        ("", "not an expression"),
        ("select * from t", "not an expression"),
        ("language.share > AVG(language.share)", "looks at other rows"),
        ("correct or COUNT(*) > 3", "looks at other rows"),
        ("ROW_NUMBER() OVER (ORDER BY language.share) > 1", "looks at other rows"),
    ],
)
def test_wrong_rules_are_refused(rule: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        compile_rule(rule, COLUMNS, "keep.x")


def test_the_first_broken_rule_is_the_reason() -> None:
    rules = compile_rules({"right": "correct", "readable": "language.share >= 0.95"}, COLUMNS)
    reasons = FRAME.select(x=first_broken_rule(rules))["x"].to_list()
    assert reasons == [None, "not_right", "right_undecided"]


def test_orders_may_be_any_type_but_must_work() -> None:
    assert compile_expression("language.share * 2", COLUMNS, "order") is not None
    assert compile_rule("format.reason = 'Len'", COLUMNS, "keep.x") is not None
    with pytest.raises(RecipeError, match="does not work on its columns"):
        compile_expression("language.share - format.reason", COLUMNS, "order")
