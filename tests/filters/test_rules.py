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
    keep = {"right": "correct", "readable": "language.share >= 0.95"}
    rules = compile_rules(keep, COLUMNS, leaks_known=False)
    assert not rules.prompts
    reasons = FRAME.select(x=first_broken_rule(rules.samples))["x"].to_list()
    assert reasons == [None, "not_right", "right_undecided"]


def test_orders_may_be_any_type_but_must_work() -> None:
    assert compile_expression("language.share * 2", COLUMNS, "order") is not None
    assert compile_rule("format.reason = 'Len'", COLUMNS, "keep.x") is not None
    with pytest.raises(RecipeError, match="does not work on its columns"):
        compile_expression("language.share - format.reason", COLUMNS, "order")


def test_rules_about_prompts_stand_apart() -> None:
    keep = {"right": "correct", "new": "prompt.leak_run < 8"}
    rules = compile_rules(keep, COLUMNS, leaks_known=True)
    assert (list(rules.samples), list(rules.prompts)) == (["right"], ["new"])
    rules = compile_rules({"right": "correct"}, COLUMNS, leaks_known=True)
    assert list(rules.prompts) == ["decontaminated"], "unless a rule asks for leaks"


def test_a_rule_about_a_prompt_and_its_samples_is_refused() -> None:
    keep = {"x": "not prompt.leaked or correct"}
    with pytest.raises(RecipeError, match=r"keep\.x.*for its samples \(correct\).*two rules"):
        compile_rules(keep, COLUMNS, leaks_known=True)
    with pytest.raises(RecipeError, match=r"'prompt\.leaked', which is not there; name eval"):
        compile_rules({"x": "not prompt.leaked"}, COLUMNS, leaks_known=False)


def test_a_rule_may_take_the_default_s_name_and_place() -> None:
    rules = compile_rules({"decontaminated": "true"}, COLUMNS, leaks_known=True)
    assert (list(rules.samples), list(rules.prompts)) == (["decontaminated"], [])
