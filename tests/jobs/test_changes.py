"""The changes file of a version: what is in it, against which version, and who looks after it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import load_dataset

import infra.changes
from infra.catalog import Catalog
from infra.store import Store
from infra.version import Version, open_version
from jobs import changes
from jobs.changes import text_of_changes, with_changes
from jobs.cli import main
from jobs.publish import commit
from jobs.pull import pull
from jobs.rollback import rollback
from jobs.verify import problems_of, verify
from schemas.changes import CHANGES
from schemas.errors import StoreUnavailableError, VersionError
from schemas.identity import prompt_id
from schemas.manifest import Manifest, content_digest
from tests.conftest import REAL_STORES
from tests.published import completed, problems, publish, written
from tests.trainers.made_up import SAMPLES, outputs
from tests.trainers.made_up import publish as publish_all

STORES = REAL_STORES
COUNTS = ("added", "dropped", "changed")


@pytest.fixture
def catalog(store: Store) -> Catalog:
    return Catalog(store, "data")


def begun(catalog: Catalog, tmp_path: Path, *answers: str | None) -> Manifest:
    """A row for each answer that is given, and the number is claimed."""
    numbers = [n for n, answer in enumerate(answers) if answer is not None]
    rows = {
        "id": [f"y{n}" for n in numbers],
        "prompt_id": [f"p{n}" for n in numbers],
        "answer": [answers[n] for n in numbers],
    }
    return written(catalog, tmp_path, {"sft": completed([pa.table(rows)])})


def published(catalog: Catalog, tmp_path: Path, *answers: str | None) -> Version:
    done = commit(catalog, begun(catalog, tmp_path, *answers))
    return Version(catalog.manifest(done.version), catalog)


def told(version: Version) -> list[tuple[Any, ...]]:
    return version.changes().select("id", "change", "columns").collect().rows()


def facts(since: str | None, *counts: int) -> dict[str, Any]:
    return {"since": since, "sft": dict(zip(COUNTS, counts, strict=True))}


def damage(store: Store, key: str) -> None:
    """Another content of the same size."""
    size = len(store.get(key) or b"")
    store.delete([key])
    assert store.put_if_absent(key, bytes(size))


def part_of(version: Version) -> str:
    return version.catalog.file_key(version.manifest, version.manifest.files[0])


def test_a_version_says_what_is_new(catalog: Catalog, tmp_path: Path) -> None:
    first = published(catalog, tmp_path, "a", "b", "c")
    assert first.manifest.changes == facts(None, 3, 0, 0)
    assert told(first) == [(f"y{n}", "added", None) for n in range(3)]
    assert text_of_changes(first.manifest) == ""
    second = published(catalog, tmp_path, "a", "B", None, "d")
    assert second.manifest.changes == facts("v0001", 1, 1, 1)
    assert told(second) == [
        ("y1", "changed", ["answer"]),
        ("y2", "dropped", None),
        ("y3", "added", None),
    ]
    assert (
        told(second)
        == second.changes(since="v0001").select("id", "change", "columns").collect().rows()
    )
    assert text_of_changes(second.manifest) == ("against v0001: 1 rows added, 1 dropped, 1 changed")
    assert [file.path for file in second.manifest.files if file.rows is None] == [
        "changes.parquet",
        "README.md",
    ]
    assert content_digest(second.manifest.files) == second.manifest.content_digest
    for version in (first, second):
        assert list(problems_of(version)) == []


def test_ranges_of_prompts_are_one_file(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which is asked about range by range, too."""
    monkeypatch.setattr(infra.changes, "ROWS_AT_ONCE", 3)
    ids = sorted(prompt_id(str(number)) for number in range(20))
    for own in (ids[:12], ids[4:]):
        rows = pa.table({"id": own, "prompt_id": own})
        commit(catalog, written(catalog, tmp_path, {"sft": completed([rows])}))
    version = open_version("data", catalog.store.url)
    assert version.manifest.changes == facts("v0001", 8, 4, 0)
    kinds = ["dropped"] * 4 + ["added"] * 8
    wanted = [*zip([*ids[:4], *ids[12:]], kinds, [None] * 12, strict=True)]
    assert told(version) == wanted
    assert list(problems_of(version)) == []


