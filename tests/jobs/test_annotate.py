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
    assert [row for row in data["counts"] if row["scorer"] == "math"] == [
        {"scorer": "math", "verdict": None, "reason": "no_reference", "rows": 1},
        {"scorer": "math", "verdict": "false", "reason": "wrong_answer", "rows": 1},
        {"scorer": "math", "verdict": "true", "reason": None, "rows": 1},
        {"scorer": "math", "verdict": "unparsable", "reason": "no_final_answer", "rows": 1},
    ]
    assert "rows/s" in text


def test_rows_keep_their_order_over_many_batches(tmp_path: Path) -> None:
    """Some batches hang, others wait for them."""
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    rows = [{**ROWS[n % 2], "mine": n} for n in range(2000)]
    rows[100]["response"] = r"<think>a</think>\boxed{9^{9^{9^{9}}}}"
    source.write_text("\n".join(map(json.dumps, rows)))
    annotate(str(source), ["math"], str(output))
    frame = pl.read_ndjson(output)
    assert frame["mine"].to_list() == list(range(2000))
    correct: list[bool | None] = [n % 2 == 0 for n in range(2000)]
    correct[100] = None
    assert frame["math.correct"].to_list() == correct


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
        ({}, "needs a text in the column 'prompt'"),
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


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_an_input_without_rows(suffix: str, tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text("\n")
    with pytest.raises(RecipeError, match="no rows"):
        annotate(str(source), ["math"], str(tmp_path / f"out.{suffix}"))
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


@pytest.mark.parametrize("odd", [{"mine": "\ud800"}, {"mine": {"a": 1}}, {"more": 1}])
def test_what_does_not_fit_in_a_table_is_named(odd: dict[str, object], tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    rows = [ROWS[0]] * 400 + [{**ROWS[0], **odd}]
    source.write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(RecipeError, match=r"rows 256 to 400 .*write jsonl instead"):
        annotate(str(source), ["format"], str(tmp_path / "out.parquet"))
    annotate(str(source), ["format"], str(tmp_path / "out.jsonl"))
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 401


def test_only_known_suffixes(source: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"\.jsonl or \.parquet"):
        annotate(source, ["math"], str(tmp_path / "out.csv"))


def test_leaks_are_found_in_samples_from_elsewhere(tmp_path: Path) -> None:
    question = "Prove that there is no largest prime number, and explain each of your steps."
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    rows = [
        {"prompt": "Well?", "response": f"<think>{question}</think>Yes."},
        {"prompt": "Well?", "response": f"<think>Hm.</think>{question}"},
        {"prompt": question, "response": f"<think>{question}</think>{question}"},
    ]
    source.write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(RecipeError, match="annotate: with --evaluation"):
        annotate(str(source), ["leaks"], str(output))
    (tmp_path / "x:y").mkdir()
    for name, field, given in (
        ("a", "question", "a.jsonl"),
        ("b", "problem", "b*.jsonl:problem"),
        ("c", "question", "x:y/*.jsonl"),
        ("d:e", "question", "d:e.jsonl"),
    ):
        folder = (tmp_path / given).parent
        (folder / f"{name}.jsonl").write_text(json.dumps({field: question}))
        annotate(str(source), ["leaks"], str(output), [str(tmp_path / given)])
        frame = pl.read_ndjson(output)
        assert frame["leaks.reason"].to_list() == ["leaked_thinking", "leaked_answer", None]
        assert frame["leaks.set"].to_list() == [name, name, None]
        assert frame["leaks.run"].to_list() == [14, 14, 0]
    with pytest.raises(RecipeError, match=r"b\.jsonl:1: has no text in the field 'question'"):
        annotate(str(source), ["leaks"], str(output), [str(tmp_path / "b.jsonl")])
