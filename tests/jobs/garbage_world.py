"""A store with garbage of every kind, and what of it must stay."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pyarrow as pa

from infra.catalog import Catalog
from infra.data_file import DataFile
from infra.pool import Pool
from infra.pool_writer import PoolWriter
from infra.spool import write_file
from infra.store import Entry, Store
from schemas.arrow import SAMPLES
from schemas.manifest import Cut, Manifest
from tests.builders import make_sample
from tests.published import publish, recipe_of

STAGED = "datasets/data/staging/00112233aabbccdd/sft-train-00000.parquet"


def write_samples(pool: Pool, name: str, *indexes: int) -> DataFile:
    """A file of the samples table that is not committed."""
    rows = [make_sample(sample_index=index).to_row() for index in indexes]
    return write_file(f"{pool.folder('samples')}/{name}.parquet", SAMPLES, rows)


@dataclass
class World:
    """Versions v0001 and v0002 of `data`, a claim, a staging place, and a pool with two files that
    were merged into one. The first version was made when there was one file."""

    store: Store
    tmp_path: Path
    pool: Pool = field(init=False)
    catalog: Catalog = field(init=False)
    writer: PoolWriter = field(init=False)
    claimed: str = field(init=False)

    def __post_init__(self) -> None:
        self.catalog = Catalog(self.store, "data")
        self.pool = Pool(self.store.uri("pools/p"))
        self.writer = PoolWriter(self.pool, epoch=1)
        one = self.commit("a000001-r0-000001", 0)
        self.publish(1)
        two = self.commit("a000001-r0-000002", 1)
        merged = write_samples(self.pool, "a000001-m000001", 0, 1)
        self.writer.commit("samples", [merged], [one, two])
        write_samples(self.pool, "a000001-r0-000003", 2)
        self.publish(2)
        self.claimed = self.catalog.claim("nobody came back")
        folder = self.catalog.key(self.claimed, "")
        self.put(f"{folder}sft/train-00000-of-00001-0a0b0c0d.parquet")
        self.put(STAGED)
        self.put("pools/p/.tmp-writer.json-17-0a0b0c0d")
        for key in self.foreign:
            self.put(key)

    foreign = (
        "datasets/data/notes.txt",
        "datasets/data/staging/mine/sft-train-00000.parquet",
        "datasets/data/versions/v0001/sft/more.parquet",
        "datasets/data/versions/v0000/notes.txt",
        "pools/p/samples/mine.parquet",
        "pools/p/samples/deeper/a000001-r0-000009.parquet",
        "pools/p/things/a000001-r0-000001.parquet",
    )

    @property
    def garbage(self) -> set[str]:
        """Keys of what a `gc` that retains all versions finds."""
        return {
            "datasets/data/staging/00112233aabbccdd",
            f"datasets/data/versions/{self.claimed}",
            "pools/p/.tmp-writer.json-17-0a0b0c0d",
            "pools/p/samples/a000001-r0-000002.parquet",
            "pools/p/samples/a000001-r0-000003.parquet",
        }

    def put(self, key: str, content: bytes = b"content") -> None:
        """A file that is just there."""
        assert self.store.put_if_absent(key, content)

    def commit(self, name: str, *indexes: int) -> DataFile:
        """A file of the samples table."""
        file = write_samples(self.pool, name, *indexes)
        self.writer.commit("samples", [file])
        return file

    def publish(self, *values: int) -> Manifest:
        """The next version, made of the pool as it is."""
        cut = Cut(tables=self.pool.versions(), prompts="l", recipe="e", code="c")
        recipe = recipe_of("data", pool="p")
        part = pa.table({"x": list(values)})
        return publish(self.catalog, self.tmp_path, part, cut=cut, recipe=recipe)

    def names(self) -> set[str]:
        """Of all files that may matter."""
        entries = [entry for top in ("datasets", "pools") for entry in self.store.walk(top)]
        keys = {entry.key for entry in entries if "/_delta_log/" not in entry.key}
        return {key for key in keys if not key.endswith((".lock", "/writer.json"))}

    def everything(self) -> list[Entry]:
        """All files, with their sizes and times."""
        return [e for top in ("datasets", "pools", "gc") for e in self.store.walk(top)]


class Hooked:
    """A store that is told of what is about to be done to it."""

    def __init__(self, store: Store, **hooks: Callable[..., Any]) -> None:
        self._store = store
        self._hooks = hooks

    def __getattr__(self, name: str) -> Any:
        act = getattr(self._store, name)
        hook = self._hooks.get(name)
        if hook is None:
            return act

        def hooked(*given: Any, **named: Any) -> Any:
            hook(*given)
            return act(*given, **named)

        return hooked

    def delete(self, keys: list[str]) -> None:
        """One after the other."""
        for key in keys:
            if "delete" in self._hooks:
                self._hooks["delete"](key)
            self._store.delete([key])


def hooked(store: Store, **hooks: Callable[..., Any]) -> Store:
    """The store, with something that happens before each call of a method."""
    return cast("Store", Hooked(store, **hooks))
