"""The recipe's rules about prompts: which ones no samples are drawn for."""

from dataclasses import replace

import polars as pl

from filters.duplicates import DUPLICATE_COLUMNS
from filters.leaks import Questions, leaks
from filters.rules import first_broken_rule
from jobs.clusters import Clusters, clusters, duplicate_flags
from jobs.evaluation import evaluation_questions
from jobs.prompts import PromptList
from jobs.questions import questions
from jobs.recipe import Job
from schemas.errors import RecipeError


def by_prompt_rules(job: Job, prompts: PromptList, *, drop_damaged: bool = False) -> PromptList:
    """The list, with what a rule about prompts does not keep in `left_out`, and what the pool is to
    remember of its clusters if a rule asks for duplicates. RecipeError where an evaluation set is
    not what the recipe says, or nothing is left."""
    if not (job.recipe.decontaminate or job.rules.prompts):
        return prompts
    flagged, found = prompts.frame, None
    if job.recipe.decontaminate:
        texts = questions(flagged["messages"], job.recipe.prompts)
        flagged = flagged.hstack(
            leaks(texts, Questions(evaluation_questions(job.recipe.decontaminate)))
        )
    if _asking_for_duplicates(job):
        found = clusters(job.pool, prompts.frame, job.recipe.prompts, drop_damaged=drop_damaged)
        flagged = _with_duplicates(job, flagged, found)
    flagged = flagged.with_columns(reason=first_broken_rule(job.rules.prompts))
    kept = flagged.filter(pl.col("reason").is_null()).select(prompts.frame.columns)
    left_out = flagged.filter(pl.col("reason").is_not_null())
    if kept.is_empty():
        raise RecipeError(_nothing_left(left_out))
    return replace(prompts, frame=kept, left_out=left_out, clusters=found)


def _asking_for_duplicates(job: Job) -> set[str]:
    """Names of the rules that do."""
    rules = job.rules.prompts.items()
    return {name for name, rule in rules if DUPLICATE_COLUMNS.keys() & rule.meta.root_names()}


def _with_duplicates(job: Job, flagged: pl.DataFrame, found: Clusters) -> pl.DataFrame:
    """What other rules leave out comes last: of a prompt that is left out, another is no
    duplicate."""
    asking = _asking_for_duplicates(job)
    others = {name: rule for name, rule in job.rules.prompts.items() if name not in asking}
    about = flagged.select(
        reference=pl.when(pl.col("reference").is_not_null()).then("reference_id"),
        put_back=first_broken_rule(others).is_not_null(),
    )
    return flagged.hstack(duplicate_flags(found, about["reference"], about["put_back"]))


def _nothing_left(left_out: pl.DataFrame) -> str:
    counts = left_out["reason"].value_counts(sort=True).rows()
    told = ", ".join(f"{count:,} {reason}" for reason, count in counts)
    message = f"keep: no prompt is left to answer: of {left_out.height:,} all are left out ({told})"
    if "prompt.leak_text" in left_out.columns:
        shared = left_out["prompt.leak_text"].drop_nulls().value_counts(sort=True).rows()
        if shared:
            message += f"; {shared[0][1]:,} share {shared[0][0]!r:.200} with a question"
    return message
