"""Do truncated samples that are gone on with come out as long as if they never had been truncated?

    python -m benchmarks.longer_max_tokens [--short 100]

The quickstart's prompts with its own teacher: eight samples each, drawn with its `max_tokens` at
once, and four each cut at `--short` tokens first and gone on with then. The first four of the eight
and the last four say how far chance alone brings two draws apart. What a fresh draw of the
truncated ones would give is put together from both: where one of the first four is longer than the
cut, its counterpart counts.
"""

import argparse
import tempfile

import numpy as np
import polars as pl

from benchmarks.sampling_policies import distance
from infra.cluster import ray_cluster
from jobs.generate import generate
from jobs.prompts import read_prompts
from jobs.recipe import load_job
from jobs.survey import survey

RECIPE = "recipes/quickstart.yaml"
SAMPLES = 4


def draw(store: str, samples: int, *changes: str) -> pl.DataFrame:
    """`prompt_id, sample_index, length` and `kept` of all samples."""
    counts = [f"samples.probe={samples}", f"samples.max={samples}"]
    job = load_job(RECIPE, [f"store={store}", *counts, *changes])
    prompts = read_prompts(job.recipe)
    done = generate(job, prompts)
    print(f"{samples} samples, {' '.join(changes) or 'as it is'}: {done.tokens:,} tokens drawn")
    found = survey(job, prompts).samples
    return found.select(
        pl.col("prompt_id").cast(pl.String),
        "sample_index",
        length=pl.col("reasoning_tokens") + pl.col("answer_tokens"),
        kept=pl.col("reason").is_null(),
    ).sort("prompt_id", "sample_index")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", type=int, default=100)
    short = parser.parse_args().short
    with tempfile.TemporaryDirectory() as store, ray_cluster():
        both = draw(f"{store}/at_once", 2 * SAMPLES)
        draw(f"{store}/cut", SAMPLES, f"sampling.max_tokens={short}")
        continued = draw(f"{store}/cut", SAMPLES)
    first = both.filter(pl.col("sample_index") < SAMPLES)
    second = both.filter(pl.col("sample_index") >= SAMPLES)
    anew = first.with_columns(
        pl.when(first["length"] < short).then(first[name]).otherwise(second[name]).alias(name)
        for name in ("length", "kept")
    )
    reference = both["length"].to_numpy()
    print("\n| samples | mean tokens | kept | KS distance to all eight |")
    print("| --- | ---: | ---: | ---: |")
    for name, found in {
        "the first four": first,
        "the last four": second,
        "gone on with": continued,
        "drawn anew": anew,
    }.items():
        apart = distance(found["length"].to_numpy(), reference)
        mean, kept = (np.mean(found[column].to_numpy()) for column in ("length", "kept"))
        print(f"| {name} | {mean:.1f} | {kept:.3f} | {apart:.3f} |")


if __name__ == "__main__":
    main()
