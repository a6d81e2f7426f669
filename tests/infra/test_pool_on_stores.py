"""The pool's tables on every kind of store."""

from dataclasses import asdict

import pytest
from deltalake import DeltaTable

from infra.compaction import merge
from infra.data_file import DataFile
from infra.messages import Place
from infra.pool import Pool, reading
from infra.pool_writer import PoolWriter
from infra.prompts import read_prompt
from infra.spool import write_file
from infra.store import Store, locate
from schemas.arrow import PROMPTS, SAMPLES
from schemas.errors import BusyError, StoreError, StoreUnavailableError
from tests.builders import make_prompt, make_sample
from tests.s3_servers import SeaweedFS


@pytest.fixture
def pool(store: Store) -> Pool:
    return Pool(store.uri("pools/p"))


def write(pool: Pool, name: str, *indexes: int) -> DataFile:
    rows = [make_sample(sample_index=index).to_row() for index in indexes]
    return write_file(f"{pool.folder('samples')}/{name}.parquet", SAMPLES, rows)


def indexes(pool: Pool, version: int | None = None) -> list[int]:
    return sorted(pool.scan("samples", version).collect()["sample_index"].to_list())


def test_what_is_committed_is_there(pool: Pool) -> None:
    assert indexes(pool) == []
    writer = PoolWriter(pool, epoch=1)
    one = write(pool, "one", 0, 1)
    assert indexes(pool) == [], "a file that is not committed does not exist"
    writer.commit("samples", [one])
    version = pool.versions()["samples"]
    two = write(pool, "two", 2)
    writer.commit("samples", [two])
    both = merge(pool.folder("samples"), [one, two], "both.parquet")
    writer.commit("samples", [both], replaced=[one, two])
    assert pool.files("samples") == [both]
    assert indexes(pool) == [0, 1, 2]
    assert indexes(pool, version) == [0, 1]
    assert pool.damaged("samples") == []


def test_a_newer_epoch_ends_the_older_one(pool: Pool) -> None:
    first, second = PoolWriter(pool, epoch=1), PoolWriter(pool, epoch=2)
    file = write(pool, "one", 0)
    with pytest.raises(BusyError, match="taken over"):
        first.commit("samples", [file])
    second.commit("samples", [file])
    with pytest.raises(BusyError):
        PoolWriter(pool, epoch=1)
    assert indexes(pool) == [0]


def test_rows_are_read_by_their_place(pool: Pool) -> None:
    writer = PoolWriter(pool, epoch=1)
    prompts = [make_prompt(f"What is {i}?") for i in range(3)]
    uri = f"{pool.folder('prompts')}/p.parquet"
    writer.commit("prompts", [write_file(uri, PROMPTS, [asdict(p) for p in prompts])])
    place = pool.scan("prompts").select("path", "row").collect().row(1)
    assert read_prompt(Place(*place)) == prompts[1]


def test_damage_is_named(pool: Pool) -> None:
    writer = PoolWriter(pool, epoch=1)
    lost, torn = write(pool, "lost", 0), write(pool, "torn", 1)
    writer.commit("samples", [lost, torn, write(pool, "sound", 2)])
    store, key = locate(f"{pool.folder('samples')}/torn.parquet")
    content = store.get(key)
    assert content is not None
    store.delete([key, key.replace("torn", "lost")])
    store.put_if_absent(key, content[:-8] + bytes(8))
    assert pool.damaged("samples") == [lost, torn]
    with pytest.raises(StoreError, match=r"missing or torn.*lost.parquet"):
        pool.scan("samples")


@pytest.mark.slow
@pytest.mark.s3
def test_a_server_that_is_out_is_not_taken_for_damage(own_seaweedfs: SeaweedFS) -> None:
    pool = Pool(f"s3://{own_seaweedfs.server.make_bucket()}/pools/p")
    writer = PoolWriter(pool, epoch=1)
    writer.commit("samples", [write(pool, "one", 0)])
    scan = pool.scan("samples").select("sample_index")
    own_seaweedfs.kill()
    with pytest.raises(StoreUnavailableError, match="does not answer"), reading(pool):
        scan.collect()
    own_seaweedfs.start()
    assert indexes(pool) == [0]


def test_credentials_that_change_are_taken_over(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of a role are others every hour; a table keeps what it was opened with."""
    writer = PoolWriter(pool, epoch=1)
    opened: list[str] = []

    class Counting(Pool):
        def table(self, name: str, version: int | None = None) -> DeltaTable:
            opened.append(name)
            return super().table(name, version)

    writer.pool = Counting(pool.root)
    writer.commit("samples", [write(pool, "one", 0)])
    assert opened == []
    options = {**(locate(pool.root)[0].storage_options() or {}), "max_retries": "3"}
    monkeypatch.setattr("infra.pool_writer.storage_options", lambda _: options)
    writer.commit("samples", [write(pool, "two", 1)])
    assert sorted(opened) == ["clusters", "prompts", "samples", "scores"]
    writer.commit("samples", [write(pool, "three", 2)])
    assert len(opened) == 4, "once"
    monkeypatch.undo()
    assert indexes(pool) == [0, 1, 2]
