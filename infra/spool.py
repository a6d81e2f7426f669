"""A worker's finished work on its way into the pool: a buffer, then a Parquet file, a receipt."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, Generic, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from infra.data_file import DataFile
from infra.store import locate
from schemas.recipe import Flush

Item = TypeVar("Item")
Entry = TypeVar("Entry")


@dataclass(frozen=True, slots=True)
class Batch(Generic[Entry]):
    """Rows that are on disk together, and what the coordinator is told of each."""

    file: DataFile
    entries: tuple[Entry, ...]


class Spool(Generic[Item]):
    """Collects items until they are many enough or old enough to be written."""

    def __init__(self, flush: Flush, clock: Callable[[], float] = time.monotonic) -> None:
        self._flush = flush
        self._clock = clock
        self._items: list[Item] = []
        self._bytes = 0
        self._since = 0.0

    def __len__(self) -> int:
        return len(self._items)

    def add(self, item: Item, size: int) -> None:
        """Buffers one item of about `size` bytes."""
        if not self._items:
            self._since = self._clock()
        self._items.append(item)
        self._bytes += size

    def age(self) -> float:
        """Seconds since the oldest item in the buffer; 0 for an empty one."""
        return self._clock() - self._since if self._items else 0.0

    def fill(self) -> float:
        """How often the buffer's content would fill a file."""
        return self._bytes / (self._flush.megabytes * 2**20)

    def due(self) -> bool:
        """Whether the buffer should be written now."""
        return self.fill() >= 1 or self.age() >= self._flush.seconds

    def take(self) -> list[Item]:
        """Empties the buffer; what is taken must be written."""
        items, self._items, self._bytes = self._items, [], 0
        return items


class Files:
    """Names and writes the files of one worker; no name is used twice."""

    def __init__(self, folder: str, schema: pa.Schema, prefix: str) -> None:
        self._folder = folder
        self._schema = schema
        self._prefix = prefix
        self._sequence = 0

    def write(self, rows: Sequence[Mapping[str, Any]]) -> DataFile:
        """Writes rows as a durable file that is not yet committed. OSError where it cannot."""
        self._sequence += 1
        uri = f"{self._folder}/{self._prefix}-{self._sequence:06d}.parquet"
        return write_file(uri, self._schema, rows)


def write_file(uri: str, schema: pa.Schema, rows: Sequence[Mapping[str, Any]]) -> DataFile:
    """Writes rows as a durable Parquet file into a folder that is there.

    The folder is not made: where it is missing the store is out, and what is written into its
    place would be gone when it comes back.
    """
    return write_table(uri, pa.Table.from_pylist(list(rows), schema=schema))


def write_table(uri: str, table: pa.Table) -> DataFile:
    """Writes a table as a durable Parquet file."""
    return write_tables(uri, table.schema, [table])


def write_tables(uri: str, schema: pa.Schema, tables: Iterable[pa.Table]) -> DataFile:
    """Writes tables one after the other into a durable Parquet file, as row groups of it; a failed
    write leaves nothing behind. StoreError where the name is used: were it ever used twice, a
    committed file would be overwritten."""
    rows = 0
    store, key = locate(uri)
    with store.new_file(key) as path:
        with path.open("wb") as file, _writer(file, schema) as writer:
            for table in tables:
                writer.write_table(table)
                rows += table.num_rows
        size = path.stat().st_size
    return DataFile(key.rpartition("/")[2], rows, size)


def _writer(file: IO[bytes], schema: pa.Schema) -> pq.ParquetWriter:
    return pq.ParquetWriter(file, schema, compression="zstd", compression_level=3)
