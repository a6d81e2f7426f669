"""Peek: random kept and rejected samples with their reasons, also while a run goes on."""

import random
from typing import Any

import polars as pl

from infra.data_file import scan_file
from jobs.fates import samples_with_fates
from jobs.prompts import PromptList
from jobs.recipe import Job
from jobs.tell import Told
from schemas.arrow import SAMPLES

TEXT_SHOWN = 1200


def peek(job: Job, prompts: PromptList, *, count: int, seed: int | None) -> Told:
    """`count` kept samples and as many rejected ones, with texts, fates and scores."""
    samples = samples_with_fates(job, prompts)
    rng = random.Random(seed)
    kept = pl.col("reason").is_null() & pl.col("judged")
    groups = {
        "kept": samples.filter(kept),
        "rejected": samples.filter(~kept & pl.col("judged")),
    }
    picked = {
        name: [_whole(job, prompts, row) for row in _pick(frame, count, rng)]
        for name, frame in groups.items()
    }
    text = "\n\n".join(_text(name, row) for name, rows in picked.items() for row in rows)
    return text or "the pool has no judged samples of this recipe yet", picked


def _pick(frame: pl.DataFrame, count: int, rng: random.Random) -> list[dict[str, Any]]:
    rows = rng.sample(range(frame.height), max(0, min(count, frame.height)))
    return [frame.row(i, named=True) for i in sorted(rows)]


def _whole(job: Job, prompts: PromptList, row: dict[str, Any]) -> dict[str, Any]:
    """The sample with its texts and its prompt."""
    texts = (
        scan_file(row["path"], SAMPLES)
        .filter(pl.col("row") == row["row"])
        .select("reasoning", "answer", "failure_detail")
        .collect()
        .row(0, named=True)
    )
    prompt = prompts.frame.filter(pl.col("prompt_id") == row["prompt_id"]).row(0, named=True)
    scores = {
        column: value
        for column, value in row.items()
        if column.split(".")[0] in job.scorers and value is not None
    }
    return {
        "prompt_id": row["prompt_id"],
        "sample_index": row["sample_index"],
        "fate": row["fate"],
        "reason": row["reason"],
        "finish_reason": row["finish_reason"],
        "thinking_cut": row["thinking_cut"],
        "prompt": prompt["messages"][-1]["content"],
        "reference": prompt["reference"],
        **texts,
        "scores": scores,
    }


def _text(name: str, row: dict[str, Any]) -> str:
    scores = "  ".join(f"{column}={_brief(value)}" for column, value in row["scores"].items())
    return "\n".join(
        [
            f"── {name}: {row['fate']} ── {row['prompt_id']} [{row['sample_index']}]",
            f"prompt     {_plain(row['prompt'])}",
            f"reference  {_plain(row['reference'] or '-')}",
            f"thinking   {_plain(row['reasoning'] or '-')}",
            f"answer     {_plain(row['answer'] or row['failure_detail'] or '-')}",
            f"scores     {scores}",
        ]
    )


def _brief(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _plain(text: str) -> str:
    """Model text for a terminal: shortened, and no control characters, which could rule it."""
    shown = text.strip() if len(text) <= TEXT_SHOWN else f"{text.strip()[:TEXT_SHOWN]} […]"
    return "".join(c if c == "\n" or c.isprintable() else "�" for c in shown)
