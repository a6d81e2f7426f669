"""Clusters of many prompts, by all processors of a Ray cluster: the same ones that a process finds.

Rows that share a band come together through Ray Data's shuffle and are compared there; only what is
connected comes back. Rows whose bands nobody else has stay where they are.
"""

import logging
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from filters.near_duplicates import bucketed, clustered_in_buckets, joined, shared_bands, shingles
from filters.packed import packed, unpacked_bands, unpacked_shingles
from filters.words import Positions

TEXTS_AT_ONCE = 10_000
ROWS_PER_PART = 100_000
"""Of a part of the bands; each row is in as many parts as it shares bands, at most."""


def signed(texts: pl.Series) -> pl.DataFrame:
    """`bands` and `shingles` of each text, in their order."""
    rows = texts.to_frame("text").with_row_index("row")
    found = _dataset(rows).map_batches(_sign, batch_size=None, batch_format="pyarrow")
    tables = [
        pl.DataFrame(batch) for batch in found.iter_batches(batch_size=None, batch_format="pyarrow")
    ]
    return pl.concat(tables).sort("row").drop("row")


def _dataset(rows: pl.DataFrame) -> Any:
    import ray

    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)  # it warns that there are no bars
    return ray.data.from_arrow([part.to_arrow() for part in rows.iter_slices(TEXTS_AT_ONCE)])


def _sign(batch: pa.Table) -> pa.Table:
    own = pl.DataFrame(batch)
    return own.select("row").hstack(packed(shingles(own["text"]))).to_arrow()


def shuffled(rows: pl.DataFrame, known: Positions) -> Positions:
    """`near_duplicates.clustered` of rows with packed `bands` and `shingles`, of which the first
    have clusters already: `known`, the least row of each."""
    keys = unpacked_bands(rows["bands"])
    labels: Positions = np.concatenate([known, np.arange(len(known), rows.height)])
    shared = shared_bands(keys)
    mine = (
        rows.with_columns(shared=pl.Series(shared))
        .with_row_index("row")
        .filter(pl.col("shared") > 0)
    )
    if mine.is_empty():
        return labels
    parts = 1 + int(np.bitwise_count(shared).sum()) // ROWS_PER_PART
    found = (
        _dataset(mine)
        .map_batches(_spread, fn_args=(parts,), batch_size=None, batch_format="pyarrow")
        .groupby("part", num_partitions=parts)
        .map_groups(_connected, fn_args=(len(known),), batch_format="pyarrow")
    )
    for edges in found.iter_batches(batch_size=None, batch_format="numpy"):
        labels = joined(labels, edges["left"], edges["right"])
    return labels


def _spread(batch: pa.Table, parts: int) -> pa.Table:
    """Each row once for each band that it shares."""
    own = pl.DataFrame(batch)
    keys, bits = unpacked_bands(own["bands"]), own["shared"].to_numpy()
    rows, numbers = np.nonzero(bits[:, None] >> np.arange(keys.shape[1], dtype=np.uint32) & 1)
    band = keys[rows, numbers]
    part = (band % np.uint64(parts)).astype(np.int64)
    spread = own[rows].drop("shared").with_columns(band=pl.Series(band), part=pl.Series(part))
    return spread.to_arrow()


def _connected(group: pa.Table, old: int) -> pa.Table:
    """Which rows the buckets of a part connect."""
    own = pl.DataFrame(group).sort("row")
    rows = own.unique("row", keep="first", maintain_order=True)
    numbers = rows["row"].to_numpy().astype(np.int64)
    places = np.searchsorted(numbers, own["row"].to_numpy())
    old_rows = int(np.searchsorted(numbers, old))
    labels = clustered_in_buckets(
        unpacked_bands(rows["bands"]),
        unpacked_shingles(rows["shingles"]).take,
        bucketed(own["band"].to_numpy(), places, old_rows),
        old_rows,
    )
    return _edges(numbers[labels], numbers)


def _edges(left: Positions, right: Positions) -> pa.Table:
    apart = left != right
    edges: dict[str, Any] = {"left": left[apart], "right": right[apart]}
    return pa.table(edges)
