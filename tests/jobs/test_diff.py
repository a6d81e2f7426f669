"""What two versions have in common."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from infra.catalog import Catalog
from infra.folder_store import FolderStore
from jobs.cli import main
from jobs.diff import MORE_OF_IT, NEW_PROMPT, NO_PROMPT, OTHER_OF_IT, diff
from schemas.errors import VersionError
from tests.published import publish, recipe_of

ROWS = [
    # id, prompt_id, text_digest, reference_answer
    ("y1", "p1", "x1", "4"),
    ("y2", "p2", "x2", "5"),
    ("y3", "p3", "x3", "6"),
]
LATER = [
    ("y1", "p1", "x1", "4"),
    ("y2", "p2", "x2", "5.0"),
    ("y4", "p2", "x4", "5"),
    ("y5", "p4", "x5", "7"),
    ("y6", "p5", "x6", None),
]


def rows(given: Sequence[tuple[str | None, ...]]) -> pa.Table:
    names = ("id", "prompt_id", "text_digest", "reference_answer")
    table = pa.table(dict(zip(names, zip(*given, strict=True), strict=True)))
    scores = pa.array([{"format": {"complete": True}} for _ in given])
    return table.append_column("scores", scores).append_column(
        "response", pa.array(["t"] * len(given))
    )


@pytest.fixture
def store(tmp_path: Path) -> str:
    folder = FolderStore(tmp_path / "store")
    folder.create()
    catalog = Catalog(folder, "data")
    cost = {"tokens": 1000, "gpu_hours": 0.5, "usd": None}
    publish(
        catalog,
        tmp_path,
        rows(ROWS),
        funnel={"published": 3, "not_correct": 2},
        recipe={"keep": {"correct": "correct"}, "choose": {"per_prompt": 1}},
        provenance={"created_at": "2026", "attempts": [], "cost": cost},
    )
    publish(
        catalog,
        tmp_path,
        rows(LATER[:2]),
        rows(LATER[2:]),
        funnel={"published": 5, "surplus": 4},
        recipe={"keep": {"correct": "correct", "short": "n < 9"}, "choose": {"per_prompt": 2}},
        scorers={"math": "k2"},
        provenance={
            "created_at": "2026",
            "attempts": [],
            "cost": {"tokens": 3500, "gpu_hours": 2.0, "usd": 5.0},
        },
    )
    return str(folder.root)


def test_rows_and_prompts_that_came_and_went_are_told_with_why(store: str) -> None:
    text, found = diff(store, "data@v0001", "data")
    assert found["rows"] == {
        "before": 3,
        "after": 5,
        "added": {NEW_PROMPT: 2, MORE_OF_IT: 1},
        "dropped": {NO_PROMPT: 1},
        "changed": 1,
        "changed_columns": {"reference_answer": 1},
        "columns_of_one": [],
    }
    assert found["prompts"] == {"before": 3, "after": 4, "added": 2, "dropped": 1}
    assert found["recipe"] == {
        "keep.short": [None, "n < 9"],
        "choose.per_prompt": [1, 2],
    }
    assert found["made_by"] == {"scorers.math": [None, "k2"]}
    assert "added   2 of a new prompt" in text
    assert "recipe    choose.per_prompt: 1 → 2" in text
    assert "changed 1: reference_answer of 1" in text
    assert [line.split()[-1] for line in text.splitlines() if line.startswith("tokens")] == [
        "1,000"
    ]
    assert "not_correct" in text, "what only one of them has is told too"


def test_backwards_it_is_the_other_way_round(store: str) -> None:
    _, found = diff(store, "data", "data@v0001")
    assert found["rows"]["added"] == {NEW_PROMPT: 1}
    assert found["rows"]["dropped"] == {NO_PROMPT: 2, OTHER_OF_IT: 1}
    assert found["rows"]["changed"] == 1


def test_a_version_is_the_same_as_itself(store: str) -> None:
    text, found = diff(store, "data", "data@v0002")
    assert found["same_content"]
    assert (found["rows"]["added"], found["rows"]["dropped"], found["rows"]["changed"]) == (
        {},
        {},
        0,
    )
    assert (found["recipe"], found["made_by"]) == ({}, {})
    assert "(the same content)" in text


def test_columns_of_one_alone_are_named(store: str, tmp_path: Path) -> None:
    catalog = Catalog(FolderStore(store), "data")
    publish(catalog, tmp_path, rows(ROWS).append_column("difficulty", pa.array([1, 2, 3])))
    text, found = diff(store, "data@v0001", "data@v0003")
    assert found["rows"]["columns_of_one"] == ["difficulty"]
    assert (found["rows"]["changed"], found["rows"]["changed_columns"]) == (3, {"difficulty": 3})
    assert "changed 3: difficulty of 3" in text
    assert "columns of one alone: difficulty" in text


def test_by_the_command_line(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", "data@v0001", "data", "--store", store, "--json"]) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (told["before"], told["after"]) == ("data@v0001", "data@v0002")
    with pytest.raises(VersionError, match="v0007"):
        diff(store, "data@v0007", "data")


def test_the_order_of_splits_is_told(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "ordered")
    store.create()
    catalog = Catalog(store, "data")
    splits = {"validation": 0.1, "test": 0.1}
    for own in (splits, dict(reversed(splits.items()))):
        publish(catalog, tmp_path, rows(ROWS), recipe=recipe_of("data", splits=own))
    _, told = diff(store.url, "data@v0001", "data@v0002")
    assert told["recipe"] == {"order.splits": [["validation", "test"], ["test", "validation"]]}
