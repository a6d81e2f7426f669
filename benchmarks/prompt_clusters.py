"""How fast clusters of prompts are found: of a new list, of one that has grown, again, and through
Ray Data on this machine.

    python -m benchmarks.prompt_clusters [--prompts 500000] [--words 60] [--instruction 0]

15 % of the prompts are copies of others with one, three or five words in exchange for others. An
instruction is so many words that all prompts begin with.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.made_texts import Texts
from filters.duplicates import duplicates, kinds, same_texts
from filters.near_duplicates import shingles
from filters.packed import packed
from infra.cluster import ray_cluster
from infra.pool import Pool
from infra.pool_writer import PoolWriter
from infra.spool import write_table
from jobs.cluster_shuffle import shuffled, signed
from jobs.clusters import TABLE, Stored, clusters, near_duplicate_flags
from schemas.arrow import CLUSTERS
from schemas.identity import messages_json, prompt_id

ROWS_PER_FILE = 50_000


def made(count: int, words: int, instruction: int = 0) -> pl.DataFrame:
    """`prompt_id` and `text`."""
    stream = Texts(1)
    head = stream.text(instruction)
    own = [stream.text(words) for _ in range(count * 85 // 100)]
    own += [stream.edited(text, 1 + number % 3 * 2) for number, text in enumerate(own)]
    texts = [" ".join([*head, *text]) for text in own[:count]]
    ids = [prompt_id(messages_json(({"role": "user", "content": text},))) for text in texts]
    return pl.DataFrame({"prompt_id": ids, "text": texts}).unique("prompt_id", maintain_order=True)


def find(pool: Pool, writer: PoolWriter, prompts: pl.DataFrame, what: str) -> None:
    """Finds and tells, and has the pool remember what is new."""
    references = pl.repeat("r", prompts.height, eager=True)
    started, spent = time.perf_counter(), time.process_time()
    found = clusters(Stored(pool), prompts)
    clustered_s, spent_s = time.perf_counter() - started, time.process_time() - spent
    order = pl.int_range(prompts.height, eager=True)
    near = near_duplicate_flags(found, kinds(prompts["text"], references), order)
    flagged_s = time.perf_counter() - started - clustered_s
    exact = duplicates(same_texts(prompts["text"], references))
    exact_s = time.perf_counter() - started - clustered_s - flagged_s
    print(
        f"{what}: {clustered_s:.2f} s ({spent_s:.2f} s of processors), "
        f"{prompts.height / clustered_s:,.0f} prompts/s, {found.fresh.height:,} new in "
        f"{found.prompts['cluster'].n_unique():,} clusters; near-duplicates {flagged_s:.2f} s, "
        f"{near.sum():,}; duplicates {exact_s:.2f} s, {exact.sum():,}"
    )
    for number, part in enumerate(found.fresh.iter_slices(ROWS_PER_FILE)):
        path = Path(pool.folder(TABLE)) / f"{what.replace(' ', '_')}-{number:06d}.parquet"
        writer.commit(TABLE, [write_table(str(path), part.to_arrow().cast(CLUSTERS))])


def by_ray(texts: pl.Series) -> None:
    """The same through Ray Data, where all processors are those of this machine."""
    nobody = np.empty(0, np.int64)
    with ray_cluster():
        signed(texts.head(100))  # its workers start
        started = time.perf_counter()
        rows = signed(texts)
        halfway = time.perf_counter()
        shuffled(rows, nobody)
        ended = time.perf_counter()
    assert rows.equals(packed(shingles(texts)))
    print(
        f"through Ray Data: signatures {halfway - started:.1f} s, shuffle {ended - halfway:.1f} s"
    )


def main() -> None:
    """Prints everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=int, default=500_000)
    parser.add_argument("--words", type=int, default=60)
    parser.add_argument("--instruction", type=int, default=0)
    arguments = parser.parse_args()
    prompts = made(arguments.prompts, arguments.words, arguments.instruction)
    with tempfile.TemporaryDirectory() as folder:
        pool = Pool(Path(folder) / "pool")
        writer = PoolWriter(pool, 1)
        find(pool, writer, prompts.head(prompts.height * 99 // 100), "a new list")
        find(pool, writer, prompts, "one percent more")
        find(pool, writer, prompts, "again")
        stored = sum(file.bytes for file in pool.files(TABLE))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(f"{stored / prompts.height:,.0f} bytes a prompt are stored; {peak:,.0f} MB of memory")
    by_ray(prompts["text"])


if __name__ == "__main__":
    main()
