"""Truncated samples that a larger `max_tokens` lets go on, set apart in files of few rows.

Each is replaced in the table when its continuation is there: in a large file that would write the
whole file anew, time after time. Where every such row is apart already, nothing is done.
"""

from typing import Any

import polars as pl
import pyarrow as pa

from infra.data_file import DataFile
from infra.rewriting import rows_at, write_without
from infra.spool import write_table
from jobs.actors import get
from jobs.survey import Survey

ROWS_PER_FILE = 64
"""Of 32,768 tokens each, some 14 MB; as many are written anew for one that ends."""


def to_set_apart(found: Survey) -> pl.DataFrame:
    """Samples that are gone on with and lie among others, or with too many."""
    rows = {file.name: file.rows for file in found.files["samples"]}
    here = found.truncated.group_by("path").len()
    mixed = [
        path
        for path, count in here.iter_rows()
        if count != rows[path.rpartition("/")[2]] or count > ROWS_PER_FILE
    ]
    return found.truncated.filter(pl.col("path").is_in(mixed))


def set_apart(found: Survey, coordinator: Any, prefix: str) -> None:
    """Moves them, a file in one commit. `prefix` begins the names of new files, and is used
    once."""
    files = {file.name: file for file in found.files["samples"]}
    places = to_set_apart(found).sort("path", "row")
    for number, ((uri,), group) in enumerate(places.group_by("path", maintain_order=True), start=1):
        folder, _, name = uri.rpartition("/")
        fresh = _split(uri, set(group["row"]), f"{folder}/{prefix}-{number:06d}")
        get(coordinator.commit_files.remote("samples", fresh, [files[name]]))


def _split(uri: str, rows: set[int], prefix: str) -> list[DataFile]:
    """The file's rows without these, and these in files of few."""
    left = write_without(uri, rows, f"{prefix}.parquet")
    files = [] if left is None else [left]
    waiting: list[pa.Table] = []
    for table in rows_at(uri, rows):
        waiting.append(table)
        while sum(part.num_rows for part in waiting) >= ROWS_PER_FILE:
            whole = pa.concat_tables(waiting)
            files.append(_write_apart(prefix, len(files), whole.slice(0, ROWS_PER_FILE)))
            waiting = [whole.slice(ROWS_PER_FILE)]
    if any(part.num_rows for part in waiting):
        files.append(_write_apart(prefix, len(files), pa.concat_tables(waiting)))
    return files


def _write_apart(prefix: str, number: int, rows: pa.Table) -> DataFile:
    return write_table(f"{prefix}-apart-{number:04d}.parquet", rows)
