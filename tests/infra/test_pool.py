"""Only the newest writer adds to a pool, and only what it commits exists."""

from pathlib import Path

import pytest
from deltalake import DeltaTable

from infra.pool import Pool, PoolWriter, next_epoch
from infra.spool import write_file
from infra.store import FolderStore
from schemas.arrow import SAMPLES
from schemas.errors import BusyError, StoreError
from tests.builders import make_sample


def add_samples(writer: PoolWriter, name: str, *indexes: int) -> None:
    rows = [make_sample(sample_index=index).to_row() for index in indexes]
    path = writer.pool.folder("samples") / f"{name}.parquet"
    writer.commit("samples", [write_file(path, SAMPLES, rows)])


def indexes(pool: Pool, version: int | None = None) -> list[int]:
    return sorted(pool.scan("samples", version).collect()["sample_index"].to_list())


def test_a_pool_that_is_not_there_is_empty(tmp_path: Path) -> None:
    pool = Pool(tmp_path / "none")
    assert pool.versions() == {"prompts": None, "samples": None, "scores": None}
    assert indexes(pool) == []
    assert not pool.root.exists(), "reading touches nothing"


def test_commits_are_seen_and_versions_stay(tmp_path: Path) -> None:
    pool = Pool(tmp_path)
    writer = PoolWriter(pool, epoch=1)
    add_samples(writer, "one", 0, 1)
    version = pool.versions()["samples"]
    add_samples(writer, "two", 2)
    assert indexes(pool) == [0, 1, 2]
    assert indexes(pool, version) == [0, 1]


def test_a_file_that_is_not_committed_does_not_exist(tmp_path: Path) -> None:
    pool = Pool(tmp_path)
    PoolWriter(pool, epoch=1)
    write_file(pool.folder("samples") / "torn.parquet", SAMPLES, [make_sample().to_row()])
    (pool.folder("samples") / "foreign.parquet").write_bytes(b"not parquet")
    assert indexes(pool) == []


def test_rows_are_found_again_by_their_place(tmp_path: Path) -> None:
    pool = Pool(tmp_path)
    add_samples(PoolWriter(pool, epoch=1), "one", 5, 6, 7)
    place = pool.scan("samples").collect().row(1, named=True)
    assert (Path(place["path"]).name, place["row"], place["sample_index"]) == ("one.parquet", 1, 6)


@pytest.mark.parametrize("name", ["with blank", "é二", "x[1]*?", "#&+=~"])
def test_folders_may_have_any_name(name: str, tmp_path: Path) -> None:
    pool = Pool(tmp_path / name)
    add_samples(PoolWriter(pool, epoch=1), "one", 0, 1)
    assert indexes(pool) == [0, 1]
    place = pool.scan("samples").collect()["path"][0]
    assert Path(place).is_file()


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
        PoolWriter(pool, epoch=1)
    assert indexes(pool) == [0, 2]


def test_epochs_only_grow(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    assert [next_epoch(store, "p", {"recipe": "r"}) for _ in range(3)] == [1, 2, 3]


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    DeltaTable.create(
        tmp_path / "samples",
        schema=SAMPLES,
        configuration={"stillhouse.format": "99"},
        raise_if_key_not_exists=False,
    )
    with pytest.raises(StoreError, match="format 99"):
        Pool(tmp_path).versions()


def test_a_damaged_log_is_named(tmp_path: Path) -> None:
    pool = Pool(tmp_path)
    PoolWriter(pool, epoch=1)
    for entry in (pool.folder("samples") / "_delta_log").glob("*.json"):
        entry.write_text("{torn")
    with pytest.raises(StoreError, match="samples"):
        pool.versions()
