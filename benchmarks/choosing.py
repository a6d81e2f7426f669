"""Choosing among a million prompts with eight samples each, on one thread: no texts, no store.

    POLARS_MAX_THREADS=1 python -m benchmarks.choosing [--prompts 1000000] [--per-prompt 2]

Shards of made-up samples, in the columns that a survey of a pool gives, get their fates as
`jobs.decide` gives them: which samples count (`with_eligible`), what a prompt's samples say
together (`with_groups`), their identities, lengths trimmed, an order, diverse ones by signatures;
then all prompts are mixed. To make the samples is not counted.
"""

import argparse
import os
import resource
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import polars as pl

from filters.choose import with_eligible, with_fates
from filters.distinct import SIGNATURE
from filters.groups import with_groups
from filters.mix import Mixer, mixed, rows_in_strata
from filters.near_duplicates import PERMUTATIONS
from filters.rules import rule_columns
from filters.scored import with_reasons
from jobs.decide import PROMPTS_PER_SHARD
from jobs.fates import sample_ids
from jobs.judge import JUDGED_SCHEMA
from jobs.recipe import Job
from schemas.recipe import Recipe

SAMPLES_PER_PROMPT = 8
SOURCES = ("algebra", "geometry", "logic", "numbers", "puzzles")
TRUNCATED = 0.06
COPIED = 0.3
"""So many samples have something in common with the first one of their prompt."""
Result = TypeVar("Result")


def made_job(per_prompt: int) -> Job:
    """A recipe with everything that chooses without reading texts."""
    recipe = {
        "name": "made",
        "store": "nowhere",
        "prompts": [{"path": "nowhere.jsonl"}],
        "teacher": {"model": "made", "engine": "simulated"},
        "samples": {"probe": 4, "max": SAMPLES_PER_PROMPT, "enough": SAMPLES_PER_PROMPT},
        "scorers": {"*": ["math", "format", "signature"]},
        "keep": {"finished": "format.complete", "correct": "correct"},
        "choose": {
            "per_prompt": per_prompt,
            "order_by": ["abs(group.length_rank - 0.5)"],
            "where": "group.pass_rate_low < 0.8",
            "trim": {"shortest": 0.05, "longest": 0.1},
            "diverse": True,
        },
        "mix": {
            "strata": {
                "hard": {"where": "group.pass_rate < 0.5", "share": 0.5},
                "sums": {"where": "source in ('algebra', 'numbers')", "share": 0.3},
                "rest": {"share": 0.2},
            }
        },
    }
    return Job.of(Recipe.model_validate(recipe))


def made_samples(job: Job, number: int, prompts: int) -> pl.DataFrame:
    """A shard's samples with scores and reasons, in no order."""
    random = np.random.Generator(np.random.PCG64(number))
    rows, prompt = prompts * SAMPLES_PER_PROMPT, np.repeat(np.arange(prompts), SAMPLES_PER_PROMPT)
    ids = pl.Series([f"p1_{number:08x}{random.bytes(12).hex()}" for _ in range(prompts)])
    sources = pl.Series(SOURCES)[random.integers(0, len(SOURCES), prompts)]
    tokens = (1000 * random.lognormal(0, 0.6, rows)).astype(np.int32)
    answers = [random.integers(0, 10**5, size) for size in (prompts, rows)]
    drawn = pl.DataFrame(
        {
            "prompt_id": ids[prompt],
            "sample_index": np.tile(np.arange(SAMPLES_PER_PROMPT, dtype=np.int32), prompts),
            "source": sources[prompt],
            "reasoning_tokens": tokens,
            "answer_tokens": tokens // 8,
            "mean_logprob": -random.random(rows),
            "format.complete": random.random(rows) >= TRUNCATED,
            "right": random.random(rows) < random.beta(2, 2, prompts)[prompt],
            "reference": answers[0][prompt],
            "other": answers[1],
            SIGNATURE: made_signatures(random, rows),
        }
    )
    complete, right = pl.col("format.complete"), pl.col("right")
    known = {
        "teacher_id": pl.lit(job.teacher_id),
        "outcome": pl.lit("done"),
        "finish_reason": pl.when(complete).then(pl.lit("stop")).otherwise(pl.lit("length")),
        "max_tokens": pl.lit(job.recipe.sampling.max_tokens, pl.Int32),
        "domain": pl.lit("math"),
        "final_answer": pl.when(complete)
        .then(pl.when(right).then("reference").otherwise("other"))
        .cast(pl.String),
        "verdict": pl.when(complete).then(
            pl.when(right).then(pl.lit("true")).otherwise(pl.lit("false"))
        ),
        "correct": pl.when(complete).then(right),
        "missing": pl.lit(""),
    }
    samples = drawn.with_columns(**known).drop("right", "reference", "other")
    schema = {**rule_columns(job.scorers), **JUDGED_SCHEMA}
    empty = [pl.lit(None, schema[name]).alias(name) for name in schema if name not in samples]
    samples = samples.with_columns(empty).sample(fraction=1, shuffle=True, seed=number)
    return with_reasons(samples, job.rules.samples, job.recipe.sampling.max_tokens)


