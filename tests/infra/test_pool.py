"""Only the newest writer adds to a pool, and only what it commits exists."""

import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from infra.data_file import DataFile
from infra.pool import Pool, reading
from infra.pool_writer import PoolWriter
from infra.spool import write_file
from schemas.arrow import SAMPLES, TABLES
from schemas.errors import BusyError, StoreError, StoreUnavailableError
from tests.builders import make_sample, without_column


def write_samples(pool: Pool, name: str, *indexes: int) -> DataFile:
    rows = [make_sample(sample_index=index).to_row() for index in indexes]
    return write_file(f"{pool.folder('samples')}/{name}.parquet", SAMPLES, rows)


def add_samples(writer: PoolWriter, name: str, *indexes: int) -> DataFile:
    file = write_samples(writer.pool, name, *indexes)
    writer.commit("samples", [file])
    return file


def indexes(pool: Pool, version: int | None = None) -> list[int]:
    return sorted(pool.scan("samples", version).collect()["sample_index"].to_list())


def names(pool: Pool, version: int | None = None) -> list[str]:
    return [file.name for file in pool.files("samples", version)]


def test_a_pool_that_is_not_there_is_empty(tmp_path: Path) -> None:
    pool = Pool(tmp_path / "none")
    assert pool.versions() == dict.fromkeys(TABLES)
    assert indexes(pool) == []
    assert pool.scan("samples").collect().columns == [*SAMPLES.names, "path", "row"]
    assert pool.files("samples") == pool.damaged("samples") == []
    assert not Path(pool.root).exists(), "reading touches nothing"


def test_commits_are_seen_and_versions_stay(tmp_path: Path) -> None:
    pool = Pool(tmp_path)
    writer = PoolWriter(pool, epoch=1)
    add_samples(writer, "one", 0, 1)
    version = pool.versions()["samples"]
    add_samples(writer, "two", 2)
    assert indexes(pool) == [0, 1, 2]
    assert indexes(pool, version) == [0, 1]


def test_old_versions_are_never_forgotten(tmp_path: Path) -> None:
    pool = Pool(tmp_path)
    writer = PoolWriter(pool, epoch=1)
    add_samples(writer, "one", 0)
    version = pool.versions()["samples"]
    for _ in range(2):  # Delta would clean up before an old checkpoint, at a new one
        for _ in range(50):
            writer.commit("samples", [])
        for entry in (Path(pool.folder("samples")) / "_delta_log").iterdir():
            os.utime(entry, (0, 0))
    for _ in range(30):
        writer.commit("samples", [])
    assert indexes(pool, version) == [0]


def test_a_version_that_the_log_has_forgotten_is_said_to_be(tmp_path: Path) -> None:
    """An empty answer would have `gc` take its files."""
    pool = Pool(tmp_path)
    writer = PoolWriter(pool, epoch=1)
    version = pool.versions()["samples"]
    for _ in range(50):
        writer.commit("samples", [])
    for entry in (Path(pool.folder("samples")) / "_delta_log").iterdir():
        if entry.name < f"{30:020}":
            entry.unlink()
    assert indexes(pool) == []
    with pytest.raises(StoreError):
        pool.files("samples", version)


def test_a_file_that_is_not_committed_does_not_exist(tmp_path: Path) -> None:
    pool = Pool(tmp_path)
    PoolWriter(pool, epoch=1)
    write_samples(pool, "torn", 0)
    (Path(pool.folder("samples")) / "foreign.parquet").write_bytes(b"not parquet")
    assert indexes(pool) == []
    assert pool.damaged("samples") == []


def test_files_are_known_by_name_with_rows_and_size(tmp_path: Path) -> None:
    writer = PoolWriter(Pool(tmp_path), epoch=1)
    second, first = add_samples(writer, "b", 0), add_samples(writer, "a", 1, 2)
    assert writer.pool.files("samples") == [first, second]
    assert (first.rows, second.rows) == (2, 1)


def test_rows_are_found_again_by_their_place(tmp_path: Path) -> None:
    pool = Pool(tmp_path)
    add_samples(PoolWriter(pool, epoch=1), "one", 5, 6, 7)
    place = pool.scan("samples").collect().row(1, named=True)
    assert (Path(place["path"]).name, place["row"], place["sample_index"]) == ("one.parquet", 1, 6)


