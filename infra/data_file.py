"""A file of a table. Apart from the pool, whose libraries take a replica half a second to load."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DataFile:
    """A Parquet file in a table's folder, before or after its commit."""

    name: str
    rows: int
    bytes: int
