"""Every damage of a version's rows has a message of its own."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from infra.catalog import Catalog
from infra.folder_store import FolderStore
from jobs.verify import verify
from tests.published import completed, folder_of, problems, publish_as_is, recipe_of


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    store = FolderStore(tmp_path / "store")
    store.create()
    return Catalog(store, "data")


@pytest.fixture
def parts() -> list[pa.Table]:
    """Two parts with six samples of three prompts, and a scorer's fields behind."""
    scores = pa.array([{"format": {"complete": True}}] * 4)
    first = pa.table(
        {
            "prompt_id": ["p1", "p1", "p1", "p2"],
            "sample_index": [0, 1, 5, 3],
            "scores": scores,
        }
    )
    second = pa.table({"prompt_id": ["p2", "p3"], "sample_index": [4, 0], "scores": scores[:2]})
    return completed([first, second])


def found(catalog: Catalog, tmp_path: Path, *parts: pa.Table, **facts: Any) -> list[str]:
    recipe = recipe_of("data", choose={"per_prompt": 3})
    given = {"recipe": recipe, **facts}
    return problems(catalog, publish_as_is(catalog, tmp_path, *parts, **given).version)


def with_values(part: pa.Table, name: str, values: list[Any]) -> pa.Table:
    number = part.column_names.index(name)
    field = part.schema.field(name)
    return part.set_column(number, field, pa.array(values, field.type))


def test_whole_rows_are_sound(catalog: Catalog, tmp_path: Path, parts: list[pa.Table]) -> None:
    assert found(catalog, tmp_path, *parts) == []
    assert found(catalog, tmp_path, parts[0]) == []


def test_text_may_be_of_either_size(
    catalog: Catalog, tmp_path: Path, parts: list[pa.Table]
) -> None:
    """Polars writes `large_string`."""
    large = [
        part.set_column(0, pa.field("id", pa.large_string()), part["id"].cast(pa.large_string()))
        for part in parts
    ]
    assert found(catalog, tmp_path, *large) == []
    (problem,) = found(catalog, tmp_path, large[0], parts[1])
    assert "its columns are not those of sft/train-00000" in problem


def test_a_part_with_other_columns(catalog: Catalog, tmp_path: Path, parts: list[pa.Table]) -> None:
    (problem,) = found(catalog, tmp_path, parts[0], parts[1].drop_columns(["scores"]))
    assert problem.startswith("sft/train-00001")
    assert "column 23 is missing, not scores" in problem


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda part: part.drop_columns(["license"]), "column 6 is prompt (String), not license"),
        (lambda part: part.select(part.column_names[::-1]), "column 1 is scores"),
        (
            lambda part: part.set_column(
                2, "sample_index", pc.cast(part["sample_index"], pa.int64())
            ),
            "column 3 is sample_index (Int64), not sample_index (Int32)",
        ),
        (lambda part: part.select(part.column_names[:20]), "column 21 is missing, not text_digest"),
    ],
)
def test_columns_that_are_not_the_outputs(
    change: Any, message: str, catalog: Catalog, tmp_path: Path, parts: list[pa.Table]
) -> None:
    (problem,) = found(catalog, tmp_path, *map(change, parts))
    assert "does not begin with the columns of sft" in problem
    assert message in problem


def test_a_version_from_before_a_column_was_added(
    catalog: Catalog, tmp_path: Path, parts: list[pa.Table]
) -> None:
    older = [part.drop_columns(["pass_rate"]) for part in parts]
    assert found(catalog, tmp_path, *older) == []
    (problem,) = found(catalog, tmp_path, *[part.drop_columns(["text_digest"]) for part in parts])
    assert "is pass_rate (Float64), not text_digest" in problem


def test_keys_that_come_twice(catalog: Catalog, tmp_path: Path, parts: list[pa.Table]) -> None:
    first, second = parts
    same_id = with_values(second, "id", ["y000000", "y000005"])
    assert found(catalog, tmp_path, first, same_id) == [
        "sft: 1 values of id come more than once: y000000"
    ]
    same_key = with_values(second, "sample_index", [3, 0])
    assert found(catalog, tmp_path, first, same_key) == [
        "sft: 1 values of prompt_id, sample_index, teacher_id come more than once: p2/3/t"
    ]
    other_teacher = with_values(same_key, "teacher_id", ["t2", "t2"])
    assert found(catalog, tmp_path, first, other_teacher) == []


def test_many_keys_that_come_twice_are_counted(catalog: Catalog, tmp_path: Path) -> None:
    part = completed([pa.table({"prompt_id": [f"p{n}" for n in range(8)]})])[0]
    ids = [f"y{n // 2}" for n in range(8)]
    assert found(catalog, tmp_path, with_values(part, "id", ids)) == [
        "sft: 4 values of id come more than once: y0, y1, y2, …"
    ]


def test_rows_in_another_order(catalog: Catalog, tmp_path: Path, parts: list[pa.Table]) -> None:
    first, second = parts
    inside = first.take([0, 2, 1, 3])
    (problem,) = found(catalog, tmp_path, inside, second)
    assert problem.startswith("sft/train-00000")
    assert "1 rows are not in the order" in problem
    assert "row 2 (p1, 1)" in problem
    (problem,) = found(catalog, tmp_path, second, first)
    assert problem.startswith("sft/train-00001")
    assert "row 0 (p1, 0)" in problem


def test_rows_without_a_key(catalog: Catalog, tmp_path: Path, parts: list[pa.Table]) -> None:
    first, second = parts
    nameless = with_values(first, "id", [None, "b", "c", "d"])
    (problem,) = found(catalog, tmp_path, nameless, second)
    assert problem.endswith("1 rows have no id")


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"prompts": 4}, "manifest.json: says that there are rows of 4 prompts; they are of 3"),
        ({"rows": {"sft": 7}}, "manifest.json: has 7 rows of sft, its files 6"),
        ({"rows": {"sft": 6, "rl": 2}}, "manifest.json: has 2 rows of rl, its files 0"),
        ({"content_digest": "c"}, "manifest.json: content_digest does not match its files"),
    ],
)
def test_a_manifest_that_says_other_things(
    facts: dict[str, Any],
    message: str,
    catalog: Catalog,
    tmp_path: Path,
    parts: list[pa.Table],
) -> None:
    assert message in found(catalog, tmp_path, *parts, **facts)


def test_a_file_that_is_damaged_is_all_that_is_said(
    catalog: Catalog, tmp_path: Path, parts: list[pa.Table]
) -> None:
    manifest = publish_as_is(catalog, tmp_path, *parts)
    path = folder_of(catalog, manifest.version) / manifest.files[1].path
    path.unlink()
    (problem,) = problems(catalog, manifest.version)
    assert problem.endswith("is missing")
    text, told, code = verify(catalog.store.url, "data", 0.5)
    assert (code, told["sound"]) == (1, False)
    assert "no row was scored again" in text
