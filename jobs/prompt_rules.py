"""The recipe's rules about prompts: which ones no samples are drawn for."""

from dataclasses import replace

import polars as pl

from filters.duplicates import DUPLICATE_COLUMNS, NEAR
from filters.leaks import Questions, leaks
from filters.rules import first_broken_rule
from jobs.duplicate_flags import with_duplicate_flags
from jobs.evaluation import evaluation_questions
from jobs.prompts import PromptList
from jobs.questions import questions
from jobs.recipe import Job
from jobs.remembered import remembered
from jobs.splits import assigned, with_crossing_left_out
from schemas.errors import RecipeError


def by_prompt_rules(job: Job, prompts: PromptList, *, drop_damaged: bool = False) -> PromptList:
    """The list, with what a rule about prompts does not keep in `left_out`, its splits, and what
    the pool is to remember of its clusters if these or a rule rest on them. RecipeError where an
    evaluation set is not what the recipe says, or nothing is left."""
    recipe, columns = job.recipe, prompts.frame.columns
    if not (recipe.decontaminate or job.rules.prompts or recipe.splits):
        return prompts
    flagged = prompts.frame
    texts = questions(flagged["messages"], recipe.prompts)
    if recipe.decontaminate:
        sets = evaluation_questions(recipe.decontaminate)
        flagged = flagged.hstack(leaks(texts, Questions(sets)))
    asked = {name for rule in job.rules.prompts.values() for name in rule.meta.root_names()}
    near = NEAR in asked
    if asked & DUPLICATE_COLUMNS.keys() or recipe.splits:
        clustered = near or bool(recipe.splits)
        memory = remembered(job, flagged, texts, clustered=clustered, drop_damaged=drop_damaged)
        prompts = replace(prompts, clusters=memory.clusters, compared_with=memory.files)
        if asked & DUPLICATE_COLUMNS.keys():
            flagged = with_duplicate_flags(job, flagged, texts, memory, near=near)
    flagged = flagged.with_columns(reason=first_broken_rule(job.rules.prompts))
    if recipe.splits and memory.clusters is not None:
        splits = assigned(memory.clusters, recipe)
        order = memory.order(flagged)
        flagged = with_crossing_left_out(flagged, memory.clusters, splits, order)
        prompts = replace(prompts, splits=splits)
    kept = flagged.filter(pl.col("reason").is_null()).select(columns)
    left_out = flagged.filter(pl.col("reason").is_not_null())
    if kept.is_empty():
        raise RecipeError(_nothing_left(left_out))
    return replace(prompts, frame=kept, left_out=left_out)


def _nothing_left(left_out: pl.DataFrame) -> str:
    counts = left_out["reason"].value_counts(sort=True).rows()
    told = ", ".join(f"{count:,} {reason}" for reason, count in counts)
    message = f"keep: no prompt is left to answer: of {left_out.height:,} all are left out ({told})"
    if "prompt.leak_text" in left_out.columns:
        shared = left_out["prompt.leak_text"].drop_nulls().value_counts(sort=True).rows()
        if shared:
            message += f"; {shared[0][1]:,} share {shared[0][0]!r:.200} with a question"
    return message
