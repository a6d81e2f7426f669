"""Samples that say nearly the same as a better one are not published, and their texts say so."""

from collections.abc import Sequence
from itertools import combinations

import polars as pl
import pytest

from filters.choose import NEAR_DUPLICATE, PUBLISHED
from filters.near_duplicates import jaccard, shingles
from filters.scorer import Response
from filters.signature import SignatureScorer, whole_text
from jobs.fates import samples_with_fates
from jobs.guarded import guarded
from jobs.prompts import read_prompts
from jobs.recipe import Job
from jobs.run import run
from schemas.score import Score
from tests.conftest import MakeJob

SIMILAR = 0.12
"""Of the simulated engine's samples, which string together a few sentences."""


def indexes(job: Job, samples: pl.DataFrame) -> pl.DataFrame:
    """The Jaccard index of every two of these samples of a prompt."""
    read = job.pool.scan("samples").collect()
    key = ["prompt_id", "sample_index"]
    rows = []
    own = samples.select(key).join(read, on=key).select(*key, "reasoning", "answer")
    for (prompt,), group in own.group_by("prompt_id"):
        texts = {
            index: shingles(pl.Series([whole_text(*text)]))
            for index, *text in group.select("sample_index", "reasoning", "answer").iter_rows()
        }
        for one, other in combinations(texts, 2):
            rows.append((prompt, jaccard(texts[one], texts[other])[0]))
    return pl.DataFrame(rows, ["prompt_id", "jaccard"], orient="row")


@pytest.mark.usefixtures("ray_here")
def test_published_samples_are_distinct(make_job: MakeJob) -> None:
    recipe = {
        "scorers": {"math": ["math"], "*": ["format", "signature"]},
        "samples": {"probe": 6, "max": 6, "enough": 6},
        "sampling": {"max_tokens": 400},
    }
    every = make_job(**recipe, choose={"per_prompt": 6})
    assert run(every, read_prompts(every.recipe), pilot=False, allow_simulated=True).published
    before = samples_with_fates(every, read_prompts(every.recipe)).filter(
        pl.col("fate") == PUBLISHED
    )
    alike = indexes(every, before).filter(pl.col("jaccard") >= SIMILAR)
    assert alike.height > 3, "there is something to leave out"

    job = make_job(
        **recipe,
        choose={"per_prompt": 6, "order_by": ["reasoning_tokens"], "distinct": SIMILAR},
    )
    ran = run(job, read_prompts(job.recipe), pilot=False, allow_simulated=True)
    assert ran.generated.attempt is None, "nothing is drawn or scored for it"
    after = samples_with_fates(job, read_prompts(job.recipe))
    published = after.filter(pl.col("fate") == PUBLISHED)
    assert indexes(job, published).filter(pl.col("jaccard") >= SIMILAR).is_empty()
    left_out = after.filter(pl.col("fate") == NEAR_DUPLICATE)
    assert published.height + left_out.height == before.height
    assert set(left_out["prompt_id"]) == set(alike["prompt_id"])
    assert ran.decided.funnel[NEAR_DUPLICATE] == left_out.height
    first = after.filter(pl.col("reason").is_null()).sort("prompt_id", "reasoning_tokens", "id")
    best = first.group_by("prompt_id", maintain_order=True).first()
    assert set(best["fate"]) == {PUBLISHED}, "the best one stays"


def test_one_bad_sample_costs_itself_alone() -> None:
    class Picky(SignatureScorer):
        def many(self, responses: Sequence[Response]) -> list[Score]:
            if any(one.answer == "bad" for one in responses):
                raise ValueError("bad")
            return super().many(responses)

    told = [Response("", None, answer, "stop") for answer in ("one", "bad", "two")]
    scores = guarded(Picky())(told)
    assert [score.reason for score in scores] == [None, "scorer_error_valueerror", None]
    assert scores[0] == SignatureScorer()(told[0])
