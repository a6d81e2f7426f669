"""Samples that one engine began and another goes on with, from the tokens that they have.

Those that a replica hands over lie in files of the samples table's folder that are never committed:
to the table they do not exist, and where one is lost, its samples are drawn anew. Those that were
truncated are rows of the table.
"""

import math
from array import array
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import pyarrow as pa

from infra.messages import Place
from infra.parquet import open_parquet, read_table
from infra.spool import write_table
from schemas.arrow import SAMPLES
from schemas.ports import Begun

SCHEMA = pa.schema([SAMPLES.field(name) for name in Begun.__slots__])
FILES_IN_MEMORY = 4


def write_begun(uri: str, samples: Sequence[Begun]) -> None:
    """Writes samples, whose places are then their numbers in the file."""
    rows = [{name: getattr(one, name) for name in SCHEMA.names} for one in samples]
    write_table(uri, pa.Table.from_pylist(rows, schema=SCHEMA))


@lru_cache(maxsize=FILES_IN_MEMORY)
def _read(path: str) -> pa.Table:
    """Of rows of either kind what is needed to go on; a column that the file lacks is null."""
    with open_parquet(path) as file:
        found = [name for name in SCHEMA.names if name in file.schema_arrow.names]
        table = file.read(found, use_threads=False)
    return pa.concat_tables([SCHEMA.empty_table(), table], promote_options="permissive")


def _at(place: Place) -> Begun:
    row = _read(place.path).slice(place.row, 1).to_pylist()[0]
    ids = tuple(row["token_ids"])
    known = row["token_logprobs"]
    logprobs = array("f", [math.nan] * len(ids) if known is None else known)
    return Begun(ids, logprobs, row["mean_logprob"])


def read_begun(place: Place) -> Begun | None:
    """The sample at `place`, or null where it is gone."""
    try:
        return _at(place)
    except (FileNotFoundError, pa.ArrowInvalid):
        return None


def read_truncated(place: Place) -> Begun:
    """A row of the samples table as what was begun. StoreUnavailableError or OSError where it
    cannot be read: a sample that is drawn anew would more likely be a short one."""
    return _at(place)


def read_row(place: Place) -> dict[str, Any]:
    """A row of the samples table as it is."""
    row: dict[str, Any] = read_table(place.path).slice(place.row, 1).to_pylist()[0]
    return row
