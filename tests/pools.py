"""Pools for tests, written without a run."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from filters.outputs import OUTPUTS
from infra.data_file import DataFile
from infra.lease import WriterLease, writing
from infra.pool_writer import PoolWriter
from infra.spool import write_file, write_table
from jobs.judge import RecipeJudge
from jobs.prompts import PromptList, read_prompts
from jobs.recipe import Job
from schemas.arrow import PROMPTS, SAMPLES, SCORES, TABLES
from schemas.prompt import Prompt
from schemas.reasoning import split_reasoning
from schemas.sample import Sample
from tests.builders import make_sample
from tests.conftest import MakeJob

ASKED, EACH = 40, 6
WORDS = ("sum", "tens", "and", "ones", "both", "added", "again", "so", "it", "is")


def write_sums(path: Path, count: int) -> None:
    """So many questions, with their answers."""
    path.write_text(
        "".join(
            f'{{"question": "What is {i} + {i}?", "answer": "{2 * i}"}}\n' for i in range(count)
        )
    )


def drawn(job: Job, each: int) -> list[tuple[Prompt, Sample]]:
    """So many samples of each prompt, of any length; two of three are right."""
    chance = random.Random(1)
    rows = read_prompts(job.recipe).frame.to_arrow().cast(PROMPTS).to_pylist()
    return [
        (prompt, _sample(job, prompt, index, chance))
        for prompt in map(Prompt.from_row, rows)
        for index in range(each)
    ]


def pooled(make_job: MakeJob, sums: Path, **fields: Any) -> Job:
    """A job with all outputs, and a pool with EACH samples of ASKED prompts."""
    write_sums(sums, ASKED)
    given: dict[str, Any] = {
        "outputs": [*OUTPUTS],
        "scorers": {"math": ["math"], "*": ["format", "signature"]},
        "samples": {"probe": 4, "max": EACH, "enough": EACH},
        "choose": {"per_prompt": 2, "order_by": ["reasoning_tokens"]},
        "pairs": {"per_prompt": 2, "length_ratio": 4, "distinct": 0.99},
    }
    job = make_job(**given | fields)
    samples = drawn(job, EACH)
    write_pool(job, [samples[: len(samples) // 2], samples[len(samples) // 2 :]])
    return job


def _sample(job: Job, prompt: Prompt, index: int, chance: random.Random) -> Sample:
    words = chance.choices(WORDS, k=chance.randint(20, 200))
    answer = prompt.reference if chance.random() < 2 / 3 else "-1"
    return answered(job, prompt, words, answer, index)


def answered(
    job: Job, prompt: Prompt, words: Sequence[str], answer: str | None, index: int = 0
) -> Sample:
    """A whole sample that thinks these words, a token each, and gives this answer."""
    text = f"{' '.join(words)}\n</think>\n\nIt is \\boxed{{{answer}}}"
    split = split_reasoning(text, thinking_open=True)
    return make_sample(
        text,
        prompt_id=prompt.prompt_id,
        teacher_id=job.teacher_id,
        sample_index=index,
        reasoning=split.reasoning,
        answer=split.answer,
        reasoning_tokens=len(words),
        max_tokens=job.recipe.sampling.max_tokens,
    )


def write_pool(
    job: Job, files: Sequence[Sequence[tuple[Prompt, Sample]]], first: int = 0
) -> list[DataFile]:
    """A file of samples for each of these, numbered from `first` on, and one of their scores; the
    former."""
    job.store.create()
    writer, judge = PoolWriter(job.pool, epoch=1), RecipeJudge(job)
    written = []
    for number, rows in enumerate(files, first):
        name = f"{number:04d}.parquet"
        samples = [sample.to_row() for _, sample in rows]
        scores = [row.to_row() for row in judge.score(rows, None)]
        written.append(write_file(f"{job.pool.folder('samples')}/{name}", SAMPLES, samples))
        scored = write_file(f"{job.pool.folder('scores')}/{name}", SCORES, scores)
        writer.commit("samples", written[-1:])
        writer.commit("scores", [scored])
    return written


def remember(job: Job, prompts: PromptList) -> None:
    """Has the pool know these prompts, as a run that draws for them does."""
    job.store.create()
    lease = WriterLease.acquire(job.store, writing(job.recipe.pool), job.recipe.name)
    writer = PoolWriter(job.pool, lease.epoch)
    seen = job.pool.scan("prompts").collect()["prompt_id"]
    rows = {"prompts": prompts.frame.filter(~pl.col("prompt_id").is_in(seen.implode()))}
    if prompts.clusters is not None:
        rows["clusters"] = prompts.clusters.fresh
    for table, fresh in rows.items():
        if fresh.height:
            path = f"{job.pool.folder(table)}/{lease.attempt}-000000.parquet"
            writer.commit(table, [write_table(path, fresh.to_arrow().cast(TABLES[table]))])
    lease.release()
