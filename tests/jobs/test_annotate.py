"""Samples from anywhere get scores, and keep their own columns."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from jobs.annotate import annotate
from schemas.errors import RecipeError

ROWS: list[dict[str, Any]] = [
    {"prompt": "2+2?", "response": "<think>a</think>\\boxed{4}", "reference": "4", "mine": 1},
    {"prompt": "2+2?", "response": "<think>a</think>\\boxed{5}", "reference": "4", "mine": 2},
    {"prompt": "2+2?", "response": "<think>never", "reference": "4", "mine": 3},
    {"prompt": "2+2?", "response": "a</think>four", "reference": None, "mine": 4},
]


@pytest.fixture
def source(tmp_path: Path) -> str:
    path = tmp_path / "in.jsonl"
    path.write_text("\n".join(map(json.dumps, ROWS)))
    return str(path)


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_input_columns_plus_score_columns(suffix: str, source: str, tmp_path: Path) -> None:
    output = tmp_path / f"out.{suffix}"
    text, data = annotate(source, ["format", "math"], str(output))
    frame = pl.read_parquet(output) if suffix == "parquet" else pl.read_ndjson(output)
    assert frame["mine"].to_list() == [1, 2, 3, 4]
    assert frame["math.verdict"].to_list() == ["true", "false", "unparsable", None]
    assert frame["math.correct"].to_list() == [True, False, None, None]
    assert frame["math.reason"].to_list()[1:] == [
        "wrong_answer",
        "no_final_answer",
        "no_reference",
    ]
    assert frame["format.complete"].to_list() == [True, True, False, True]
    assert data["counts"]["math"] == {
        "true": 1,
        "false": 1,
        "unparsable": 1,
        "no_reference": 1,
    }
    assert "rows/s" in text


def test_parquet_fits_rows_that_differ(tmp_path: Path) -> None:
    """The first batch has neither a reason nor a finish_reason in its first row."""
    whole, broken = ROWS[0], {**ROWS[2], "finish_reason": "length"}
    rows = [whole, {**whole, "finish_reason": "stop"}, *[whole] * 300, broken]
    source, output = tmp_path / "in.jsonl", tmp_path / "out.parquet"
    source.write_text("\n".join(map(json.dumps, rows)))
    annotate(str(source), ["format"], str(output))
    frame = pl.read_parquet(output)
    assert frame["format.reason"].to_list()[-1] == "truncated"
    assert frame["finish_reason"].to_list()[:2] == [None, "stop"]
    assert frame["finish_reason"].to_list()[-1] == "length"
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl", "out.parquet"]


def test_a_hostile_answer_costs_itself_alone(tmp_path: Path) -> None:
    hostile = [ROWS[0], {**ROWS[0], "response": "<think>a</think>\\boxed{9^{9^{9^{9}}}}"}, ROWS[1]]
    source = tmp_path / "in.jsonl"
    source.write_text("\n".join(map(json.dumps, hostile)))
    annotate(str(source), ["math"], str(tmp_path / "out.jsonl"))
    verdicts = pl.read_ndjson(tmp_path / "out.jsonl")["math.verdict"].to_list()
    assert (verdicts[0], verdicts[2]) == ("true", "false")
    assert verdicts[1] in ("timeout", "unparsable", "false")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"prompt": "x"}, "needs a text in the column 'response'"),
        ({"prompt": "x", "response": 3}, "needs a text in the column 'response'"),
        ({**ROWS[0], "math.reason": "x"}, r"already has the columns \['math.reason'\]"),
    ],
)
def test_wrong_input_is_named_and_writes_nothing(
    row: dict[str, object], message: str, tmp_path: Path
) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text(json.dumps(row))
    with pytest.raises(RecipeError, match=message):
        annotate(str(source), ["math"], str(tmp_path / "out.jsonl"))
    assert not (tmp_path / "out.jsonl").exists()


def test_only_known_suffixes(source: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"\.jsonl or \.parquet"):
        annotate(source, ["math"], str(tmp_path / "out.csv"))