def test_the_file_has_the_documented_columns(catalog: Catalog, tmp_path: Path) -> None:
    published(catalog, tmp_path, "a")
    key = catalog.key("v0001", "changes.parquet")
    with catalog.store.open(key) as source, pq.ParquetFile(source) as file:
        assert file.schema_arrow.equals(CHANGES)
        group = file.metadata.row_group(0)
        encoded = {group.column(n).path_in_schema: group.column(n) for n in range(6)}
    assert {column.compression for column in encoded.values()} == {"ZSTD"}
    by_dictionary = {n for n, one in encoded.items() if "RLE_DICTIONARY" in one.encodings}
    assert by_dictionary == {"output", "split", "prompt_id", "change", "columns.list.element"}


def test_what_is_brought_back_has_changes_of_its_own(catalog: Catalog, tmp_path: Path) -> None:
    published(catalog, tmp_path, "a", "b")
    published(catalog, tmp_path, "a", None, "c")
    rollback(catalog.store.url, "data@v0001")
    back = open_version("data", catalog.store.url)
    assert back.manifest.changes == facts("v0002", 1, 1, 0)
    assert told(back) == [("y1", "added", None), ("y2", "dropped", None)]
    (file,) = (file for file in back.manifest.files if file.path == "changes.parquet")
    assert file.version is None
    assert list(problems_of(back)) == []
    hint = json.loads(catalog.store.get("datasets/data/latest.json") or b"")
    assert (hint["version"], hint["changes"]) == ("v0003", facts("v0002", 1, 1, 0))


def test_versions_from_before_can_be_brought_back(catalog: Catalog, tmp_path: Path) -> None:
    old = completed([pa.table({"id": ["y0"]})])[0]
    publish(catalog, tmp_path, old)
    assert catalog.manifest("v0001").changes == {}
    published(catalog, tmp_path, "a")
    rollback(catalog.store.url, "data@v0001")
    assert open_version("data", catalog.store.url).manifest.changes["since"] == "v0002"


def test_two_at_the_same_time(catalog: Catalog, tmp_path: Path) -> None:
    """Who has the larger number may be faster; nobody is compared with a larger one."""
    published(catalog, tmp_path, "a")
    slower = begun(catalog, tmp_path, "a", "b")
    faster = published(catalog, tmp_path, "a", None, "c")
    commit(catalog, slower)
    assert (slower.version, faster.manifest.version) == ("v0002", "v0003")
    assert catalog.manifest("v0002").changes == facts("v0001", 1, 0, 0)
    assert faster.manifest.changes == facts("v0001", 1, 0, 0)
    rows = faster.changes(since="v0002").select("id", "change").collect().rows()
    assert rows == [("y1", "dropped"), ("y2", "added")], "what a reader of v0002 asks for"
    assert [problems(catalog, version) for version in catalog.versions()] == [[]] * 3


@pytest.mark.parametrize("how", ["content", "missing", "manifest"])
def test_the_version_before_is_damaged(catalog: Catalog, tmp_path: Path, how: str) -> None:
    published(catalog, tmp_path, "a")
    before = published(catalog, tmp_path, "a", "b")
    third = begun(catalog, tmp_path, "a", "b", "c")
    if how == "content":
        damage(catalog.store, part_of(before))
    elif how == "missing":
        catalog.store.delete([part_of(before)])
    else:
        damage(catalog.store, catalog.key("v0002", "manifest.json"))
    assert with_changes(catalog, third).changes == facts("v0001", 2, 0, 0)
    assert "changes.parquet" in catalog.foreign_files("v0003", third.files)


