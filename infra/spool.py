"""A worker's finished rows on their way into the pool: a buffer, then a Parquet file, a receipt."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from infra.pool import DataFile
from infra.store import sync_file
from schemas.recipe import Flush

Entry = TypeVar("Entry")


@dataclass(frozen=True, slots=True)
class Batch(Generic[Entry]):
    """Rows that are on disk together, and what the coordinator is told of each."""

    file: DataFile
    entries: tuple[Entry, ...]


class Spool(Generic[Entry]):
    """Collects rows until they are many enough or old enough, then writes them as one file.

    Not safe to use from several threads at once; `write` may run in one while `add` goes on.
    """

    def __init__(
        self,
        folder: Path,
        schema: pa.Schema,
        prefix: str,
        flush: Flush,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._schema = schema
        self._prefix = prefix
        self._flush = flush
        self._clock = clock
        self._sequence = 0
        self._rows: list[tuple[Mapping[str, Any], Entry]] = []
        self._bytes = 0
        self._since = 0.0

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, row: Mapping[str, Any], entry: Entry) -> None:
        """Buffers one row and what to tell of it."""
        if not self._rows:
            self._since = self._clock()
        self._rows.append((row, entry))
        self._bytes += sum(len(value) for value in row.values() if isinstance(value, str))

    def age(self) -> float:
        """Seconds since the oldest row in the buffer; 0 for an empty one."""
        return self._clock() - self._since if self._rows else 0.0

    def due(self) -> bool:
        """Whether the buffer should be written now."""
        full = self._bytes >= self._flush.megabytes * 2**20
        return full or self.age() >= self._flush.seconds

    def take(self) -> list[tuple[Mapping[str, Any], Entry]]:
        """Empties the buffer; what is taken must be written."""
        rows, self._rows, self._bytes = self._rows, [], 0
        return rows

    def write(self, rows: list[tuple[Mapping[str, Any], Entry]]) -> Batch[Entry]:
        """Writes taken rows as a durable file that is not yet committed."""
        self._sequence += 1
        path = self._folder / f"{self._prefix}-{self._sequence:06d}.parquet"
        return Batch(
            write_file(path, self._schema, [r for r, _ in rows]), tuple(e for _, e in rows)
        )


def write_file(path: Path, schema: pa.Schema, rows: Sequence[Mapping[str, Any]]) -> DataFile:
    """Writes rows as a durable Parquet file; a name is used once, so nothing is overwritten."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(list(rows), schema=schema)
    pq.write_table(table, path, compression="zstd", compression_level=3)
    sync_file(path)
    return DataFile(path.name, len(rows), path.stat().st_size)