def made_signatures(random: np.random.Generator, rows: int) -> pl.Series:
    """Signatures of which some have a share in common with that of their prompt's first."""
    own = random.integers(0, 256, (rows, PERMUTATIONS), np.uint8)
    first = np.arange(rows) // SAMPLES_PER_PROMPT * SAMPLES_PER_PROMPT
    share = random.random((rows, 1)) * (random.random((rows, 1)) < COPIED)
    own = np.where(random.random(own.shape, np.float32) < share, own[first], own)
    return pl.Series([row.tobytes() for row in own]).bin.encode("base64")


class Clock:
    """Processor time of each step, and of all together."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def __call__(self, step: str, work: Callable[..., Result], *arguments: Any) -> Result:
        """Does it, and notes how long it took."""
        started = time.process_time()
        result = work(*arguments)
        self.seconds[step] += time.process_time() - started
        return result


def decided(job: Job, mixer: Mixer, samples: pl.DataFrame, clock: Clock) -> pl.DataFrame:
    """What a mix has to know of the prompts of a shard. The steps are those of `jobs.fates`."""
    samples = clock("a sort", samples.sort, "prompt_id", "sample_index")
    samples = clock("with_eligible", with_eligible, samples, job.eligible)
    samples = clock("with_groups", with_groups, samples, job.recipe.samples.probe)
    samples = samples.with_columns(id=clock("identities", sample_ids, samples))
    samples = clock("with_fates", with_fates, samples, job.chooser, lambda rows: rows)
    return clock("strata", rows_in_strata, samples, mixer)


def main() -> None:
    """Makes, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=int, default=1_000_000)
    parser.add_argument("--per-prompt", type=int, default=2)
    given = parser.parse_args()
    if pl.thread_pool_size() != 1:
        parser.error("set POLARS_MAX_THREADS=1: what is asked for is the time of one core")
    job, clock = made_job(given.per_prompt), Clock()
    assert job.mixer is not None
    shards = []
    for number, first in enumerate(range(0, given.prompts, PROMPTS_PER_SHARD)):
        samples = made_samples(job, number, min(PROMPTS_PER_SHARD, given.prompts - first))
        shards.append(decided(job, job.mixer, samples, clock))
    found = clock("mix", mixed, job.mixer, pl.concat(shards))
    for step, seconds in clock.seconds.items():
        print(f"{seconds:6.1f} s: {step}")
    total, peak = sum(clock.seconds.values()), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{total:6.1f} s: all, {given.prompts * SAMPLES_PER_PROMPT / total:,.0f} samples/s")
    print(f"at most {peak / 2**20:.2f} GB, load {os.getloadavg()[0]:.1f}")
    print(found.report, dict(found.left_out))


if __name__ == "__main__":
    main()
