"""Parquet files of a store, read in the thread that asks.

To Arrow a file of a store is one of Python's. Threads of Arrow that read from one hold bytes that
are Python's, and free them when they come to it: of a short command after its end, which aborts it
("terminate called without an active exception"). `pq.read_table` of 5 MB did so in 2 of 40
processes on a busy machine, and `peek` in 1 of 10.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.parquet as pq

from infra.store import open_uri


@contextmanager
def open_parquet(uri: str) -> Iterator[pq.ParquetFile]:
    """A file to read parts of; each read must be told `use_threads=False`. FileNotFoundError if
    there is none, ArrowInvalid where it is no Parquet file, StoreUnavailableError where the store
    does not answer."""
    with open_uri(uri) as source, pq.ParquetFile(source, pre_buffer=False) as file:
        yield file


def read_table(uri: str, columns: Sequence[str] | None = None) -> pa.Table:
    """All rows; of all columns, or of some. Raises as `open_parquet`."""
    with open_parquet(uri) as file:
        return file.read(columns, use_threads=False)
