"""A file of a table. Apart from the pool, whose libraries take a replica half a second to load."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class DataFile:
    """A Parquet file in a table's folder, before or after its commit."""

    name: str
    rows: int
    bytes: int


def scan_file(uri: str, schema: "pa.Schema") -> "pl.LazyFrame":
    """The rows of a file in the columns of a table, with the column `row` that numbers them.

    A column that the table got after the file was written is null, one that this version does not
    know is passed over.
    """
    import polars as pl

    from infra.store import storage_options

    # Row numbers must not depend on which columns are read, or they name other rows.
    return pl.scan_parquet(
        uri,
        schema=pl.Schema(schema),
        row_index_name="row",
        glob=False,
        storage_options=storage_options(uri),
        missing_columns="insert",
        extra_columns="ignore",
    )
