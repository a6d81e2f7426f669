"""How fast near-duplicates are clustered, and what is found; beside rensa, datasketch and
datatrove where they are installed.

    POLARS_MAX_THREADS=1 python -m benchmarks.near_duplicates [--texts 20000] [--words 365]

365 words are about 500 tokens. 15 % of the texts are copies of others with 0, 2, 4 or 20 words in
exchange for others.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from benchmarks.made_texts import Texts
from filters.near_duplicates import SIMILAR, bands, clustered, jaccard, shingles
from filters.words import Positions

EDITS = (0, 2, 4, 20)
Pairs = npt.NDArray[np.int64]


class Copies(NamedTuple):
    """Texts, and which of them are copies of which, with so many edits."""

    texts: list[str]
    edits: Pairs
    originals: Pairs
    copies: Pairs


def made(count: int, words: int) -> Copies:
    """Texts of which 15 % are copies."""
    stream = Texts(1)
    texts = [stream.text(words) for _ in range(count * 85 // 100)]
    first = len(texts)
    originals = np.arange(count - first)
    edits = np.array([EDITS[number % len(EDITS)] for number in originals])
    texts += [stream.edited(texts[at], edits[at]) for at in originals]
    return Copies([" ".join(text) for text in texts], edits, originals, originals + first)


def ours(texts: Sequence[str]) -> Positions:
    """The cluster of each text."""
    sets = shingles(pl.Series(texts))
    return clustered(bands(sets), sets.take)


def python_shingles(text: str) -> list[str]:
    """As users of libraries that take sets of texts make them."""
    words = text.lower().split()
    return [" ".join(words[at : at + 5]) for at in range(len(words) - 4)]


def datasketch(texts: Sequence[str]) -> Positions:
    """Its MinHash and LSH at the same threshold; the first similar text is the cluster."""
    library: Any = import_module("datasketch")
    index = library.MinHashLSH(threshold=SIMILAR, num_perm=128)
    labels = np.arange(len(texts))
    for row, text in enumerate(texts):
        signature = library.MinHash(num_perm=128)
        signature.update_batch([shingle.encode() for shingle in python_shingles(text)])
        if found := index.query(signature):
            labels[row] = labels[min(found)]
        index.insert(row, signature)
    return labels


def rensa(texts: Sequence[str]) -> Positions:
    """Its own deduplicator; a text that is a duplicate belongs to the least it names."""
    library: Any = import_module("rensa")
    index = library.RMinHashDeduplicator(
        threshold=SIMILAR, num_perm=128, use_lsh=True, num_bands=16, seed=42
    )
    labels = np.arange(len(texts))
    for row, text in enumerate(texts):
        signature = library.RMinHash(num_perm=128, seed=42)
        signature.update(python_shingles(text))
        if not index.add(str(row), signature):
            found = index.get_duplicates(signature)
            labels[row] = labels[min(map(int, found))] if found else row
    return labels


def datatrove(texts: Sequence[str]) -> Positions:
    """Its four stages as its documentation has them, up to the clusters, with its own settings."""
    library: Any = import_module("datatrove.pipeline.dedup.minhash")
    document: Any = import_module("datatrove.data").Document
    config = library.MinhashConfig()
    labels = np.arange(len(texts))
    with tempfile.TemporaryDirectory() as folder:
        signed, matched, grouped = (f"{folder}/{name}" for name in ("signed", "matched", "grouped"))
        rows = (document(text=text, id=str(row)) for row, text in enumerate(texts))
        library.MinhashDedupSignature(signed, config).run(rows, 0, 1)
        for bucket in range(config.num_buckets):
            stage = library.MinhashDedupBuckets(signed, matched, config=config)
            stage.run(None, bucket, config.num_buckets)
        stage = library.MinhashDedupCluster(matched, grouped, config, save_cluster_id=True)
        stage.run(None, 0, 1)
        pairs = np.fromfile(f"{grouped}/000000.clusters", "<u4").reshape(-1, 2)
    _, first, cluster = np.unique(pairs[:, 1], return_index=True, return_inverse=True)
    labels[pairs[:, 0]] = pairs[first[cluster], 0]
    return labels


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--texts", type=int, default=20_000)
    parser.add_argument("--words", type=int, default=365)
    given = parser.parse_args()
    copies = made(given.texts, given.words)
    sets = shingles(pl.Series(copies.texts))
    index = jaccard(sets.take(copies.originals), sets.take(copies.copies))
    methods: dict[str, Callable[[Sequence[str]], Positions]] = {"stillhouse": ours}
    methods |= {"rensa": rensa, "datasketch": datasketch, "datatrove": datatrove}
    for name, method in methods.items():
        start = time.perf_counter()
        try:
            labels = method(copies.texts)
        except ImportError:
            print(f"{name}: not installed")
            continue
        rate = given.texts / (time.perf_counter() - start)
        found = labels[copies.originals] == labels[copies.copies]
        others = len(labels) - len(np.unique(labels)) - found.sum()
        print(
            f"{name:12} {rate:8,.0f} texts/s; recall {found[index >= 0.9].mean():.4f} at an index "
            f"of at least 0.9, {found[index >= SIMILAR].mean():.4f} at {SIMILAR}; "
            f"{found[index < SIMILAR].sum() + others} of {(index < SIMILAR).sum()} "
            "less similar copies, and of all other texts, taken for duplicates"
        )


if __name__ == "__main__":
    main()
