"""Acknowledged is durable; while the store is out deliveries wait; after a failure none is."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from infra import patience as patience_module
from infra.committer import Committer
from infra.data_file import DataFile
from infra.patience import Patience
from infra.pool import Pool
from infra.pool_writer import PoolWriter
from infra.spool import write_file
from schemas.arrow import SAMPLES, TABLES
from schemas.errors import BusyError, StoreUnavailableError
from tests.builders import make_sample

Play = Callable[[Committer], Coroutine[Any, Any, None]]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience_module, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(patience_module, "LONGEST_WAIT_S", 0.02)


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    return Pool(tmp_path / "store" / "pool")


@contextlib.contextmanager
def away(pool: Pool) -> Iterator[None]:
    """The store is out."""
    store = Path(pool.root).parent
    store.rename(store.with_name("away"))
    try:
        yield
    finally:
        store.with_name("away").rename(store)


@contextlib.asynccontextmanager
async def working(committer: Committer) -> AsyncIterator[list[int]]:
    rounds: list[int] = []
    task = asyncio.create_task(committer.work(lambda: rounds.append(1)))
    yield rounds
    assert not task.done(), "it works for ever"
    task.cancel()


def play(pool: Pool, seconds: float, scene: Play) -> None:
    async def run() -> None:
        committer = Committer(PoolWriter(pool, epoch=1), Patience(seconds))
        async with working(committer):
            await asyncio.wait_for(scene(committer), 60)

    asyncio.run(run())


def file_of(pool: Pool, *indexes: int) -> DataFile:
    rows = [make_sample(sample_index=index).to_row() for index in indexes]
    name = "-".join(map(str, indexes))
    return write_file(f"{pool.folder('samples')}/{name}.parquet", SAMPLES, rows)


def indexes(pool: Pool) -> list[int]:
    return sorted(pool.scan("samples").collect()["sample_index"].to_list())


async def until(true: Callable[[], bool]) -> None:
    for _ in range(3000):
        if true():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come to that")


def nothing() -> None:
    return None


def test_acknowledged_is_durable(pool: Pool) -> None:
    async def scene(committer: Committer) -> None:
        seen: list[list[int]] = []
        file = file_of(pool, 0, 1)
        await committer.commit("samples", [file], lambda: seen.append(indexes(pool)))
        assert seen == [[0, 1]], "what follows, follows the commit"
        merged = file_of(pool, 1, 0)
        await committer.commit("samples", [merged], nothing, replaced=[file])
        assert pool.files("samples") == [merged]
        assert committer.trouble is None

    play(pool, 60, scene)


def test_a_delivery_without_files_commits_nothing(pool: Pool) -> None:
    async def scene(committer: Committer) -> None:
        before = pool.versions()
        seen: list[int] = []
        await committer.commit("scores", [], lambda: seen.append(1))
        assert seen == [1]
        assert pool.versions() == before

    play(pool, 60, scene)


@pytest.mark.parametrize("table", TABLES)
def test_every_table_is_committed_to(pool: Pool, table: str) -> None:
    async def scene(committer: Committer) -> None:
        empty = write_file(f"{pool.folder(table)}/empty.parquet", TABLES[table], [])
        await committer.commit(table, [empty], lambda: None)

    play(pool, 0, scene)
    assert [file.name for file in pool.files(table)] == ["empty.parquet"]


def test_many_deliveries_are_one_commit(pool: Pool) -> None:
    async def scene(committer: Committer) -> None:
        before = pool.versions()["samples"] or 0
        files = [file_of(pool, index) for index in range(20)]
        await asyncio.gather(*(committer.commit("samples", [file], nothing) for file in files))
        assert indexes(pool) == list(range(20))
        assert (pool.versions()["samples"] or 0) <= before + 2

    play(pool, 60, scene)


def test_while_the_store_is_out_deliveries_wait(pool: Pool) -> None:
    async def scene(committer: Committer) -> None:
        files = [file_of(pool, 0), file_of(pool, 1)]
        async with asyncio.TaskGroup() as group:
            with away(pool):
                waiting = [
                    group.create_task(committer.commit("samples", [file], nothing))
                    for file in files
                ]
                await until(lambda: committer.trouble is not None)
                assert "cannot be written" in str(committer.trouble)
                assert not any(task.done() for task in waiting)
                committer.check()
        assert committer.trouble is None
        assert indexes(pool) == [0, 1]
        await committer.commit("samples", [file_of(pool, 2)], nothing)
        assert indexes(pool) == [0, 1, 2]

    play(pool, 60, scene)


def test_patience_ends(pool: Pool) -> None:
    async def scene(committer: Committer) -> None:
        file, later = file_of(pool, 0), file_of(pool, 1)
        called: list[int] = []
        with away(pool), pytest.raises(StoreUnavailableError, match="mend the store") as caught:
            await committer.commit("samples", [file], lambda: called.append(1))
        assert caught.value.exit_code == 75
        with pytest.raises(StoreUnavailableError):
            committer.check()
        with pytest.raises(StoreUnavailableError):
            await committer.commit("samples", [later], lambda: called.append(1))
        assert (indexes(pool), called) == ([], []), "after a failure nothing is committed"

    play(pool, 0, scene)


def test_a_successor_stops_it(pool: Pool) -> None:
    async def scene(committer: Committer) -> None:
        PoolWriter(pool, epoch=2)
        for index in range(2):
            with pytest.raises(BusyError, match="taken over"):
                await committer.commit("samples", [file_of(pool, index)], nothing)
        assert indexes(pool) == []

    play(pool, 60, scene)


def test_an_error_behind_a_commit_stops_it(pool: Pool) -> None:
    async def scene(committer: Committer) -> None:
        def broken() -> None:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await committer.commit("samples", [file_of(pool, 0)], broken)
        with pytest.raises(ZeroDivisionError):
            await committer.commit("samples", [file_of(pool, 1)], nothing)
        assert indexes(pool) == [0]

    play(pool, 60, scene)


def test_someone_who_does_not_wait_any_more_stops_nobody(pool: Pool) -> None:
    async def scene(committer: Committer) -> None:
        impatient = asyncio.create_task(committer.commit("samples", [file_of(pool, 0)], nothing))
        await asyncio.sleep(0)
        impatient.cancel()
        await asyncio.wait_for(committer.commit("samples", [file_of(pool, 1)], nothing), 5)
        assert indexes(pool) == [0, 1]

    play(pool, 60, scene)


def test_it_says_when_it_has_committed(pool: Pool) -> None:
    async def run() -> None:
        committer = Committer(PoolWriter(pool, epoch=1), Patience(60))
        async with working(committer) as rounds:
            await committer.commit("samples", [file_of(pool, 0)], nothing)
            await until(lambda: rounds == [1])

    asyncio.run(run())
