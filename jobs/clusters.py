"""Clusters of prompts that say nearly the same, as the pool remembers them.

A prompt that the pool has not seen joins the oldest cluster that it is alike with, or begins one,
named by its first prompt. It is never moved to another: what follows clusters, as splits do, stays
where it is. Signatures and shingles are stored, so that no text is hashed twice (issue 7; why so:
docs/decisions/0017).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from filters.duplicates import DUPLICATE_COLUMNS, duplicates
from filters.near_duplicates import BANDS, Bands, bands, clustered, shingles
from filters.words import Positions, Ragged, starts_of
from infra.data_file import DataFile
from infra.pool import Pool, reading
from jobs.questions import questions
from schemas.arrow import CLUSTERS
from schemas.recipe import PromptSource

TABLE = "clusters"
HASHED_AT_ONCE = 50_000
"""Prompts whose shingles are in memory as 64-bit numbers."""
HALF = np.uint64(32)


@dataclass(frozen=True)
class Stored:
    """The pool's table, as far as its files are sound or are not given up."""

    pool: Pool
    without: Sequence[DataFile] = ()

    def narrow(self) -> pl.DataFrame:
        """`seen` (0, 1, …: in which order the pool came to know them), `prompt_id`, `cluster`,
        `bands`."""
        with reading(self.pool):
            rows = self.pool.scan(TABLE, without=self.without)
            found = rows.select("prompt_id", "cluster", "bands").collect()
        return found.with_row_index("seen")

    def shingles(self, prompt_ids: pl.Series) -> pl.DataFrame:
        """`prompt_id` and `shingles` of these, in the same order."""
        own = pl.col("prompt_id").is_in(prompt_ids.implode())
        with reading(self.pool):
            rows = self.pool.scan(TABLE, without=self.without).filter(own)
            return rows.select("prompt_id", "shingles").collect()


@dataclass(frozen=True)
class Clusters:
    """A list's prompts in the clusters of its pool."""

    prompts: pl.DataFrame
    """`prompt_id`, `cluster`, `bands`, and `seen`: which one the pool came to know first; null for
    those that it does not know yet."""
    fresh: pl.DataFrame
    """Rows of the table for these."""
    stored: Stored
    files: Sequence[DataFile]
    """Of the table, before it was read."""

    @property
    def is_still_true(self) -> bool:
        """Whether no other clusters were added since."""
        return self.files == self.stored.pool.files(TABLE)


def clusters(
    pool: Pool,
    prompts: pl.DataFrame,
    sources: Sequence[PromptSource],
    *,
    drop_damaged: bool = False,
) -> Clusters:
    """Which cluster each prompt is in. `prompts` has `prompt_id` and `messages`; the templates of
    `sources` are no part of what they say. StoreError for a damaged file, if those are not
    dropped."""
    files = pool.files(TABLE)
    stored = Stored(pool, pool.damaged(TABLE) if drop_damaged else ())
    seen = stored.narrow()
    unseen = prompts.join(seen, on="prompt_id", how="anti").sort("prompt_id")
    signed = _signed(questions(unseen["messages"], sources))
    fresh = unseen.select("prompt_id").with_columns(signed.get_columns())
    alike = seen.filter(_shares_a_band(_keys(seen["bands"]), _keys(fresh["bands"])))
    labels = _labels(alike, fresh, stored.shingles(alike["prompt_id"]))
    names = pl.concat([alike["cluster"], fresh["prompt_id"]])
    fresh = fresh.with_columns(cluster=names.gather(labels[alike.height :]))
    narrow = fresh.select(pl.lit(None, pl.UInt32).alias("seen"), "prompt_id", "cluster", "bands")
    own = prompts.select("prompt_id").join(
        pl.concat([seen, narrow]), on="prompt_id", how="left", maintain_order="left"
    )
    return Clusters(own, fresh.select(CLUSTERS.names), stored, files)


def duplicate_flags(found: Clusters, references: pl.Series, put_back: pl.Series) -> pl.DataFrame:
    """`DUPLICATE_COLUMNS` of the list's prompts, in their order. The one that the pool came to know
    first is no duplicate; those that are `put_back` come last, since nothing is drawn for them."""
    rows = found.prompts.with_row_index().with_columns(
        pl.Series("reference", references), pl.Series("put_back", put_back)
    )
    several = rows.filter(pl.col("cluster").is_duplicated()).sort(
        "put_back", "seen", "prompt_id", nulls_last=True
    )
    known = several.filter(pl.col("seen").is_not_null())["prompt_id"]
    own = pl.concat([found.stored.shingles(known), found.fresh.select("prompt_id", "shingles")])
    sets = several.join(own, on="prompt_id", how="left", maintain_order="left")["shingles"]
    flags = duplicates(several["reference"], _keys(several["bands"]), _sets(sets))
    flagged = rows.join(
        several.select("index").with_columns(flags.get_columns()), on="index", how="left"
    )
    return flagged.sort("index").select(pl.col(name).fill_null(False) for name in DUPLICATE_COLUMNS)


def _signed(texts: pl.Series) -> pl.DataFrame:
    """`bands` and `shingles` of each text, as they are stored."""
    parts = [
        _stored(shingles(texts[start : start + HASHED_AT_ONCE]))
        for start in range(0, len(texts), HASHED_AT_ONCE)
    ]
    empty = pl.DataFrame(schema={"bands": pl.Binary(), "shingles": pl.Binary()})
    return pl.concat([empty, *parts])


def _stored(sets: Ragged) -> pl.DataFrame:
    # Of shingles the half that signatures are made of: two texts of a hundred words have one in
    # common by chance with a probability of 2e-6.
    halves = (sets.flat >> HALF).astype("<u4")
    keys = bands(sets).astype("<u8")
    lengths = np.full(len(keys), BANDS * keys.itemsize)
    return pl.DataFrame(
        {
            "bands": _binary(keys.tobytes(), lengths),
            "shingles": _binary(halves.tobytes(), sets.lengths * halves.itemsize),
        }
    )


def _binary(data: bytes, lengths: Positions) -> pl.Series:
    offsets = pa.py_buffer(starts_of(lengths))
    buffers = [None, offsets, pa.py_buffer(data)]
    return pl.Series(pa.Array.from_buffers(pa.large_binary(), len(lengths), buffers))


def _keys(stored: pl.Series) -> Bands:
    return np.frombuffer(b"".join(stored), "<u8").reshape(-1, BANDS)


def _sets(stored: pl.Series) -> Ragged:
    halves = np.frombuffer(b"".join(stored), "<u4").astype(np.uint64)
    return Ragged(halves << HALF, starts_of(stored.bin.size().to_numpy() // 4))


def _shares_a_band(keys: Bands, others: Bands) -> pl.Series:
    """Whether a row has a band of one of the others, and may be alike with it."""
    found = np.zeros(len(keys), bool)
    for own, other in zip(keys.T, others.T, strict=True):
        found |= np.isin(own, other) & (own != 0)
    return pl.Series(found)


def _labels(alike: pl.DataFrame, fresh: pl.DataFrame, stored: pl.DataFrame) -> pl.Series:
    """The least row of each row's cluster, of rows that have one and fresh ones."""
    both = pl.concat([stored["shingles"], fresh["shingles"]])
    first = alike.with_row_index().select(pl.col("index").first().over("cluster")).to_series()
    keys = np.concatenate([_keys(alike["bands"]), _keys(fresh["bands"])])
    found = clustered(
        keys, lambda rows: _sets(both.gather(rows)), first.to_numpy().astype(np.int64)
    )
    return pl.Series(found)
