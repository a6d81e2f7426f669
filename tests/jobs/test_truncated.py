"""A larger `max_tokens` goes on with truncated samples, from the tokens that they have."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from infra.meter import spent_by
from jobs.build import build
from jobs.decide import decide
from jobs.fates import samples_with_fates
from jobs.generate import generate
from jobs.plan import plan, plan_text
from jobs.prompts import read_prompts
from jobs.recipe import Job
from jobs.survey import survey
from jobs.truncated import ROWS_PER_FILE, to_set_apart
from tests.conftest import MakeJob
from tests.jobs.faults import KEY, Saboteur, assert_whole, driver, run_generate, samples, wait_until

pytestmark = pytest.mark.usefixtures("ray_here")

SHORT, LONG = {"max_tokens": 45}, {"max_tokens": 512}
SLOW = {"model": "sim", "engine": "simulated"} | {
    "engine_args": {"max_num_seqs": 4, "tokens_per_second": 300}
}


@pytest.fixture
def undisturbed(make_job: MakeJob, tmp_path: Path) -> str:
    """What is published where nothing was truncated."""
    job = make_job(store=str(tmp_path / "undisturbed"), sampling=LONG)
    run_generate(job)
    return build(job, read_prompts(job.recipe)).content_digest


def truncated(job: Job) -> pl.DataFrame:
    return samples(job).filter(pl.col("finish_reason") == "length")


def tokens(job: Job) -> int:
    return sum(spent.tokens for spent in spent_by(job.store, job.recipe.pool).values())


def test_they_are_gone_on_with_and_nothing_else_is_drawn(
    make_job: MakeJob, undisturbed: str
) -> None:
    short, long = make_job(sampling=SHORT), make_job(sampling=LONG)
    run_generate(short)
    before = samples(short)
    begun = truncated(short)
    assert begun.height > 8
    assert decide(long, read_prompts(long.recipe)).funnel["not_continued"] > 0
    found = plan(long, read_prompts(long.recipe))
    assert 0 < found["samples_truncated"] <= found["bounds"]["samples_at_most"]
    assert "were truncated at fewer tokens" in plan_text(found)
    spent = tokens(short)

    done = run_generate(long)
    after = samples(long)
    assert_whole(long, set(), undisturbed)
    assert after.filter(pl.col("text_digest").is_in(before["text_digest"].implode())).height >= (
        before.height - begun.height
    ), "what was whole stays"
    rows = begun.join(after, on=KEY, suffix="_whole", validate="1:1")
    gone_on = rows.filter(pl.col("max_tokens_whole") == 512)
    assert gone_on.height > 0
    for text, whole in gone_on.select("text", "text_whole").iter_rows():
        assert whole.startswith(text)
        assert len(whole) > len(text)
    length = pl.col("reasoning_tokens") + pl.col("answer_tokens")
    all_tokens, before_tokens = (f.select(length.sum()).item() for f in (after, before))
    assert tokens(long) - spent == done.tokens == all_tokens - before_tokens, "paid for once"
    assert generate(long, read_prompts(long.recipe)).attempt is None
    # The smaller limit is still served by longer samples.
    assert generate(short, read_prompts(short.recipe)).attempt is None


def test_only_what_is_needed_is_gone_on_with(make_job: MakeJob) -> None:
    counts = {"probe": 4, "max": 4, "enough": 1}
    run_generate(make_job(sampling=SHORT, samples=counts))
    long = make_job(sampling=LONG, samples={"probe": 1, "max": 4, "enough": 1})
    run_generate(long)
    left = truncated(long).filter(pl.col("max_tokens") == SHORT["max_tokens"])
    assert left.height > 0
    fates = samples_with_fates(long, read_prompts(long.recipe)).join(left, on=KEY, how="semi")
    assert set(fates["fate"]) == {"surplus"}


def test_a_full_context_is_said_once_and_loses_nothing(make_job: MakeJob) -> None:
    args = {"max_model_len": 60, "mean_tokens": 200}
    teacher = {"model": "sim", "engine": "simulated", "engine_args": args}
    run_generate(make_job(teacher=teacher, sampling=SHORT, max_failed=1))
    long = make_job(teacher=teacher, sampling=LONG, max_failed=1)
    done = run_generate(long)
    assert done.failed == 0, "there was room for some more tokens"
    texts = set(samples(long)["text"])
    longer = make_job(teacher=teacher, sampling={"max_tokens": 1024}, max_failed=1)
    done = run_generate(longer)
    assert done.failed > 0
    full = truncated(longer).filter(pl.col("failure_reason") == "context_full")
    assert full.height == done.failed
    assert set(full["outcome"]) == {"done"}
    assert set(samples(longer)["text"]) == texts
    assert samples(longer).select(KEY).is_duplicated().sum() == 0
    scores = longer.pool.scan("scores").collect()
    assert scores.select([*KEY, "scorer_id", "text_digest"]).is_duplicated().sum() == 0
    assert generate(longer, read_prompts(longer.recipe)).attempt is None


def test_many_are_set_apart_in_files_of_few(make_job: MakeJob, tmp_path: Path) -> None:
    many = tmp_path / "many.csv"
    many.write_text("prompt\n" + "".join(f"What is {n} + 3?\n" for n in range(100)))
    prompts = [{"path": str(many)}]
    fields: dict[str, Any] = {"prompts": prompts, "scorers": {"*": ("format",)}}
    fields |= {"keep": {"finished": "format.complete"}, "choose": {}}
    run_generate(make_job(sampling={"max_tokens": 10}, flush={"seconds": 60}, **fields))
    long = make_job(sampling=LONG, **fields)
    found = survey(long, read_prompts(long.recipe))
    assert found.truncated.height == 600
    assert to_set_apart(found).height > ROWS_PER_FILE
    run_generate(long)
    assert samples(long).select(KEY).is_duplicated().sum() == 0
    assert samples(long).height == 600
    assert survey(long, read_prompts(long.recipe)).truncated.is_empty()


@pytest.mark.parametrize(
    "victim", ["ray::Coordinator", pytest.param("ray::Replica", marks=pytest.mark.slow)]
)
def test_killed_meanwhile(victim: str, make_job: MakeJob, undisturbed: str) -> None:
    run_generate(make_job(teacher=SLOW, sampling=SHORT))
    long = make_job(teacher=SLOW, sampling=LONG, flush={"seconds": 0.3})
    saboteur = Saboteur(victim, lambda: gone_on_with(long) >= 3)
    run_generate(long)
    assert saboteur.killed
    assert_whole(long, set(), undisturbed)


@pytest.mark.slow
def test_a_killed_driver_loses_no_beginning(
    make_job: MakeJob, undisturbed: str, tmp_path: Path
) -> None:
    run_generate(make_job(teacher=SLOW, sampling=SHORT))
    long = make_job(teacher=SLOW, sampling=LONG, flush={"seconds": 0.3})
    keys = set(samples(long).select(KEY).iter_rows())
    first = driver(long, tmp_path)
    wait_until(lambda: gone_on_with(long) >= 3, "nothing was gone on with")
    first.kill()
    first.communicate()
    assert keys <= set(samples(long).select(KEY).iter_rows()), "what is paid for"
    second = driver(long, tmp_path)
    _, said = second.communicate(timeout=120)
    assert second.returncode == 0, said
    assert_whole(long, set(), undisturbed)


def gone_on_with(job: Job) -> int:
    """Whole samples that were truncated before, as the pool has them now."""
    return samples(job).filter(pl.col("max_tokens") == LONG["max_tokens"]).height