@pytest.mark.parametrize("cut", [False, True])
def test_a_changes_file_that_is_damaged_is_named(
    catalog: Catalog, tmp_path: Path, cut: bool
) -> None:
    version = published(catalog, tmp_path, "a")
    key = catalog.key("v0001", "changes.parquet")
    whole = catalog.store.get(key) or b""
    catalog.store.delete([key])
    if cut:
        catalog.store.put_if_absent(key, whole[:-1])
    problem = "bytes, not" if cut else "is missing"
    with pytest.raises(VersionError, match=rf"v0001/changes.parquet.* {problem}"):
        version.changes()
    assert [f"{problem}" in one for one in problems(catalog, "v0001")] == [True]


def test_no_version_before_can_be_read(catalog: Catalog, tmp_path: Path) -> None:
    damage(catalog.store, part_of(published(catalog, tmp_path, "a")))
    again = published(catalog, tmp_path, "a", "b")
    assert again.manifest.changes == facts(None, 2, 0, 0)
    assert list(problems_of(again)) == []


def test_a_version_that_cannot_be_read_itself(catalog: Catalog, tmp_path: Path) -> None:
    manifest = begun(catalog, tmp_path, "a")
    damage(catalog.store, catalog.file_key(manifest, manifest.files[0]))
    with pytest.raises(VersionError, match="data@v0001 cannot be read"):
        commit(catalog, manifest)
    assert catalog.versions() == []


