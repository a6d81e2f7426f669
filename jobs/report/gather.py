"""Gather: what a report shows, from what was built and from the pool."""

import json
from pathlib import Path
from typing import Any

import polars as pl

from filters.choose import PUBLISHED
from filters.survivorship import measured
from infra.meter import spent_by
from jobs.build import Built, generator_name
from jobs.decide import Decided, decide
from jobs.fates import with_texts
from jobs.prompts import PromptList
from jobs.recipe import Job
from jobs.report.report import Report
from schemas.manifest import Manifest

TEXTS = ("reasoning", "answer", "failure_detail")
TEACHERS = {
    "teacher": pl.String,
    "teacher_id": pl.String,
    "prompts": pl.Int64,
    "solved": pl.Int64,
    "samples": pl.Int64,
    "kept": pl.Int64,
    "tokens": pl.Int64,
}


def gather(job: Job, built: Built, manifest: Manifest, before: Manifest | None) -> Report:
    """What is shown of a version that is about to be published, beside the one before."""
    decided = built.decided
    return Report(
        manifest=manifest,
        before=before,
        scores=decided.scores,
        tokens=decided.tokens_by_fate,
        teachers=_teachers(job, built.prompts, decided),
        samples=_samples(job, built.prompts, decided.shown),
    )


def _samples(job: Job, prompts: PromptList, shown: pl.DataFrame) -> pl.DataFrame:
    if shown.is_empty():
        return pl.DataFrame()
    every = prompts.with_left_out.frame.select("prompt_id", "reference", "messages")
    asked = every.join(shown.select("prompt_id").unique(), on="prompt_id", how="semi")
    asked = asked.with_columns(prompt=_as_text(asked["messages"])).drop("messages")
    own = with_texts(job, shown, TEXTS).join(asked, on="prompt_id", maintain_order="left")
    return own.with_columns(
        published=pl.col("fate") == PUBLISHED,
        failure=pl.when(pl.col("failure").is_not_null()).then(
            pl.concat_str("failure", "failure_detail", separator=": ", ignore_nulls=True)
        ),
    ).drop("path", "row", "rank", "failure_detail")


def _as_text(messages: pl.Series) -> pl.Series:
    """A prompt of one message is that; of more, each has its role above it."""

    def text(own: list[dict[str, Any]]) -> str:
        if len(own) == 1:
            return str(own[0]["content"])
        return "\n\n".join(f"{message['role']}:\n{message['content']}" for message in own)

    return pl.Series([text(own) for own in messages.to_list()], dtype=pl.String)


def _teachers(job: Job, prompts: PromptList, decided: Decided) -> pl.DataFrame:
    """The recipe's own, and others whose samples of these prompts are in the pool, by its rules."""
    rows = [_teacher(generator_name(job), job.teacher_id, decided)]
    for teacher_id in _others(job):
        other = job.of_teacher(teacher_id)
        rows.append(_teacher(_name(job, teacher_id), teacher_id, decide(other, prompts)))
    had = [row for row in rows if row["samples"]]
    return pl.DataFrame(had, schema=TEACHERS)


def _teacher(name: str, teacher_id: str, decided: Decided) -> dict[str, Any]:
    solved = measured(decided.drawn.get("solved", {}), "prompts")
    return {
        "teacher": name,
        "teacher_id": teacher_id,
        "prompts": sum(solved.values()),
        "solved": solved.get("yes", 0),
        "samples": sum(decided.funnel.values()),
        "kept": decided.kept,
        "tokens": decided.tokens,
    }


def _others(job: Job) -> list[str]:
    every = job.pool.scan("samples").select(pl.col("teacher_id").unique()).collect()
    return sorted({*every["teacher_id"]} - {job.teacher_id})


def _name(job: Job, teacher_id: str) -> str:
    """Its model, by the recipe of an attempt with it; its id where there was none."""
    pool = job.recipe.pool or ""
    for attempt in spent_by(job.store, pool, teacher=teacher_id):
        recipe = job.store.get(f"pools/{pool}/attempts/{attempt}/recipe.json")
        if recipe is not None:
            teacher = json.loads(recipe)["teacher"]
            name, revision = Path(teacher["model"]).name, teacher.get("revision")
            return f"{teacher['model']}@{revision}" if revision else name
    return teacher_id
