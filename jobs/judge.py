"""The judge: the recipe's scorers and rules, as a scorer worker runs them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from filters.scored import with_reasons, with_scores
from filters.scorer import Questions, Response
from filters.scorers import scorers_of
from infra.scorer_worker import Item
from jobs.guarded import guarded
from jobs.recipe import Job
from schemas.arrow import SAMPLES, SCORES
from schemas.errors import RunError
from schemas.prompt import Prompt
from schemas.reasoning import closing_of
from schemas.recipe import Recipe
from schemas.sample import DONE, Sample
from schemas.score import Score, ScoreRow

JUDGED_COLUMNS = [
    "prompt_id",
    "teacher_id",
    "sample_index",
    "text_digest",
    "outcome",
    "failure_reason",
    "finish_reason",
    "thinking_cut",
    "max_tokens",
    "prompt_tokens",
    "reasoning_tokens",
    "answer_tokens",
    "mean_logprob",
    "lowest_logprob",
    "tail_logprob",
]
"""Columns of a sample that scores are joined by and rules may use."""


SCORES_SCHEMA = pl.Schema(SCORES)
SAMPLES_SCHEMA = pl.Schema(SAMPLES)
JUDGED_SCHEMA = {name: SAMPLES_SCHEMA[name] for name in JUDGED_COLUMNS} | dict.fromkeys(
    ("reference_id", "domain", "source"), pl.String()
)


@dataclass(frozen=True)
class MakeJudge:
    """Builds the judge of a recipe in the process that will run it."""

    recipe: Recipe
    scorer_ids: Mapping[str, str]
    """As the driver has them: other libraries on a node would give other scores."""
    questions: Questions | None
    """Of the evaluation sets, if a scorer compares with them: its node need not have the files."""

    def __call__(self) -> "RecipeJudge":
        job = Job.of(self.recipe, self.questions)
        if job.scorer_ids != self.scorer_ids:
            raise RunError(
                f"this node's scorers are {job.scorer_ids}, the driver's {dict(self.scorer_ids)}: "
                "install the same lock on every node"
            )
        return RecipeJudge(job)


class RecipeJudge:
    """Scores samples; a scorer that may hang runs in a process that can be killed."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._score = {name: guarded(scorer) for name, scorer in job.scorers.items()}

    def score(self, items: Sequence[Item], scorers: Sequence[str] | None) -> list[ScoreRow]:
        """Score rows of finished samples by the named scorers, null: by all that apply."""
        done = [(item, _response(*item)) for item in items if item[1].outcome == DONE]
        rows = []
        for name in self._score if scorers is None else scorers:
            asked = [(item, response) for item, response in done if self._applies(name, item)]
            scores = self._score[name]([response for _, response in asked])
            rows += [
                self._row(name, item, score) for (item, _), score in zip(asked, scores, strict=True)
            ]
        return rows

    def _applies(self, name: str, item: Item) -> bool:
        return name in scorers_of(self._job.recipe.scorers, item[0].domain)

    def _row(self, name: str, item: Item, score: Score) -> ScoreRow:
        prompt, sample = item
        return ScoreRow.of(
            score,
            scorer=name,
            scorer_id=self._job.scorer_ids[name],
            prompt_id=sample.prompt_id,
            teacher_id=sample.teacher_id,
            sample_index=sample.sample_index,
            text_digest=sample.text_digest,
            reference_id=prompt.reference_id,
        )

    def verdicts(
        self, items: Sequence[Item], rows: Sequence[ScoreRow]
    ) -> list[tuple[str | None, bool]]:
        """Of each sample why it is not kept, null for a kept one, and whether it is wrong."""
        samples = pl.DataFrame([_judged_row(item) for item in items], schema=JUDGED_SCHEMA)
        scores = pl.DataFrame([row.to_row() for row in rows], schema=SCORES_SCHEMA)
        wide = with_scores(samples, scores, self._job.scorers, self._job.recipe.scorers)
        limit = self._job.recipe.sampling.max_tokens
        return with_reasons(wide, self._job.rules.samples, limit).select("reason", "wrong").rows()

    def close(self) -> None:
        """Ends the processes of scorers with a deadline."""
        for score in self._score.values():
            score.close()


def _response(prompt: Prompt, sample: Sample) -> Response:
    text = sample.text or ""
    return Response.of_text(
        text,
        prompt=prompt.question,
        reference=prompt.reference,
        said_before=prompt.said_before,
        finish_reason=sample.finish_reason,
        thinking_open=sample.thinking_open,
        closing_at=closing_of(text, sample.reasoning, thinking_open=sample.thinking_open),
    )


def _judged_row(item: Item) -> dict[str, Any]:
    prompt, sample = item
    row = {name: getattr(sample, name) for name in JUDGED_COLUMNS}
    return row | {
        "reference_id": prompt.reference_id,
        "domain": prompt.domain,
        "source": prompt.source,
    }
