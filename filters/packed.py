"""Bands and shingles of texts as columns of bytes, which tables can hold."""

from typing import Final

import numpy as np
import polars as pl
import pyarrow as pa

from filters.near_duplicates import BANDS, Bands, bands
from filters.words import Positions, Ragged, starts_of

HALF: Final = np.uint64(32)


def packed(sets: Ragged) -> pl.DataFrame:
    """`bands` and `shingles` of each row, little-endian: numbers of 64 bits, and of 32 the half of
    each shingle that signatures are made of. Two texts of a hundred words have a half in common by
    chance with a probability of 2e-6."""
    halves = (sets.flat >> HALF).astype("<u4")
    keys = bands(sets).astype("<u8")
    return pl.DataFrame(
        {
            "bands": _binary(keys.tobytes(), np.full(len(keys), BANDS * keys.itemsize)),
            "shingles": _binary(halves.tobytes(), sets.lengths * halves.itemsize),
        }
    )


def _binary(data: bytes, lengths: Positions) -> pl.Series:
    buffers = [None, pa.py_buffer(starts_of(lengths)), pa.py_buffer(data)]
    return pl.Series(pa.Array.from_buffers(pa.large_binary(), len(lengths), buffers))


def unpacked_bands(column: pl.Series) -> Bands:
    """`(rows, BANDS)`."""
    return np.frombuffer(b"".join(column), "<u8").reshape(-1, BANDS)


def unpacked_shingles(column: pl.Series) -> Ragged:
    """Shingles whose other half is zero."""
    halves = np.frombuffer(b"".join(column), "<u4").astype(np.uint64)
    return Ragged(halves << HALF, starts_of(column.bin.size().to_numpy() // 4))