@pytest.mark.parametrize("name", ["with blank", "é二", "x[1]*?", "#&+=~"])
def test_folders_may_have_any_name(name: str, tmp_path: Path) -> None:
    pool = Pool(tmp_path / name)
    writer = PoolWriter(pool, epoch=1)
    small = [add_samples(writer, "one", 0), add_samples(writer, "two", 1)]
    writer.commit("samples", [write_samples(pool, "both", 0, 1)], replaced=small)
    assert indexes(pool) == [0, 1]
    place = pool.scan("samples").collect()["path"][0]
    assert Path(place).is_file()


def test_one_commit_replaces_files(tmp_path: Path) -> None:
    pool = Pool(tmp_path)
    writer = PoolWriter(pool, epoch=1)
    small = [add_samples(writer, "one", 0), add_samples(writer, "two", 1)]
    before = pool.versions()["samples"]
    assert before is not None
    writer.commit("samples", [write_samples(pool, "both", 0, 1)], replaced=small)
    assert pool.versions()["samples"] == before + 1
    assert names(pool) == ["both.parquet"]
    assert indexes(pool) == indexes(pool, before) == [0, 1], "readers of the older one go on"
    writer.commit("samples", [], replaced=pool.files("samples"))
    assert indexes(pool) == []


def test_the_same_commit_twice_is_there_once(tmp_path: Path) -> None:
    pool = Pool(tmp_path)
    writer = PoolWriter(pool, epoch=1)
    small = [add_samples(writer, "one", 0), add_samples(writer, "two", 1)]
    merged = write_samples(pool, "both", 0, 1)
    for _ in range(2):
        writer.commit("samples", [merged], replaced=small)
    assert names(pool) == ["both.parquet"]
    assert indexes(pool) == [0, 1]


def test_a_stale_writer_is_refused(tmp_path: Path) -> None:
    pool = Pool(tmp_path)
    stale = PoolWriter(pool, epoch=1)
    add_samples(stale, "before", 0)
    newer = PoolWriter(pool, epoch=2)
    with pytest.raises(BusyError, match="taken over"):
        add_samples(stale, "zombie", 1)
    add_samples(newer, "after", 2)
    with pytest.raises(BusyError):
        add_samples(stale, "zombie-again", 3)
    with pytest.raises(BusyError):
        stale.commit("samples", [], replaced=pool.files("samples"))
    with pytest.raises(BusyError):
        PoolWriter(pool, epoch=1)
    assert indexes(pool) == [0, 2]


@pytest.mark.parametrize("table", sorted(TABLES))
def test_a_newer_writer_fences_every_table_at_once(table: str, tmp_path: Path) -> None:
    zombie = PoolWriter(Pool(tmp_path), epoch=3)
    PoolWriter(Pool(tmp_path), epoch=4)
    with pytest.raises(BusyError) as caught:
        zombie.commit(table, [])
    assert caught.value.exit_code == 75


def test_while_the_store_is_away_it_says_so_and_the_same_commit_works_later(
    tmp_path: Path,
) -> None:
    pool = Pool(tmp_path / "store" / "pool")
    writer = PoolWriter(pool, epoch=1)
    file = write_samples(pool, "one", 0)
    (tmp_path / "store").rename(tmp_path / "away")
    for _ in range(2):
        with pytest.raises(StoreUnavailableError, match="cannot be written"):
            writer.commit("samples", [file])
    assert not (tmp_path / "store").exists(), "nothing is written in its place"
    (tmp_path / "away").rename(tmp_path / "store")
    for _ in range(2):
        writer.commit("samples", [file])
    assert names(pool) == ["one.parquet"]
    assert indexes(pool) == [0]


def test_where_no_table_can_be_made_the_store_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StoreUnavailableError, match="cannot be written"):
        PoolWriter(Pool(tmp_path / "file"), epoch=1)


