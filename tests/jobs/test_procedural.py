"""Prompts of reasoning-gym: only from tasks that know right from wrong."""

import json
from importlib import metadata
from pathlib import Path

import pytest

from jobs.annotate import annotate
from jobs.procedural import write_problems
from schemas.errors import RecipeError


def test_problems_and_their_right_answers(tmp_path: Path) -> None:
    target = tmp_path / "problems.jsonl"
    _, told = write_problems(["gcd", "spell_backward"], 12, 5, str(target))
    rows = [json.loads(line) for line in target.read_text().splitlines()]
    assert told["problems"] == len(rows) == 24
    assert len({row["prompt"] for row in rows}) == 24
    again = tmp_path / "again.jsonl"
    write_problems(["gcd", "spell_backward"], 12, 5, str(again))
    assert again.read_bytes() == target.read_bytes()
    for row in rows:
        row["response"] = row["reference"]["entry"].partition("'answer': '")[2].partition("'")[0]
    target.write_text("".join(json.dumps(row) + "\n" for row in rows))
    _, counted = annotate(str(target), ["procedural"], str(tmp_path / "scored.parquet"))
    assert [(one["verdict"], one["rows"]) for one in counted["counts"]] == [("true", 24)]


@pytest.mark.parametrize(
    ("task", "why"),
    [
        ("complex_arithmetic", "gives junk 1 of 1"),
        ("rush_hour", "gives a right answer of its own 0 of 1"),
        ("zebra_puzzles", "cannot be used here"),
        ("nothing", "has no task 'nothing'"),
        ("../x", "has no task"),
    ],
)
def test_a_task_that_does_not_know(tmp_path: Path, task: str, why: str) -> None:
    target = tmp_path / "problems.jsonl"
    with pytest.raises(RecipeError, match=why):
        write_problems(["gcd", task], 2, 0, str(target))
    assert not target.exists()


def test_what_is_wrong_is_said_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RecipeError, match="must end in"):
        write_problems(["gcd"], 2, 0, str(tmp_path / "x.csv"))
    with pytest.raises(RecipeError, match="at least 1"):
        write_problems(["gcd"], 0, 0, str(tmp_path / "x.jsonl"))

    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    with pytest.raises(RecipeError, match=r"stillhouse\[procedural\]"):
        write_problems(["gcd"], 2, 0, str(tmp_path / "x.jsonl"))
