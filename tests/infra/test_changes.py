"""Two versions compared: which ids came, went, and are there with other content."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra import changes
from infra.catalog import Catalog
from infra.changes import changes_between
from infra.folder_store import FolderStore
from infra.version import Version, open_version
from schemas.errors import VersionError
from schemas.identity import prompt_bounds, prompt_id
from tests.published import publish, publish_outputs

Row = dict[str, Any]


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    store = FolderStore(tmp_path / "store")
    store.create()
    return Catalog(store, "data")


def table(*rows: Row) -> pa.Table:
    """`id` is given; a prompt has one row."""
    filled = [{"prompt_id": f"p1_{row['id']}", "text_digest": "x", **row} for row in rows]
    return pa.Table.from_pylist(filled)


def published(catalog: Catalog, tmp_path: Path, *parts: pa.Table) -> Version:
    return Version(publish(catalog, tmp_path, *parts), catalog)


def told(before: Version | None, after: Version, output: str = "sft") -> list[tuple[Any, ...]]:
    every = pl.concat(changes_between(before, after, output))
    assert every.columns == ["output", "split", "id", "prompt_id", "change", "columns"]
    return every.select("id", "change", "columns").rows()


SCORES = {"math": {"verdict": "true", "answer": "4"}, "format": {"complete": True}}


@pytest.mark.parametrize(
    ("change", "columns"),
    [
        ({"text_digest": "x2"}, ["text_digest"]),
        ({"reference_answer": "5"}, ["reference_answer"]),
        ({"reference_answer": None}, ["reference_answer"]),
        ({"pass_rate": 0.25, "sample_index": 1}, ["sample_index", "pass_rate"]),
        ({"scores": {**SCORES, "format": {"complete": None}}}, ["scores.format"]),
        ({"scores": {**SCORES, "math": None}}, ["scores.math"]),
        ({"scores": None}, ["scores.math", "scores.format"]),
        ({"response": "said in another way"}, None),
    ],
)
def test_what_differs_is_named(
    change: Row, columns: list[str] | None, catalog: Catalog, tmp_path: Path
) -> None:
    row = {"reference_answer": "4", "pass_rate": 0.5, "sample_index": 0, "scores": SCORES}
    same = {"id": "y2", **row}
    before = published(catalog, tmp_path, table({"id": "y1", **row}, same))
    after = published(catalog, tmp_path, table({"id": "y1", **row, **change}, same))
    assert told(before, after) == ([("y1", "changed", columns)] if columns else [])
    assert told(after, before) == ([("y1", "changed", columns)] if columns else [])


def test_what_came_and_went(catalog: Catalog, tmp_path: Path) -> None:
    before = published(catalog, tmp_path, table({"id": "1"}, {"id": "2"}), table({"id": "3"}))
    after = published(catalog, tmp_path, table({"id": "2"}), table({"id": "3"}, {"id": "4"}))
    assert told(before, after) == [("1", "dropped", None), ("4", "added", None)]
    assert told(after, before) == [("1", "added", None), ("4", "dropped", None)]
    assert told(None, after) == [(name, "added", None) for name in "234"]
    assert told(after, after) == []


def test_a_column_that_one_alone_has_or_of_another_type_differs(
    catalog: Catalog, tmp_path: Path
) -> None:
    before = published(catalog, tmp_path, table({"id": "1", "n": 1}))
    more = published(catalog, tmp_path, table({"id": "1", "n": 1, "new": None}))
    other = published(catalog, tmp_path, table({"id": "1", "n": 1.0}))
    scored = published(catalog, tmp_path, table({"id": "1", "n": 1, "scores": {"pii": {"n": 0}}}))
    assert told(before, more) == [("1", "changed", ["new"])]
    assert told(more, before) == [("1", "changed", ["new"])]
    assert told(before, other) == [("1", "changed", ["n"])]
    assert told(before, scored) == [("1", "changed", ["scores.pii"])]


def test_an_output_of_one_alone(catalog: Catalog, tmp_path: Path) -> None:
    rows = table({"id": "1"}, {"id": "2"})
    alone = Version(publish_outputs(catalog, tmp_path, {"sft": [rows]}), catalog)
    both = Version(publish_outputs(catalog, tmp_path, {"sft": [rows], "rl": [rows]}), catalog)
    assert told(alone, both, "rl") == [("1", "added", None), ("2", "added", None)]
    assert told(both, alone, "rl") == [("1", "dropped", None), ("2", "dropped", None)]


def test_another_split_is_another_content(catalog: Catalog, tmp_path: Path) -> None:
    before = published(catalog, tmp_path, table({"id": "1"}), table({"id": "2"}))
    after = before.manifest.model_copy(
        update={"files": tuple(map(_in_test, before.manifest.files))}
    )
    for old, new in zip(before.manifest.files, after.files, strict=True):
        content = catalog.store.get(catalog.file_key(before.manifest, old)) or b""
        catalog.store.put_if_absent(catalog.file_key(after, new), content)
    every = pl.concat(changes_between(before, Version(after, catalog), "sft"))
    assert every.select("split", "id", "columns").rows() == [("test", "2", ["split"])]


def _in_test(file: Any) -> Any:
    """The second part is one of another split."""
    return file.model_copy(update={"path": file.path.replace("train-00001", "test-00001")})


def test_it_is_the_same_in_any_ranges(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [*prompt_bounds(12), *(prompt_id(str(number)) for number in range(89))]
    every: list[Row] = [
        {"id": f"y{i}", "prompt_id": i, "pass_rate": n / 100} for n, i in enumerate(ids)
    ]
    moved = [{**row, "pass_rate": 0.5} for row in every[30:60]]
    before = published(catalog, tmp_path, table(*sorted(every[:80], key=lambda r: r["prompt_id"])))
    after = published(catalog, tmp_path, table(*moved, *every[60:]))
    at_once = told(before, after)
    assert len(at_once) == 30 + 29 + 20, "one that was 0.5 before is what it was"
    monkeypatch.setattr(changes, "ROWS_AT_ONCE", 7)
    assert len(list(changes_between(before, after, "sft"))) == 12
    assert told(before, after) == at_once


def test_bounds_part_prompts_into_equal_ranges() -> None:
    bounds = prompt_bounds(4)
    assert bounds == ["p1_40000000", "p1_80000000", "p1_c0000000"]
    ids = [prompt_id(str(number)) for number in range(4000)]
    counts = [sum(low <= i < high for i in ids) for low, high in pairwise(bounds)]
    assert all(800 < count < 1200 for count in counts)
    assert prompt_bounds(1) == prompt_bounds(0) == []


def test_a_version_that_cannot_be_read_is_named(catalog: Catalog, tmp_path: Path) -> None:
    before = published(catalog, tmp_path, table({"id": "1"}))
    after = published(catalog, tmp_path, table({"id": "2"}))
    path = Path(before.files()[0])
    path.write_bytes(bytes(path.stat().st_size))
    with pytest.raises(VersionError, match=r"data@v0001 cannot be read.* verify data@v0001"):
        list(changes_between(before, after, "sft"))


VALUES = st.one_of(st.none(), st.integers(-3, 3))
LISTS = st.one_of(st.none(), st.lists(VALUES, max_size=3))
SHAPE = pl.Struct({"a": pl.Struct({"x": pl.Int64, "y": pl.List(pl.Int64)}), "z": pl.Int64})
INNER = st.one_of(st.none(), st.fixed_dictionaries({"x": VALUES, "y": LISTS}))
NESTED = st.one_of(st.none(), st.fixed_dictionaries({"a": INNER, "z": VALUES}))


@given(st.lists(NESTED, min_size=2, max_size=30))
def test_hashes_are_equal_where_values_are(values: list[Any]) -> None:
    """Of whatever scorers may say: nulls at any depth, and lists, are told apart."""
    found = pl.Series(values, dtype=SHAPE)
    for value, hashed in zip(found.to_list(), found.hash().to_list(), strict=True):
        for other, also in zip(found.to_list(), found.hash().to_list(), strict=True):
            assert (value == other) == (hashed == also)


def test_readers_have_them_by_version(catalog: Catalog, tmp_path: Path) -> None:
    """Also of versions from before there were changes, if they say since when."""
    published(catalog, tmp_path, table({"id": "1"}))
    published(catalog, tmp_path, table({"id": "1"}, {"id": "2"}))
    old = open_version("data", catalog.store.url)
    with pytest.raises(VersionError, match=r"before versions had changes; .*changes\(since="):
        old.changes()
    assert old.changes(since="v0001").collect()["id"].to_list() == ["2"]
    assert old.changes(since="v0001", change="dropped").collect().is_empty()
    with pytest.raises(VersionError, match="no version 'v0009'; committed: v0001, v0002"):
        old.changes(since="v0009")
    with pytest.raises(VersionError, match="no output 'rl'; it has sft"):
        old.changes("rl", since="v0001")
    wrong: Any = "new"
    with pytest.raises(VersionError, match="'new' is no kind of change; there are added, dropped"):
        old.changes(change=wrong)
