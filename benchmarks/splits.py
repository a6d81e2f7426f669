"""What splits cost, in processor time, beside the clusters that they rest on: assigning them, and
looking for texts that would be in two, in a list that has grown by prompts between its clusters.

    python -m benchmarks.splits [--prompts 1000000] [--words 60]
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

import polars as pl

from benchmarks.made_texts import Texts
from benchmarks.prompt_clusters import made
from infra.pool import Pool
from infra.pool_writer import PoolWriter
from infra.spool import write_table
from jobs.clusters import TABLE, Stored, clusters
from jobs.splits import assigned, with_crossing_left_out
from schemas.arrow import CLUSTERS
from schemas.recipe import Recipe

BRIDGED = 1_000
"""Pairs of prompts that a third one is alike with, and that are not alike themselves."""


def bridges(words: int) -> tuple[list[str], list[str]]:
    """Pairs of texts, one behind the other, and what lies between each pair."""
    stream, ends, between = Texts(2), [], []
    for _ in range(BRIDGED):
        text = stream.text(words)
        middle = [*text[words // 12 :], *stream.text(words // 12)]
        ends += [" ".join(text), " ".join([*middle[words // 12 :], *stream.text(words // 12)])]
        between.append(" ".join(middle))
    return ends, between


def listed(prefix: str, texts: list[str]) -> pl.DataFrame:
    """`prompt_id` and `text`."""
    ids = [f"{prefix}{number:08d}" for number in range(len(texts))]
    return pl.DataFrame({"prompt_id": ids, "text": texts})


def find(pool: Pool, prompts: pl.DataFrame, share: float, what: str) -> pl.DataFrame:
    """Rows for the table of clusters; prints the processor time of each step."""
    recipe = Recipe.model_validate(
        {
            "name": "x",
            "store": "x",
            "prompts": [{"path": "x"}],
            "teacher": {"model": "x"},
            "splits": {"validation": share},
        }
    )
    started = time.process_time()
    found = clusters(Stored(pool), prompts)
    clustered_s = time.process_time() - started
    splits = assigned(found, recipe)
    assigned_s = time.process_time() - started - clustered_s
    rows = found.prompts.with_columns(reason=pl.lit(None, pl.String))
    order = rows.with_row_index().sort("seen", "prompt_id", nulls_last=True)["index"]
    left_out = with_crossing_left_out(rows, found, splits, order)["reason"].drop_nulls()
    crossing_s = time.process_time() - started - clustered_s - assigned_s
    print(
        f"{what}, {share:.0%} validation: {prompts.height:,} prompts, clusters {clustered_s:.1f} s,"
        f" splits {assigned_s:.1f} s, texts in two {crossing_s:.1f} s: {len(left_out):,} left out"
    )
    return found.fresh


def main() -> None:
    """Prints everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=int, default=1_000_000)
    parser.add_argument("--words", type=int, default=60)
    arguments = parser.parse_args()
    ends, between = bridges(arguments.words)
    first = pl.concat([made(arguments.prompts, arguments.words), listed("e", ends)])
    with tempfile.TemporaryDirectory() as folder:
        pool = Pool(Path(folder) / "pool")
        writer = PoolWriter(pool, 1)
        fresh = find(pool, first, 0.01, "a new list")
        path = f"{pool.folder(TABLE)}/000001.parquet"
        writer.commit(TABLE, [write_table(path, fresh.to_arrow().cast(CLUSTERS))])
        grown = pl.concat([first, listed("b", between)])
        for share in (0.01, 0.1, 0.5):
            find(pool, grown, share, "with prompts between")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(f"{peak:,.0f} MB of memory")


if __name__ == "__main__":
    main()