def test_a_store_that_is_out_is_no_damage(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published(catalog, tmp_path, "a")
    second = begun(catalog, tmp_path, "a", "b")
    damage(catalog.store, catalog.file_key(second, second.files[0]))

    class Out(type(catalog.store)):  # type: ignore[misc]
        """Does not answer when it is asked whether it does."""

        def probe(self) -> None:
            raise StoreUnavailableError("the store does not answer")

    out = Catalog(Out(catalog.store.url), "data")
    with pytest.raises(StoreUnavailableError):
        with_changes(out, second)


def test_a_full_disk_is_told_as_one(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailableError, match="cannot be written now"):
        changes._write(tmp_path / "missing" / "x.parquet", [])


def lines_of(rows: Sequence[tuple[str, str, str]]) -> pa.Table:
    """Of `sft` and `train`: id, prompt and change."""
    given = [
        {"output": "sft", "split": "train", "id": i, "prompt_id": p, "change": c}
        for i, p, c in rows
    ]
    return pa.Table.from_pylist(given, schema=CHANGES)


LYING = {
    "another id": ([("y1", "p1", "added"), ("y9", "p9", "added")], {}),
    "one too few": ([("y1", "p1", "added")], {}),
    "one too many": (
        [("y1", "p1", "added"), ("y2", "p2", "added"), ("y3", "p3", "added")],
        {},
    ),
    "another kind": ([("y1", "p1", "added"), ("y2", "p2", "dropped")], {}),
    "another count": ([("y1", "p1", "added"), ("y2", "p2", "added")], {"changed": 1}),
}


@pytest.mark.parametrize("gone", [False, True], ids=["", "the version before is gone"])
@pytest.mark.parametrize("lie", LYING)
def test_verify_sees_what_is_not_so(
    catalog: Catalog, tmp_path: Path, lie: str, gone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """v0002 has y1 and y2 more than v0001."""
    published(catalog, tmp_path, "a")
    second = begun(catalog, tmp_path, "a", "b", "c")
    rows, counts = LYING[lie]
    table = lines_of(rows)

    def wrong(path: Path, frames: Any) -> None:
        list(frames)
        pq.write_table(table, path)

    monkeypatch.setattr(changes, "_write", wrong)
    manifest = with_changes(catalog, second)
    kinds = [change for _, _, change in rows]
    own = {kind: kinds.count(kind) for kind in COUNTS} | counts
    catalog.commit(manifest.model_copy(update={"changes": {"since": "v0001", "sft": own}}))
    assert problems(catalog, "v0001") == []
    if gone:
        catalog.store.delete([catalog.key("v0001", "manifest.json")])
    found = problems(catalog, "v0002")
    if counts:
        assert "for the changes of sft, changes.parquet {'added': 2}" in found[0]
    elif not gone:
        assert "changes.parquet" in found[0]
    elif lie in ("one too few",):
        assert found == [], "nobody can tell"
    else:
        assert "changes.parquet" in found[0]


def test_verify_misses_the_file_that_counts_are_of(catalog: Catalog, tmp_path: Path) -> None:
    manifest = begun(catalog, tmp_path, "a")
    catalog.commit(manifest.model_copy(update={"changes": facts(None, 1, 0, 0)}))
    assert problems(catalog, "v0001") == [
        "manifest.json: has changes, but data@v0001 has no changes.parquet"
    ]


def test_verify_says_what_it_cannot_ask(catalog: Catalog, tmp_path: Path) -> None:
    published(catalog, tmp_path, "a")
    published(catalog, tmp_path, "a", "b")
    catalog.store.delete([catalog.key("v0001", "manifest.json")])
    text, _, code = verify(catalog.store.url, "data")
    assert code == 0
    assert "of changes.parquet only what it says of data@v0002 was looked at" in text
    assert "no version 'v0001'" in text


def test_the_command_line_tells_them(
    catalog: Catalog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    published(catalog, tmp_path, "a")
    published(catalog, tmp_path, None, "b", "c")
    store = ["--store", catalog.store.url]
    assert main(["versions", "data", *store]) == 0
    assert "v0001: +2 -1 ~0" in capsys.readouterr().out.splitlines()[2]
    assert main(["versions", "data", *store, "--json"]) == 0
    _, second = json.loads(capsys.readouterr().out)["versions"]
    assert second["changes"] == facts("v0001", 2, 1, 0)
    assert main(["show", "data", *store]) == 0
    assert "changes   against v0001: 2 rows added, 1 dropped, 0 changed" in capsys.readouterr().out
    card = (catalog.store.get(catalog.key("v0002", "README.md")) or b"").decode()
    assert "Against v0001: 2 rows added, 1 dropped, 0 changed. `changes.parquet` names" in card
    first = (catalog.store.get(catalog.key("v0001", "README.md")) or b"").decode()
    assert "gainst" not in first.partition("## Load")[0]


def test_a_folder_with_changes_loads_its_outputs_alone(store: Store, tmp_path: Path) -> None:
    """Each is what was written, also where it is loaded without a name."""
    publish_all(store.url, tmp_path, outputs(SAMPLES[:2]))
    publish_all(store.url, tmp_path, outputs(SAMPLES))
    folder = tmp_path / "pulled"
    pull(store.url, "team", str(folder))
    assert pq.read_table(folder / "changes.parquet").num_rows == 5, "of all outputs together"
    cache = str(tmp_path / "cache")
    for output, rows in outputs(SAMPLES).items():
        loaded = load_dataset(str(folder), output, cache_dir=cache)
        assert {split: len(own) for split, own in loaded.items()} == {"train": rows.num_rows}
        assert loaded["train"].column_names == rows.column_names
    every = load_dataset(str(folder), cache_dir=cache)
    assert every["train"].column_names == outputs(SAMPLES)["sft"].column_names
    version = open_version("team", store.url)
    counts = {
        name: own["added"] for name, own in version.manifest.changes.items() if name != "since"
    }
    assert counts == {"sft": 1, "preference": 1, "rl": 1, "reward": 2}
    assert text_of_changes(version.manifest) == (
        "against v0001: 1 rows added, 0 dropped, 0 changed of preference; "
        "2 rows added, 0 dropped, 0 changed of reward; "
        "1 rows added, 0 dropped, 0 changed of rl; 1 rows added, 0 dropped, 0 changed of sft"
    )
