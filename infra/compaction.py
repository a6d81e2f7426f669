"""Compaction: the many small files of a flush rhythm become few large ones.

A file is merged once all prompts below its highest one are settled: nothing of this run refers to
its rows any more, and their prompts' neighbours are in files of the same age. Merging only changes
where rows lie. The small files stay on disk, for readers of an older version of the table, until
they are collected.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from infra.pool import DataFile, Pool
from infra.spool import write_table

TABLES: Final = ("samples", "scores")
LARGE_BYTES = 64 * 2**20
"""A file of this size is not merged any more."""
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

    def due(self, settled_below: int, *, last: bool) -> list[Merge]:
        """What is to be merged now; asked once, it is not named again."""
        merges = []
        for table in TABLES:
            small = self._small[table]
            ripe = [entry for entry in small if entry[1] <= settled_below]
            for group in _groups([file for file, _ in ripe], LAST_MANY if last else MANY):
                merges.append(Merge(table, tuple(group)))
                taken = set(group)
                self._small[table] = [e for e in self._small[table] if e[0] not in taken]
        return merges


def _groups(files: Sequence[DataFile], many: int) -> list[list[DataFile]]:
    """Groups that are large or many enough, in the order of the files."""
    groups: list[list[DataFile]] = []
    group: list[DataFile] = []
    for file in files:
        group.append(file)
        if sum(f.bytes for f in group) >= LARGE_BYTES:
            groups.append(group)
            group = []
    if len(group) >= many:
        groups.append(group)
    return groups


def merge(folder: Path, files: Sequence[DataFile], name: str) -> DataFile:
    """Writes the rows of all files into one, in the order of their keys."""
    tables = [pq.read_table(folder / file.name) for file in files]
    whole = pa.concat_tables(tables)
    order = ["prompt_id", "teacher_id", "sample_index"]
    keys = pl.DataFrame(pl.from_arrow(whole.select(order))).with_row_index("position")
    positions = keys.sort(order, maintain_order=True)["position"]
    return write_table(folder / name, whole.take(positions.to_arrow()))
