"""Tokens per published sample with a real engine: adaptive sampling against a fixed n.

    python -m benchmarks.sampling_on_the_tiny_teacher

The quickstart with its own teacher, scorers and rules, drawn three times in pools of their own:
16 samples of every prompt, 4 kept ones of at most 16, and 1 kept one of at most 16. Published
samples are chosen by their hash. Paid is what the engine generated, also for what was cancelled;
the oracle pays for the eligible samples alone.
"""

import tempfile
from pathlib import Path

import polars as pl

from benchmarks.sampling_policies import distance
from filters.choose import PUBLISHED
from infra.cluster import ray_cluster
from infra.meter import Spent, spent_by
from jobs.fates import samples_with_fates
from jobs.generate import generate
from jobs.prompts import read_prompts
from jobs.recipe import Job, load_job

RECIPE = "recipes/quickstart.yaml"
FIXED = ["samples.probe=16", "samples.max=16"]
LENGTH = pl.col("reasoning_tokens") + pl.col("answer_tokens")


def job(store: Path, wanted: int, *changes: str) -> Job:
    return load_job(
        RECIPE,
        [
            f"store={store}",
            f"samples.enough={wanted}",
            f"choose.per_prompt={wanted}",
            "choose.order_by=[]",
            *changes,
        ],
    )


def drawn(job: Job) -> float:
    """Draws all, and tells the tokens that the pool has cost."""
    generate(job, read_prompts(job.recipe))
    return sum(spent_by(job.store, job.recipe.pool).values(), Spent()).tokens


def compare(store: Path, wanted: int, fixed_paid: float) -> None:
    fixed = job(store / "fixed", wanted, *FIXED)
    adaptive = job(store / f"{wanted}", wanted, f"samples.probe={wanted}", "samples.max=16")
    paid = drawn(adaptive)
    reference, mine = (
        samples_with_fates(one, read_prompts(one.recipe)) for one in (fixed, adaptive)
    )
    published = [found.filter(pl.col("fate") == PUBLISHED) for found in (reference, mine)]
    rows = [found.height for found in published]
    prompts = [found["prompt_id"].n_unique() for found in published]
    lengths = [found.select(LENGTH).to_series().to_numpy() for found in published]
    oracle = mine.filter("eligible").select(LENGTH.sum()).item()
    all_prompts = reference["prompt_id"].n_unique()
    print(
        f"| {wanted} of 16 | {fixed_paid / rows[0]:,.0f} | {paid / rows[1]:,.0f} "
        f"| {paid / rows[1] / (fixed_paid / rows[0]):.3f} | {paid / oracle:.3f} "
        f"| {100 * (prompts[1] - prompts[0]) / all_prompts:+.1f} | {distance(*lengths):.3f} "
        f"| {rows[0]:,} / {rows[1]:,} |",
        flush=True,
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as name, ray_cluster():
        store = Path(name)
        fixed_paid = drawn(job(store / "fixed", 4, *FIXED))
        print(
            "| need | fixed, tokens/published | adaptive | of fixed | of oracle "
            "| coverage, points | KS | published |"
        )
        print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
        for wanted in (4, 1):
            compare(store, wanted, fixed_paid)


if __name__ == "__main__":
    main()
