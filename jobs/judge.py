"""The judge: the recipe's scorers and rules, as a scorer worker runs them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import polars as pl

from filters.scored import with_reasons, with_scores
from filters.scorer import Response, Scorer
from filters.scorers import SCORERS, scorers_of, warm_scorer
from infra.killable import DeadlineExceeded, Killable, WorkerDied
from infra.scorer_worker import Item
from jobs.recipe import Job
from schemas.arrow import SAMPLES, SCORES
from schemas.errors import RunError
from schemas.reasoning import closing_of
from schemas.recipe import Recipe
from schemas.sample import DONE
from schemas.score import TIMEOUT, UNPARSABLE, Score, ScoreRow

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

    def __call__(self) -> "RecipeJudge":
        job = Job.of(self.recipe)
        if job.scorer_ids != self.scorer_ids:
            raise RunError(
                f"this node's scorers are {job.scorer_ids}, the driver's {dict(self.scorer_ids)}: "
                "install the same lock on every node"
            )
        return RecipeJudge(job)


class RecipeJudge:
    """Scores samples one by one; a scorer that may hang runs in a process that can be killed."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._score = {name: guarded(scorer) for name, scorer in job.scorers.items()}

    def score(self, items: Sequence[Item], scorers: Sequence[str] | None) -> list[ScoreRow]:
        """Score rows of finished samples by the named scorers, null: by all that apply."""
        wanted = set(self._score if scorers is None else scorers)
        rows = []
        for prompt, sample in items:
            if sample.outcome != DONE or sample.text is None or sample.text_digest is None:
                continue
            response = Response.of_text(
                sample.text,
                prompt=prompt.question,
                reference=prompt.reference,
                finish_reason=sample.finish_reason,
                thinking_open=sample.thinking_open,
                closing_at=closing_of(
                    sample.text, sample.reasoning, thinking_open=sample.thinking_open
                ),
            )
            for name in scorers_of(self._job.recipe.scorers, prompt.domain):
                if name in wanted:
                    rows.append(
                        ScoreRow.of(
                            self._score[name](response),
                            scorer=name,
                            scorer_id=self._job.scorer_ids[name],
                            prompt_id=sample.prompt_id,
                            teacher_id=sample.teacher_id,
                            sample_index=sample.sample_index,
                            text_digest=sample.text_digest,
                            reference_id=prompt.reference_id,
                        )
                    )
        return rows

    def verdicts(
        self, items: Sequence[Item], rows: Sequence[ScoreRow]
    ) -> list[tuple[str | None, bool]]:
        """Of each sample why it is not kept, null for a kept one, and whether it is wrong."""
        samples = pl.DataFrame([_judged_row(item) for item in items], schema=JUDGED_SCHEMA)
        scores = pl.DataFrame([row.to_row() for row in rows], schema=SCORES_SCHEMA)
        wide = with_scores(samples, scores, self._job.scorers, self._job.recipe.scorers)
        limit = self._job.recipe.sampling.max_tokens
        return with_reasons(wide, self._job.rules, limit).select("reason", "wrong").rows()

    def close(self) -> None:
        """Ends the processes of scorers with a deadline."""
        for score in self._score.values():
            score.close()


def _judged_row(item: Item) -> dict[str, Any]:
    prompt, sample = item
    row = {name: getattr(sample, name) for name in JUDGED_COLUMNS}
    return row | {
        "reference_id": prompt.reference_id,
        "domain": prompt.domain,
        "source": prompt.source,
    }


class Guarded(Protocol):
    """A scorer that never raises: what it could not score is a score with a reason."""

    def __call__(self, response: Response) -> Score: ...

    def close(self) -> None: ...


def guarded(scorer: Scorer) -> Guarded:
    """The scorer in this process or, if it may hang, in one that can be killed."""
    if scorer.deadline_s is not None:
        return _InOwnProcess(scorer.name, scorer.deadline_s)
    return _InThisProcess(scorer)


@dataclass(frozen=True)
class _InThisProcess:
    scorer: Scorer

    def __call__(self, response: Response) -> Score:
        try:
            return self.scorer(response)
        except Exception as error:  # one bad sample costs itself alone
            return _could_not_score(self.scorer, f"scorer_error_{type(error).__name__.lower()}")

    def close(self) -> None:
        return None


class _InOwnProcess:
    """A scorer with a deadline."""

    def __init__(self, name: str, deadline_s: float) -> None:
        self._scorer = SCORERS[name]()
        self._killable: Killable[Response, Score] = Killable(partial(warm_scorer, name), deadline_s)
        self._killable.start()  # it loads its libraries while the engine loads its model

    def __call__(self, response: Response) -> Score:
        try:
            return self._killable(response)
        except DeadlineExceeded:
            return _could_not_score(self._scorer, "timeout", TIMEOUT)
        except WorkerDied:
            return _could_not_score(self._scorer, "scorer_died", UNPARSABLE)
        except RunError:
            raise
        except Exception as error:  # one bad sample costs itself alone
            return _could_not_score(self._scorer, f"scorer_error_{type(error).__name__.lower()}")

    def close(self) -> None:
        self._killable.close()


def _could_not_score(scorer: Scorer, reason: str, verdict: str | None = None) -> Score:
    if verdict is None and scorer.verifies:
        verdict = UNPARSABLE
    return Score(values=dict.fromkeys(scorer.fields), verdict=verdict, reason=reason)
