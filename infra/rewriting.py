"""Files of a table written again: without some of their rows, or with those alone.

A row group at a time, so that memory is that of one, whatever the file holds.
"""

from collections.abc import Collection, Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from infra.data_file import DataFile
from infra.parquet import open_parquet
from infra.spool import write_tables


def write_without(uri: str, gone: Collection[int], target: str) -> DataFile | None:
    """Writes all rows but those into `target`; null where none is left."""
    with open_parquet(uri) as file:
        if file.metadata.num_rows == len(gone):
            return None
        schema = file.schema_arrow
        return write_tables(target, schema, _row_groups(file, gone, keep=False))


def rows_at(
    uri: str, rows: Collection[int], columns: Sequence[str] | None = None
) -> Iterator[pa.Table]:
    """Those rows, in the order of the file, a row group's at a time; of all columns, or of some."""
    with open_parquet(uri) as file:
        yield from _row_groups(file, rows, keep=True, columns=columns)


def _row_groups(
    file: pq.ParquetFile,
    rows: Collection[int],
    *,
    keep: bool,
    columns: Sequence[str] | None = None,
) -> Iterator[pa.Table]:
    first = 0
    for number in range(file.num_row_groups):
        count = file.metadata.row_group(number).num_rows
        mask = [(row in rows) == keep for row in range(first, first + count)]
        first += count
        if any(mask):
            table = file.read_row_group(number, columns, use_threads=False)
            yield table.filter(pa.array(mask))
