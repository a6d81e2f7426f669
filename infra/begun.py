"""Samples that one engine began and another goes on with, from the tokens that they have.

Those that a replica hands over lie in files of the samples table's folder that are never committed:
to the table they do not exist, and where one is lost, its samples are drawn anew. Those that were
truncated are rows of the table.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from infra.messages import Place
from infra.spool import write_table
from schemas.ports import Begun

SCHEMA = pa.schema([("token_ids", pa.list_(pa.int32())), ("logprob", pa.float64())])
FILES_IN_MEMORY = 4


def write_begun(path: Path, samples: Sequence[Begun]) -> None:
    """Writes samples, whose places are then their numbers in the file."""
    rows = [{"token_ids": one.token_ids, "logprob": one.logprob} for one in samples]
    write_table(path, pa.Table.from_pylist(rows, schema=SCHEMA))


@lru_cache(maxsize=FILES_IN_MEMORY)
def _read(path: str) -> pa.Table:
    return pq.read_table(path)


def read_begun(place: Place) -> Begun | None:
    """The sample at `place`, or null where it is gone."""
    try:
        row = _read(place.path).slice(place.row, 1).to_pylist()[0]
    except (FileNotFoundError, pa.ArrowInvalid):
        return None
    return Begun(tuple(row["token_ids"]), row["logprob"])


@lru_cache(maxsize=FILES_IN_MEMORY)
def _read_tokens(path: str) -> pa.Table:
    return pq.read_table(path, columns=["token_ids", "mean_logprob"])


def read_truncated(place: Place) -> Begun:
    """A row of the samples table as what was begun. OSError where it cannot be read: a sample that
    is drawn anew would more likely be a short one."""
    row = _read_tokens(place.path).slice(place.row, 1).to_pylist()[0]
    ids, mean = tuple(row["token_ids"]), row["mean_logprob"]
    return Begun(ids, None if mean is None else mean * len(ids))


def read_row(place: Place) -> dict[str, Any]:
    """A row of the samples table as it is."""
    row: dict[str, Any] = pq.read_table(place.path).slice(place.row, 1).to_pylist()[0]
    return row
