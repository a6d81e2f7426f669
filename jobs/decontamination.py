"""Which prompts no samples are drawn for, because the recipe's rules about prompts say so."""

from collections.abc import Iterator
from dataclasses import replace

import polars as pl

from filters.leaks import Questions, leaks
from filters.rules import first_broken_rule
from infra.rows import find_files, read_rows
from jobs.prompts import PromptList, check_text
from jobs.recipe import Job
from schemas.errors import RecipeError
from schemas.recipe import EvaluationSet


def decontaminated(job: Job, prompts: PromptList) -> PromptList:
    """The list, with what a rule about prompts does not keep in `left_out`. RecipeError where an
    evaluation set is not what the recipe says, or nothing is left."""
    if not job.recipe.decontaminate:
        return prompts
    questions: dict[str, list[str]] = {}
    for evaluation in job.recipe.decontaminate:
        found = list(_questions(evaluation))
        if not any(text.strip() for _, text in found):
            raise RecipeError(f"decontaminate: {evaluation.path}: there is no question in it")
        for name, text in found:
            questions.setdefault(name, []).append(text)
    flags = leaks(_contents(prompts.frame), Questions(questions))
    flagged = prompts.frame.with_columns(flags.get_columns()).with_columns(
        reason=first_broken_rule(job.rules.prompts)
    )
    kept = flagged.filter(pl.col("reason").is_null()).select(prompts.frame.columns)
    left_out = flagged.filter(pl.col("reason").is_not_null())
    if kept.is_empty():
        shared = left_out["prompt.leak_text"].drop_nulls().value_counts(sort=True).rows()
        raise RecipeError(
            f"decontaminate: no prompt is left to answer: of {flagged.height:,} all are left out "
            f"({', '.join(left_out['reason'].unique().sort())})"
            + (f"; {shared[0][1]:,} share {shared[0][0]!r:.200} with a question" if shared else "")
        )
    return replace(prompts, frame=kept, left_out=left_out)


def _contents(prompts: pl.DataFrame) -> pl.Series:
    """What all messages of each prompt say."""
    messages = prompts.select("messages").with_row_index().explode("messages")
    contents = messages.group_by("index", maintain_order=True).agg(
        pl.col("messages").struct.field("content").str.join("\n")
    )
    return contents["content"]


def _questions(evaluation: EvaluationSet) -> Iterator[tuple[str, str]]:
    """The set and the text of each question."""
    for file in find_files(evaluation.path):
        for row in read_rows(file):
            text = row.values.get(evaluation.field)
            if not isinstance(text, str):
                raise RecipeError(
                    f"{row.where}: has no text in the field {evaluation.field!r}; it has "
                    f"{', '.join(map(str, row.values))}. See decontaminate[].field in the recipe"
                )
            check_text(text, row)
            yield evaluation.name or file.stem, text
