"""A pool of made-up samples with their real scores, for benchmarks of what reads a pool.

Nothing is drawn: files are written and committed as workers and the coordinator would.
"""

import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from benchmarks.made_texts import Texts
from infra.data_file import DataFile
from infra.pool_writer import PoolWriter
from infra.spool import write_table, write_tables
from jobs.judge import RecipeJudge
from jobs.prompt_copy import keep_prompts, load_prompts
from jobs.recipe import Job, load_job
from schemas.arrow import PROMPTS, SAMPLES, SCORES
from schemas.identity import text_digest
from schemas.prompt import Prompt
from schemas.reasoning import split_reasoning
from schemas.sample import DONE, Sample

SAMPLES_PER_PROMPT = 8
PROMPTS_PER_FILE = 4_000
PROMPTS_PER_ROW_GROUP = 1_000
"""About 32 MB in memory, as compaction writes them."""
WORDS = 280
"""Of a text in the mean: 2 kB."""
TOKENS_PER_WORD = 1.4
PROCESSES = 2
SCORERS = ("exact_match", "format")


def write_recipe(folder: Path, samples: int, scorers: Sequence[str] = SCORERS) -> Path:
    """A recipe over sums, with so many samples of them, and its prompts."""
    prompts = folder / "prompts.jsonl"
    with prompts.open("w") as file:
        for i in range(samples // SAMPLES_PER_PROMPT):
            row = {"question": f"What is {i} + {i % 97}?", "answer": str(i + i % 97)}
            file.write(f"{json.dumps(row)}\n")
    source = {"path": str(prompts), "fields": {"prompt": "question", "reference": "answer"}}
    counts = dict.fromkeys(("probe", "max", "enough"), SAMPLES_PER_PROMPT)
    recipe = {
        "name": "made",
        "store": str(folder / "store"),
        "prompts": [source],
        "teacher": {"model": "made", "engine": "simulated"},
        "samples": counts,
        "scorers": {"*": [*scorers]},
        "keep": {"finished": "format.complete", "correct": "correct"},
        "choose": {"per_prompt": SAMPLES_PER_PROMPT, "order_by": ["reasoning_tokens"]},
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe))
    return path


def write_pool(recipe: Path) -> int:
    """Fills the recipe's pool; bytes of text in it."""
    job = load_job(str(recipe))
    job.store.create()
    writer = PoolWriter(job.pool, epoch=1)
    prompts = load_prompts(job)
    table = prompts.frame.to_arrow().cast(PROMPTS)
    parts = [table.slice(i, PROMPTS_PER_FILE) for i in range(0, len(table), PROMPTS_PER_FILE)]
    folder = job.pool.folder("prompts")
    files = [write_table(f"{folder}/{i:06d}.parquet", part) for i, part in enumerate(parts)]
    writer.commit("prompts", files)
    keep_prompts(job, prompts)
    text_bytes = 0
    with ProcessPoolExecutor(PROCESSES, get_context("spawn")) as processes:
        made = processes.map(partial(_write_samples, str(recipe)), range(len(parts)), parts)
        for samples, scores, size in made:
            writer.commit("samples", [samples])
            writer.commit("scores", [scores])
            text_bytes += size
    return text_bytes


def _write_samples(recipe: str, number: int, prompts: pa.Table) -> tuple[DataFile, DataFile, int]:
    """One file of samples and one of their scores, and the bytes of their texts."""
    job = load_job(recipe)
    judge, texts = RecipeJudge(job), Texts(seed=number)
    rows = [Prompt.from_row(row) for row in prompts.to_pylist()]
    groups = [
        rows[i : i + PROMPTS_PER_ROW_GROUP] for i in range(0, len(rows), PROMPTS_PER_ROW_GROUP)
    ]
    sizes, scores = [], []

    def tables() -> Any:
        for group in groups:
            own = [(p, s) for p in group for s in _samples(job, p, texts)]
            scores.append(_table([r.to_row() for r in judge.score(own, None)], SCORES))
            sizes.append(sum(len(sample.text or "") for _, sample in own))
            yield _table([sample.to_row() for _, sample in own], SAMPLES)

    name = f"made-{number:06d}.parquet"
    samples = write_tables(f"{job.pool.folder('samples')}/{name}", SAMPLES, tables())
    scored = write_table(f"{job.pool.folder('scores')}/{name}", pa.concat_tables(scores))
    return samples, scored, sum(sizes)


def _table(rows: Sequence[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=schema)


def _samples(job: Job, prompt: Prompt, texts: Texts) -> list[Sample]:
    """Samples that are right, wrong and truncated in some proportion, of any length."""
    random = texts.random
    accuracy = random.betavariate(4, 2)
    return [
        _sample(
            job,
            prompt,
            index,
            " ".join(texts.text(max(20, int(random.lognormvariate(0, 0.5) * 0.88 * WORDS)))),
            (prompt.reference if random.random() < accuracy else str(random.randrange(10**6))),
            truncated=random.random() < 0.06,
        )
        for index in range(SAMPLES_PER_PROMPT)
    ]


def _sample(
    job: Job, prompt: Prompt, index: int, thinking: str, result: str | None, *, truncated: bool
) -> Sample:
    words = thinking.split(" ")
    answer = f"\n\n{' '.join(words[-len(words) // 8 :])}: \\boxed{{{result}}}"
    reasoning = " ".join(words[: -len(words) // 8])
    text = reasoning if truncated else f"{reasoning}\n</think>{answer}"
    split = split_reasoning(text, thinking_open=True)
    known: dict[str, Any] = dict.fromkeys(Sample.__slots__)
    known |= {
        "prompt_id": prompt.prompt_id,
        "teacher_id": job.teacher_id,
        "sample_index": index,
        "outcome": DONE,
        "text": text,
        "text_digest": text_digest(text, truncated=truncated),
        "reasoning": split.reasoning,
        "answer": split.answer,
        "thinking_open": True,
        "finish_reason": "length" if truncated else "stop",
        "thinking_cut": False,
        "prompt_tokens": 16,
        "reasoning_tokens": int(TOKENS_PER_WORD * len(words) * 7 / 8),
        "answer_tokens": 0 if truncated else int(TOKENS_PER_WORD * len(words) / 8),
        "max_tokens": job.recipe.sampling.max_tokens,
        "seed": index,
        "mean_logprob": -0.5,
        "lowest_logprob": -0.75,
        "tail_logprob": -0.25,
        "prompt_digest": text_digest(prompt.question),
        "engine": "simulated",
        "engine_version": "1",
        "dtype": "float32",
        "replica": "r0",
        "attempt": "a000001",
        "tries": 1,
        "duration_s": 1.0,
    }
    return Sample(**known)