def tear(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def garble(path: Path) -> None:
    """The size stays, the content does not."""
    path.write_bytes(b"\0" * path.stat().st_size)


@pytest.mark.parametrize("damage", [Path.unlink, tear])
def test_a_missing_or_torn_file_is_named(damage: Callable[[Path], None], tmp_path: Path) -> None:
    pool = Pool(tmp_path)
    writer = PoolWriter(pool, epoch=1)
    bad = add_samples(writer, "bad", 0, 1)
    add_samples(writer, "good", 2)
    damage(Path(pool.folder("samples")) / bad.name)
    with pytest.raises(StoreError, match=r"with 2 rows: bad\.parquet\..*--drop-damaged"):
        pool.scan("samples")
    assert pool.damaged("samples") == [bad]
    writer.commit("samples", [], replaced=pool.damaged("samples"))
    assert indexes(pool) == [2], "what is dropped is forgotten, the rest is whole"


def test_a_garbled_file_is_found_and_reading_it_is_a_store_error(tmp_path: Path) -> None:
    pool = Pool(tmp_path)
    bad = add_samples(PoolWriter(pool, epoch=1), "bad", 0)
    garble(Path(pool.folder("samples")) / bad.name)
    assert pool.damaged("samples") == [bad]
    with pytest.raises(StoreError, match="--drop-damaged"), reading(pool):
        pool.scan("samples").collect()


def test_many_damaged_files_are_counted(tmp_path: Path) -> None:
    pool = Pool(tmp_path)
    writer = PoolWriter(pool, epoch=1)
    for number in range(5):
        tear(Path(pool.folder("samples")) / add_samples(writer, f"s{number}", number).name)
    with pytest.raises(StoreError, match=r"5 files .* with 5 rows: s0.*s1.*s2\.parquet, …"):
        pool.scan("samples")


def make_newer(pool: Pool) -> None:
    DeltaTable.create(
        pool.folder("samples"),
        schema=SAMPLES,
        configuration={"stillhouse.format": "99"},
        raise_if_key_not_exists=False,
    )


@pytest.mark.parametrize(
    "use",
    [
        Pool.versions,
        lambda pool: pool.scan("samples"),
        lambda pool: pool.files("samples"),
        lambda pool: PoolWriter(pool, epoch=1),
    ],
)
def test_a_newer_format_is_refused(use: Callable[[Pool], object], tmp_path: Path) -> None:
    pool = Pool(tmp_path)
    make_newer(pool)
    with pytest.raises(StoreError, match=r"format 99.*use a newer one"):
        use(pool)


def test_a_damaged_log_is_named(tmp_path: Path) -> None:
    pool = Pool(tmp_path)
    PoolWriter(pool, epoch=1)
    for entry in (Path(pool.folder("samples")) / "_delta_log").glob("*.json"):
        entry.write_text("{torn")
    with pytest.raises(StoreError, match="samples"):
        pool.versions()


def old_pool(root: Path, monkeypatch: pytest.MonkeyPatch) -> Pool:
    """A pool from before samples had `thinking_cut` and `token_logprobs`, with one sample."""
    before = without_column(SAMPLES, "thinking_cut", "token_logprobs")
    pool = Pool(root)
    with monkeypatch.context() as then:
        then.setitem(TABLES, "samples", before)
        writer = PoolWriter(pool, epoch=1)
        row = make_sample(sample_index=0).to_row()
        path = Path(pool.folder("samples")) / "old.parquet"
        writer.commit("samples", [write_file(str(path), before, [row])])
    return pool


def test_a_column_that_was_added_is_null_in_older_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = old_pool(tmp_path, monkeypatch)
    added = ["thinking_cut", "token_logprobs"]
    assert pool.scan("samples").select(added).collect().rows() == [(None, None)]
    add_samples(PoolWriter(pool, epoch=2), "new", 1)
    rows = pool.scan("samples").select("sample_index", "thinking_cut", "row").collect()
    assert sorted(rows.iter_rows()) == [(0, None, 0), (1, False, 0)]


def test_the_log_names_a_column_that_was_added(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = old_pool(tmp_path, monkeypatch)
    PoolWriter(pool, epoch=2)
    version = pool.versions()["samples"]
    table = DeltaTable(pool.folder("samples"))
    assert {field.name for field in table.schema().fields} == set(SAMPLES.names)
    PoolWriter(pool, epoch=2)
    assert pool.versions()["samples"] == (version or 0) + 1, "only the fence was committed"


def test_a_writer_of_before_the_column_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = old_pool(tmp_path, monkeypatch)
    before = PoolWriter(pool, epoch=2)
    PoolWriter(pool, epoch=3)
    with pytest.raises(BusyError):
        add_samples(before, "late", 1)


def test_a_column_of_a_later_version_is_passed_over(tmp_path: Path) -> None:
    pool = Pool(tmp_path)
    writer = PoolWriter(pool, epoch=1)
    later = SAMPLES.append(pa.field("mood", pa.string()))
    row = make_sample().to_row() | {"mood": "good"}
    file = write_file(f"{pool.folder('samples')}/later.parquet", later, [row])
    writer.commit("samples", [file])
    assert pool.scan("samples").collect().columns == ["row", *SAMPLES.names, "path"]
