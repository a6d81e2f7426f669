"""Clusters of prompts that say nearly the same, as the pool remembers them.

A prompt that the pool has not seen joins the oldest cluster that it is alike with, or begins one,
named by its first prompt. It is never moved to another: what follows clusters, as splits do, stays
where it is. Signatures and shingles are stored, so that no text is hashed twice (issue 7; why so:
docs/decisions/0017).
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import polars as pl

from filters.duplicates import apart_by_kind, near_duplicates
from filters.near_duplicates import Bands, clustered, shared_bands, shingles
from filters.packed import packed, unpacked_bands, unpacked_shingles
from filters.words import Numbers, Positions, Ragged
from infra.cluster import ray_cluster
from infra.data_file import DataFile
from infra.pool import Pool, reading
from jobs.cluster_shuffle import shuffled, signed
from schemas.arrow import CLUSTERS

TABLE = "clusters"
HASHED_AT_ONCE = 50_000
"""Prompts whose shingles are in memory as 64-bit numbers."""
SHUFFLED_FROM = 1_000_000
"""So many new prompts are worth a start of Ray Data, if there is a cluster: one process takes half
a minute for them if they have 60 words, and a minute and a half if they have 400."""
Sign = Callable[[pl.Series], pl.DataFrame]
"""Texts -> their `bands` and `shingles`, packed."""
Find = Callable[[pl.DataFrame, Positions], Positions]
"""These of rows of which the first have clusters, the least row of each of those -> of each."""


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
        """`prompt_id` and `shingles` of these, in the order of `seen`."""
        own = pl.col("prompt_id").is_in(prompt_ids.implode())
        with reading(self.pool):
            rows = self.pool.scan(TABLE, without=self.without).filter(own)
            return rows.select("prompt_id", "shingles").collect()


@dataclass(frozen=True)
class Clusters:
    """A list's prompts in the clusters of its pool."""

    prompts: pl.DataFrame
    """`prompt_id`, `cluster`, `bands`, and `seen`; null for those that the table does not have."""
    fresh: pl.DataFrame
    """Rows of the table for these."""
    stored: Stored

    def shingles(self, rows: pl.DataFrame) -> Ragged:
        """Of these rows of `prompts`, in their order."""
        known = rows.filter(pl.col("seen").is_not_null())["prompt_id"]
        own = [self.stored.shingles(known), self.fresh.select("prompt_id", "shingles")]
        packs = rows.join(pl.concat(own), on="prompt_id", how="left", maintain_order="left")
        return unpacked_shingles(packs["shingles"])


def clusters(stored: Stored, prompts: pl.DataFrame) -> Clusters:
    """Which cluster each prompt is in. `prompts` has `prompt_id` and `text`, what it says.
    StoreError for a damaged file that is not given up."""
    seen = stored.narrow()
    unseen = prompts.join(seen, on="prompt_id", how="anti").sort("prompt_id")
    with _means(unseen.height) as (sign, find):
        fresh = unseen.select("prompt_id").hstack(sign(unseen["text"]))
        near = _shares_a_band(unpacked_bands(seen["bands"]), unpacked_bands(fresh["bands"]))
        began = pl.col("seen").min().over("cluster")
        alike = seen.with_columns(began=began).filter(near).sort("began", "seen").drop("began")
        known = alike.join(
            stored.shingles(alike["prompt_id"]), on="prompt_id", how="left", maintain_order="left"
        )
        packs = [part.select("bands", "shingles") for part in (known, fresh)]
        labels = pl.Series(find(pl.concat(packs), _firsts(alike["cluster"])))
    names = pl.concat([alike["cluster"], fresh["prompt_id"]])
    fresh = fresh.with_columns(cluster=names.gather(labels[alike.height :]))
    narrow = fresh.select(pl.lit(None, pl.UInt32).alias("seen"), "prompt_id", "cluster", "bands")
    own = prompts.select("prompt_id").join(
        pl.concat([seen, narrow]), on="prompt_id", how="left", maintain_order="left"
    )
    return Clusters(own, fresh.select(CLUSTERS.names), stored)


def near_duplicate_flags(found: Clusters, kinds: Numbers, order: pl.Series) -> pl.Series:
    """`prompt.near_duplicate` of the list's prompts, of which those that come first in `order` (row
    numbers) are none. `kinds` are those of `filters.duplicates`."""
    keys = apart_by_kind(unpacked_bands(found.prompts["bands"]), kinds)
    several = order.filter(pl.Series(shared_bands(keys)[order.to_numpy()] > 0))
    sets = found.shingles(found.prompts[several.to_list()])
    near = near_duplicates(keys[several.to_numpy()], sets.take)
    flags = np.zeros(found.prompts.height, bool)
    flags[several.to_numpy()] = near.to_numpy()
    return pl.Series(flags)


def _signed(texts: pl.Series) -> pl.DataFrame:
    """`bands` and `shingles` of each text."""
    starts = range(0, len(texts), HASHED_AT_ONCE)
    parts = [packed(shingles(texts[start : start + HASHED_AT_ONCE])) for start in starts]
    return pl.concat([packed(shingles(texts.clear())), *parts])


def _clustered(rows: pl.DataFrame, known: Positions) -> Positions:
    def sets_of(places: Positions) -> Ragged:
        return unpacked_shingles(rows["shingles"].gather(places))

    return clustered(unpacked_bands(rows["bands"]), sets_of, known)


def _shares_a_band(keys: Bands, others: Bands) -> pl.Series:
    """Whether a row has a band of one of the others, and may be alike with it."""
    found = np.zeros(len(keys), bool)
    for own, other in zip(keys.T, others.T, strict=True):
        found |= np.isin(own, other) & (own != 0)
    return pl.Series(found)


def _firsts(cluster: pl.Series) -> Positions:
    """The least row with the same, of each row."""
    rows = cluster.to_frame("cluster").with_row_index()
    return (
        rows.select(pl.col("index").first().over("cluster")).to_series().to_numpy().astype(np.int64)
    )


@contextmanager
def _means(count: int) -> Iterator[tuple[Sign, Find]]:
    """What signs so many texts and finds their clusters: this process, or a cluster."""
    if count < SHUFFLED_FROM or not os.environ.get("RAY_ADDRESS"):
        yield _signed, _clustered
        return
    with ray_cluster():
        yield signed, shuffled
