"""Peek: random kept and rejected samples with their reasons, also while a run goes on."""

import random
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final

import polars as pl

from filters.choose import FATES, PUBLISHED
from filters.splits import NEAR_OTHER_SPLIT
from infra.data_file import scan_file
from infra.pool import reading
from jobs.fates import fates_at, read_texts
from jobs.plain import brief, plain
from jobs.prompts import PromptList
from jobs.recipe import Job
from jobs.shard import CHOSEN
from jobs.tell import Told
from schemas.arrow import SAMPLES
from schemas.errors import RecipeError

FILES: Final = 8
ROWS_PER_FILE: Final = 16
"""As many random samples as their product are looked at first, with all others of their prompts:
of a million samples that takes half a second."""
PROMPTS_AT_ONCE: Final = 10_000
"""Then all others, of so many prompts at a time, until there are enough."""
FAILED: Final = "failed_"
TEXTS: Final = ("reasoning", "answer", "failure_detail")
MORE: Final = "`stillhouse explain RECIPE PROMPT_ID` tells everything about one of these prompts"


def peek(
    job: Job, prompts: PromptList, *, count: int, seed: int | None, reason: str | None = None
) -> Told:
    """`count` kept samples and as many rejected ones, or those that ended for this reason, with
    texts, fates and scores. RecipeError for a reason that no sample of this recipe can have."""
    if count < 1:
        raise RecipeError(f"--count {count}: must be at least 1")
    groups = _groups(job, reason)
    rng = random.Random(seed)
    picked: dict[str, list[pl.DataFrame]] = {name: [] for name in groups}
    lacking = dict.fromkeys(groups, count)
    looked_at = judged = 0
    for samples in _samples(job, prompts, rng):
        looked_at += samples.height
        judged += int(samples["judged"].sum())
        for name, wanted in groups.items():
            own = samples.filter(wanted)
            rows = rng.sample(range(own.height), min(lacking[name], own.height))
            picked[name].append(own[sorted(rows)])
            lacking[name] -= len(rows)
        if not any(lacking.values()):
            break
    found = {name: _whole(job, prompts, frames) for name, frames in picked.items()}
    return _told(found, looked_at, judged), found


def _groups(job: Job, reason: str | None) -> dict[str, pl.Expr]:
    if reason is None:
        judged, kept = pl.col("judged"), pl.col("reason").is_null()
        return {"kept": judged & kept, "rejected": judged & ~kept}
    rules = [*job.rules.samples, *job.rules.prompts]
    known = [
        *FATES,
        NEAR_OTHER_SPLIT,
        *(f"not_{name}" for name in rules),
        *(f"{name}_undecided" for name in rules),
    ]
    if reason not in known and not reason.startswith(FAILED):
        near = get_close_matches(reason, known, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise RecipeError(
            f"--reason {reason}: no sample of this recipe ends so; {hint}"
            f"There are {', '.join(known)}, and {FAILED}… (what a target or a mix leaves out rests "
            "on all prompts together; `build --dry-run` counts it)"
        )
    return {reason: pl.any_horizontal(pl.col("fate", "reason") == reason)}


def _samples(job: Job, prompts: PromptList, rng: random.Random) -> Iterator[pl.DataFrame]:
    """All samples, each with what becomes of it in its prompt: first those of prompts that some
    random samples are of, then the others, so that memory is that of some prompts."""
    versions = job.pool.versions()
    first = _random_prompts(job, versions["samples"], rng)
    if first.is_empty():
        return
    every = prompts.with_left_out.frame["prompt_id"]
    others = every.filter(~every.is_in(first.implode()))
    parts = [
        others[start : start + PROMPTS_AT_ONCE] for start in range(0, len(others), PROMPTS_AT_ONCE)
    ]
    rng.shuffle(parts)
    for part in (first, *parts):
        some = prompts.among(part)
        if some.with_left_out.frame.height:
            yield fates_at(job, some, versions)


def _random_prompts(job: Job, version: int | None, rng: random.Random) -> pl.Series:
    """Prompts of random samples; of a pool in which other prompts lie too, maybe none of ours."""
    files = job.pool.files("samples", version)
    found = [pl.Series([], dtype=pl.String)]
    for file in sorted(rng.sample(files, min(FILES, len(files))), key=lambda file: file.name):
        rows = rng.sample(range(file.rows), min(ROWS_PER_FILE, file.rows))
        with reading(job.pool):
            own = scan_file(f"{job.pool.folder('samples')}/{file.name}", SAMPLES)
            ids = own.filter(pl.col("row").is_in(rows)).select("prompt_id").collect()
            found.append(ids["prompt_id"])
    return pl.concat(found).unique().sort()


def _whole(job: Job, prompts: PromptList, frames: list[pl.DataFrame]) -> list[dict[str, Any]]:
    """Samples with their texts and their prompts."""
    ids = [frame["prompt_id"] for frame in frames]
    own = prompts.among(pl.concat([pl.Series([], dtype=pl.String), *ids])).with_left_out.frame
    known = {row["prompt_id"]: row for row in own.iter_rows(named=True)}
    return [
        _with_texts(job, known[row["prompt_id"]], row)
        for frame in frames
        for row in frame.iter_rows(named=True)
    ]


def _with_texts(job: Job, prompt: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    texts = read_texts(job, row["path"], pl.Series([row["row"]]), TEXTS).row(0, named=True)
    scores = {
        column: value
        for column, value in row.items()
        if column.split(".")[0] in job.scorers and value is not None
    }
    return {
        "prompt_id": row["prompt_id"],
        "sample_index": row["sample_index"],
        "fate": _word(job) if row["fate"] == PUBLISHED else row["fate"],
        "reason": row["reason"],
        "finish_reason": row["finish_reason"],
        "thinking_cut": row["thinking_cut"],
        "prompt": prompt["messages"][-1]["content"],
        "reference": prompt["reference"],
        **{name: texts[name] for name in TEXTS},
        "scores": scores,
    }


def _word(job: Job) -> str:
    """What the best samples of a prompt are, as far as the prompt alone can say."""
    alone = "sft" in job.recipe.outputs and job.mixer is None
    return PUBLISHED if alone and job.recipe.target.published is None else CHOSEN


def _told(found: Mapping[str, list[dict[str, Any]]], looked_at: int, judged: int) -> str:
    if not looked_at:
        return (
            "the pool has no samples of this recipe's prompts by its teacher yet; `stillhouse run` "
            "draws them"
        )
    blocks = [_text(name, row) for name, rows in found.items() for row in rows]
    for name, rows in found.items():
        if not rows:
            blocks.append(
                f"{name}: none of {looked_at:,} samples so far, {judged:,} of them judged"
            )
    return "\n\n".join([*blocks, MORE])


def _text(name: str, row: dict[str, Any]) -> str:
    scores = "  ".join(f"{column}={brief(value)}" for column, value in row["scores"].items())
    return "\n".join(
        [
            f"── {name}: {row['fate']} ── {row['prompt_id']} [{row['sample_index']}]",
            f"prompt     {plain(row['prompt'])}",
            f"reference  {plain(row['reference'] or '-')}",
            f"thinking   {plain(row['reasoning'] or '-')}",
            f"answer     {plain(row['answer'] or row['failure_detail'] or '-')}",
            f"scores     {scores}",
        ]
    )
