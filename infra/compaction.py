"""Compaction: the many small files of a flush rhythm become few large ones.

A file of this run is merged once all prompts below its highest one are settled: nothing refers to
its rows any more, and their prompts' neighbours are in files of the same age. A file of an earlier
run may be merged at once. Merging only changes where rows lie. The small files stay on disk, for
readers of an older version of the table, until they are collected.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from infra.data_file import DataFile
from infra.parquet import open_parquet
from infra.pool import Pool
from infra.spool import write_tables
from infra.store import open_uri

TABLES: Final = ("samples", "scores")
LARGE_BYTES = 64 * 2**20
"""A file of this size is not merged any more."""
ROW_GROUP_BYTES = 32 * 2**20
"""Of a merged file, in memory."""
MANY = 64
"""So many small files are merged at once."""
LAST_MANY = 4
"""At the end of a run fewer are worth it."""


@dataclass(frozen=True, slots=True)
class Merge:
    """Small files of one table that become one."""

    table: str
    files: tuple[DataFile, ...]


class Compaction:
    """Which files are to be merged, and when."""

    def __init__(self, pool: Pool) -> None:
        self._small = {
            table: [(file, 0) for file in pool.files(table) if file.bytes < LARGE_BYTES]
            for table in TABLES
        }

    def committed(self, table: str, file: DataFile, prompts_below: int) -> None:
        """A file with rows of prompts below a number was added to a table."""
        if file.bytes < LARGE_BYTES:
            self._small[table].append((file, prompts_below))

    def replaced(self, table: str, gone: Sequence[DataFile], fresh: Sequence[DataFile]) -> None:
        """Files took the place of others, with rows that nothing of this run refers to."""
        names = {file.name for file in gone}
        left = [entry for entry in self._small.get(table, ()) if entry[0].name not in names]
        self._small[table] = left + [(file, 0) for file in fresh if file.bytes < LARGE_BYTES]

    def leave_alone(self, files: Sequence[DataFile]) -> None:
        """Rows of these are going to be replaced, so that they are better small."""
        names = {file.name for file in files}
        for table, small in self._small.items():
            self._small[table] = [entry for entry in small if entry[0].name not in names]

    def due(self, settled_below: int, *, last: bool) -> Merge | None:
        """What is to be merged now; asked once, it is not named again."""
        for table in TABLES:
            small = self._small[table]
            ripe = [file for file, prompts_below in small if prompts_below <= settled_below]
            if group := _group(ripe, LAST_MANY if last else MANY):
                self._small[table] = [entry for entry in small if entry[0] not in group]
                return Merge(table, group)
        return None


def _group(files: Sequence[DataFile], many: int) -> tuple[DataFile, ...]:
    """The first files that are large together, or all of them if they are many; else none."""
    total = 0
    for count, file in enumerate(files, 1):
        total += file.bytes
        if total >= LARGE_BYTES and count > 1:
            return tuple(files[:count])
    return tuple(files) if len(files) >= many else ()


def merge(folder: str, files: Sequence[DataFile], name: str) -> DataFile:
    """Writes the rows of all files into one, in row groups of some size, each in the order of its
    keys. Memory is that of a few row groups, whatever the files hold."""
    uris = [f"{folder}/{file.name}" for file in files]
    # Files differ where a column was added to the table between them.
    schema = pa.unify_schemas([_schema(uri) for uri in uris])
    return write_tables(f"{folder}/{name}", schema, map(_sorted, _row_groups(uris, schema)))


def _schema(uri: str) -> pa.Schema:
    with open_uri(uri) as file:
        return pq.read_schema(file)


def _row_groups(uris: Sequence[str], schema: pa.Schema) -> Iterator[pa.Table]:
    waiting: list[pa.Table] = []
    for uri in uris:
        with open_parquet(uri) as file:
            for number in range(file.num_row_groups):
                waiting.append(file.read_row_group(number, use_threads=False))
                if sum(table.nbytes for table in waiting) >= ROW_GROUP_BYTES:
                    yield _joined(waiting, schema)
                    waiting = []
    if waiting:
        yield _joined(waiting, schema)


def _joined(tables: Sequence[pa.Table], schema: pa.Schema) -> pa.Table:
    """The rows of all tables, null in the columns that theirs lacks."""
    return pa.concat_tables([schema.empty_table(), *tables], promote_options="default")


def _sorted(table: pa.Table) -> pa.Table:
    import polars as pl  # here as in infra/pool.py: the coordinator plans merges and makes none

    order = ["prompt_id", "teacher_id", "sample_index"]
    keys = pl.DataFrame(pl.from_arrow(table.select(order))).with_row_index("position")
    positions = keys.sort(order, maintain_order=True)["position"]
    return table.take(positions.to_arrow())
