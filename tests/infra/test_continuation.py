"""A truncated sample is in the table until its continuation is."""

import asyncio
from pathlib import Path

import pytest

from infra.continuation import Continuation
from infra.messages import Place
from infra.patience import Patience
from infra.pool import Pool
from infra.pool_writer import PoolWriter
from infra.scheduler import Key
from infra.spool import write_file
from schemas.arrow import SAMPLES
from schemas.errors import StoreError
from tests.builders import make_sample

ROWS = 4


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    """Two files of truncated samples: those of prompt 0 and of prompt 1."""
    pool = Pool(tmp_path / "pools" / "p")
    pool.create()
    rows = [[make_sample(f"{p} {i}", sample_index=i) for i in range(ROWS)] for p in range(2)]
    files = [
        write_file(f"{pool.folder('samples')}/{p}.parquet", SAMPLES, [r.to_row() for r in own])
        for p, own in enumerate(rows)
    ]
    PoolWriter(pool, 1).commit("samples", files)
    return pool


def continuation(pool: Pool) -> Continuation:
    found = Continuation("continued", Patience(0))
    places = {
        Key(p, i): Place(f"{pool.folder('samples')}/{p}.parquet", i)
        for p in range(2)
        for i in range(ROWS)
    }
    found.begin(places, pool.files("samples"))
    return found


def texts(pool: Pool) -> list[str]:
    return sorted(pool.scan("samples").select("text").collect()["text"])


def deliver(pool: Pool, found: Continuation, *batches: list[Key]) -> None:
    """All at the same time."""
    writer = PoolWriter(pool, 2)

    async def one(keys: list[Key]) -> None:
        rows = [make_sample(f"whole {k.prompt} {k.sample_index}").to_row() for k in keys]
        path = Path(pool.folder("samples")) / f"new-{keys[0].prompt}-{keys[0].sample_index}.parquet"
        new = write_file(str(path), SAMPLES, rows)
        async with found.ended(keys) as (left, gone):
            await asyncio.to_thread(writer.commit, "samples", [new, *left], gone)

    async def all_of_them() -> None:
        await asyncio.gather(*(one(keys) for keys in batches))

    asyncio.run(all_of_them())


def test_what_has_ended_takes_the_place_of_what_it_was(pool: Pool) -> None:
    found = continuation(pool)
    assert {file.name for file in found.set_apart} == {"0.parquet", "1.parquet"}
    deliver(pool, found, [Key(0, 1), Key(1, 3)], [Key(0, 0), Key(9, 9)], [Key(0, 2)])
    left = {"0 3", "1 0", "1 1", "1 2"}
    whole = {f"whole {p} {i}" for p, i in [(0, 0), (0, 1), (0, 2), (1, 3), (9, 9)]}
    assert set(texts(pool)) == left | whole
    assert len(texts(pool)) == len(left | whole)
    assert found.of(Key(0, 3))[1] == Place(f"{pool.folder('samples')}/0.parquet", 3)
    deliver(pool, found, [Key(0, 3)])
    assert len(found.set_apart) == 1, "a file of which nothing is left is gone"


def test_a_commit_that_fails_changes_nothing(pool: Pool) -> None:
    found = continuation(pool)

    async def fails() -> None:
        async with found.ended([Key(0, 0)]):
            raise RuntimeError("no commit")

    with pytest.raises(RuntimeError):
        asyncio.run(fails())
    assert {file.name for file in found.set_apart} == {"0.parquet", "1.parquet"}
    deliver(pool, found, [Key(0, 1)])
    assert "0 0" in texts(pool)


def test_a_torn_file_is_named(pool: Pool) -> None:
    found = continuation(pool)
    torn = Path(pool.folder("samples")) / "0.parquet"
    torn.write_bytes(b"PAR1 torn")
    with pytest.raises(StoreError, match=r"0\.parquet"):
        deliver(pool, found, [Key(0, 0)])


def test_what_is_handed_over_counts_until_it_is_drawn() -> None:
    found = Continuation("continued", Patience(0))
    place = Place("begun.parquet", 3)
    found.handed_over({Key(1, 1): place, Key(1, 2): None})
    assert found.of(Key(1, 1)) == (place, None)
    assert found.of(Key(1, 2)) == (None, None)
    found.forget([Key(1, 1)])
    assert found.of(Key(1, 1)) == (None, None)
