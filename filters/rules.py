"""Rules: Polars SQL expressions over columns, checked before anything runs."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import polars as pl

from filters.duplicates import DUPLICATE_COLUMNS
from filters.leaks import LEAK_COLUMNS
from filters.scorer import FieldType, Scorer
from schemas.errors import RecipeError

DTYPES: dict[FieldType, pl.DataType] = {
    bool: pl.Boolean(),
    int: pl.Int64(),
    float: pl.Float64(),
    str: pl.String(),
}
SAMPLE_COLUMNS: dict[str, pl.DataType] = {
    "correct": pl.Boolean(),
    "domain": pl.String(),
    "source": pl.String(),
    "finish_reason": pl.String(),
    "thinking_cut": pl.Boolean(),
    "sample_index": pl.Int32(),
    "prompt_tokens": pl.Int32(),
    "reasoning_tokens": pl.Int32(),
    "answer_tokens": pl.Int32(),
    "mean_logprob": pl.Float64(),
    "lowest_logprob": pl.Float64(),
    "tail_logprob": pl.Float64(),
}
PROMPT_COLUMNS: dict[str, pl.DataType] = {
    "domain": pl.String(),
    "source": pl.String(),
    **LEAK_COLUMNS,
    **DUPLICATE_COLUMNS,
}
"""What is known of a prompt before anything is drawn."""
DECONTAMINATED = "decontaminated"
OF_PROMPTS_ALONE = PROMPT_COLUMNS.keys() - SAMPLE_COLUMNS.keys()
_QUOTED_OR_DOTTED = re.compile(
    r"""('(?:[^']|'')*'|"(?:[^"]|"")*")|(?<![\w.])([A-Za-z_]\w*\.[A-Za-z_]\w*)(?![\w.(])"""
)


def scorer_columns(scorer: Scorer) -> dict[str, pl.DataType]:
    """The columns that a scorer fills, by name."""
    columns = {f"{scorer.name}.{field}": DTYPES[kind] for field, kind in scorer.fields.items()}
    columns[f"{scorer.name}.reason"] = pl.String()
    if scorer.verifies:
        columns[f"{scorer.name}.verdict"] = pl.String()
        columns[f"{scorer.name}.correct"] = pl.Boolean()
    return columns


def rule_columns(scorers: Mapping[str, Scorer]) -> dict[str, pl.DataType]:
    """Every column that a `keep` rule may use."""
    columns = dict(SAMPLE_COLUMNS)
    for scorer in scorers.values():
        columns |= scorer_columns(scorer)
    return columns


def compile_expression(text: str, columns: Mapping[str, pl.DataType], where: str) -> pl.Expr:
    """The Polars expression of a rule or an order.

    `where` names the field of the recipe in errors. RecipeError if the text is no expression or
    uses a column that is not there.
    """
    # SQL reads `a.b` as column b of table a; ours are columns with a dot in their name.
    quoted = _QUOTED_OR_DOTTED.sub(lambda m: m[1] or f'"{m[2]}"', text)
    try:
        expression = pl.sql_expr(quoted)
        used = expression.meta.root_names()
    except (pl.exceptions.PolarsError, ValueError) as error:
        raise RecipeError(f"{where}: {text!r} is not an expression: {error}") from error
    if _looks_at_other_rows(json.loads(expression.meta.serialize(format="json"))):
        raise RecipeError(
            f"{where}: {text!r} looks at other rows; it may use the columns of one sample alone "
            "(group.* columns compare the samples of a prompt)"
        )
    for column in used:
        if column not in columns:
            near = get_close_matches(column, columns, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            if column in OF_PROMPTS_ALONE and not where.startswith("keep."):
                hint = "it is known of a prompt before anything is drawn: ask for it in `keep`. "
            elif column in LEAK_COLUMNS:
                hint = "name evaluation sets in `decontaminate` first. "
            raise RecipeError(
                f"{where}: {text!r} uses the column {column!r}, which is not there; {hint}"
                f"Columns: {', '.join(sorted(columns))}"
            )
    try:
        _result_type(expression, columns)
    except pl.exceptions.PolarsError as error:
        raise RecipeError(f"{where}: {text!r} does not work on its columns: {error}") from error
    return expression


def _result_type(expression: pl.Expr, columns: Mapping[str, pl.DataType]) -> pl.DataType:
    return pl.DataFrame(schema=dict(columns)).select(result=expression).schema["result"]


def _looks_at_other_rows(node: Any) -> bool:
    """Whether a serialised expression aggregates: its value would depend on the batch it is in.

    Polars' own `is_row_separable` looks at the outermost operation alone.
    """
    if isinstance(node, dict):
        return not node.keys().isdisjoint({"Agg", "Over"}) or any(
            (value == "Len" and key not in ("String", "Column")) or _looks_at_other_rows(value)
            for key, value in node.items()
        )
    return isinstance(node, list) and any(map(_looks_at_other_rows, node))


def compile_rule(text: str, columns: Mapping[str, pl.DataType], where: str) -> pl.Expr:
    """A rule: an expression that is true, false or null (undecided) for every row."""
    expression = compile_expression(text, columns, where)
    result = _result_type(expression, columns)
    if result != pl.Boolean():
        raise RecipeError(f"{where}: {text!r} gives {result}, a rule must be true or false")
    return expression


@dataclass(frozen=True)
class Rules:
    """The rules of `keep`, in their order."""

    samples: Mapping[str, pl.Expr]
    prompts: Mapping[str, pl.Expr]
    """Those that ask for `prompt.*`. Where one is not true, nothing is drawn."""


def compile_rules(
    keep: Mapping[str, str], columns: Mapping[str, pl.DataType], *, leaks_known: bool
) -> Rules:
    """RecipeError for a rule that asks for what is not there, or for prompts and samples at once.

    Where leaks are known and no rule asks for them, there is `decontaminated`.
    """
    every = {**columns, **DUPLICATE_COLUMNS, **(LEAK_COLUMNS if leaks_known else {})}
    rules = {name: compile_rule(text, every, f"keep.{name}") for name, text in keep.items()}
    used = {name: {*rule.meta.root_names()} for name, rule in rules.items()}
    of_prompts = {name: rules[name] for name in rules if used[name] & OF_PROMPTS_ALONE}
    for name in of_prompts:
        if mixed := sorted(used[name] - PROMPT_COLUMNS.keys()):
            raise RecipeError(
                f"keep.{name}: {keep[name]!r} asks for the prompt and for its samples "
                f"({', '.join(mixed)}); write two rules, since the one about the prompt says "
                "whether any samples are drawn"
            )
    if (
        leaks_known
        and DECONTAMINATED not in keep
        and not any(names & LEAK_COLUMNS.keys() for names in used.values())
    ):
        of_prompts[DECONTAMINATED] = ~pl.col("prompt.leaked")
    samples = {name: rule for name, rule in rules.items() if name not in of_prompts}
    return Rules(samples, of_prompts)


def first_broken_rule(rules: Mapping[str, pl.Expr]) -> pl.Expr:
    """Why a sample is not kept: `not_<rule>` or `<rule>_undecided` of the first one that is not
    true, null for a kept sample."""
    reasons = [
        pl.when(rule.is_null())
        .then(pl.lit(f"{name}_undecided"))
        .when(~rule)
        .then(pl.lit(f"not_{name}"))
        for name, rule in rules.items()
    ]
    return pl.coalesce([*reasons, pl.lit(None, dtype=pl.String)])
