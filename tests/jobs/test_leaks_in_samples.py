"""What the teacher wrote is compared with evaluation sets: scores depend on them, texts do not."""

import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import jobs.evaluation
from infra.rows import read_rows
from jobs.fates import samples_with_fates
from jobs.generate import fill_scores
from jobs.judge import MakeJudge
from jobs.plan import plan
from jobs.prompt_copy import load_prompts
from jobs.recipe import Job
from jobs.run import run
from schemas.errors import RecipeError
from tests.builders import make_prompt, make_sample
from tests.conftest import MakeJob

WRITTEN = "Both ways lead to the same place. I could also check it from the other side."
"""Two thoughts of the simulated engine, one after the other."""
UNWRITTEN = "Prove that there is no largest prime number, and explain each of your steps in turn."
SCORERS = {"math": ["math"], "*": ["format", "leaks"]}


@pytest.fixture
def exam(tmp_path: Path) -> Path:
    path = tmp_path / "exam.jsonl"
    write(path, UNWRITTEN)
    return path


def write(path: Path, *questions: str) -> None:
    path.write_text("\n".join(json.dumps({"problem": one}) for one in questions))


def recipe(exam: Path, **more: Any) -> dict[str, Any]:
    evaluation = [{"path": str(exam), "field": "problem", "name": "exam"}]
    return {"scorers": SCORERS, "decontaminate": evaluation, **more}


def scores(job: Job) -> pl.DataFrame:
    return job.pool.scan("scores").collect()


@pytest.mark.usefixtures("ray_here")
def test_a_list_that_grows_leads_to_new_scores_and_no_new_samples(
    make_job: MakeJob, exam: Path
) -> None:
    keep = {"finished": "format.complete", "own": "leaks.reason is null"}
    teacher = {"model": "sim", "engine": "simulated", "engine_args": {"mean_tokens": 200}}
    samples = {"probe": 3, "max": 3, "enough": 1}

    def made() -> Job:
        return make_job(**recipe(exam, keep=keep, teacher=teacher, samples=samples))

    job = made()
    first = run(job, load_prompts(job), pilot=False, allow_simulated=True)
    drawn = job.pool.scan("samples").collect()
    assert "not_own" not in first.decided.funnel
    kept = pl.col("reason").is_null()
    kept_before = samples_with_fates(job, load_prompts(job)).filter(kept).height
    before = scores(job)

    write(exam, UNWRITTEN, WRITTEN)
    grown = made()
    assert {n for n, id_ in grown.scorer_ids.items() if id_ != job.scorer_ids[n]} == {"leaks"}
    told = plan(grown, load_prompts(grown))
    assert [change["text"] for change in told["changed"]] == [
        f"scorer leaks: a file of its evaluation sets has changed: {drawn.height:,} scores "
        "computed again, nothing drawn"
    ]
    assert told["samples_unscored"] == drawn.height
    run(grown, load_prompts(grown), pilot=False, allow_simulated=True)
    assert grown.pool.scan("samples").collect().height == drawn.height
    assert scores(grown).height == before.height + drawn.height
    new = scores(grown).filter(~pl.col("scorer_id").is_in(before["scorer_id"].implode()))
    assert new.height == drawn.height
    assert set(new["scorer"]) == {"leaks"}
    thinking = drawn.filter(pl.col("reasoning").str.contains(WRITTEN, literal=True))
    leaked = new.filter(pl.col("reason") == "leaked_thinking")
    assert 0 < leaked.height == thinking.height < drawn.height
    assert set(leaked["evidence"]) == {
        "both ways lead to the same place i could also check it from the other side"
    }
    assert samples_with_fates(grown, load_prompts(grown)).filter(kept).height < kept_before
    again = fill_scores(grown, load_prompts(grown))
    assert again.attempt is None, "nothing is left to score"


def test_without_evaluation_sets_it_is_said_what_to_do(make_job: MakeJob) -> None:
    with pytest.raises(RecipeError, match=r"leaks finds questions .* in `decontaminate`"):
        make_job(scorers=SCORERS)


def test_a_worker_has_the_questions_and_not_the_files(make_job: MakeJob, exam: Path) -> None:
    job = make_job(**recipe(exam))
    made = pickle.dumps(MakeJudge(job.recipe, job.scorer_ids, job.questions))
    exam.unlink()
    jobs.evaluation._read.cache_clear()
    judge = pickle.loads(made)()
    sample = make_sample(f"{UNWRITTEN}\n</think>\n\nYes.")
    (row,) = judge.score([(make_prompt(), sample)], ["leaks"])
    assert row.reason == "leaked_thinking"
    assert row.scorer_id == job.scorer_ids["leaks"]
    messages = [{"role": role, "content": UNWRITTEN} for role in ("user", "assistant", "user")]
    for asked in (messages, [*messages[:2], {"role": "user", "content": "Sure?"}]):
        prompt = replace(make_prompt(), messages=tuple(asked))
        assert judge.score([(prompt, sample)], ["leaks"])[0].reason is None
    judge.close()


def test_files_are_read_once_and_only_where_they_are_needed(
    make_job: MakeJob, exam: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def reading(file: str) -> Any:
        read.append(file)
        return read_rows(file)

    monkeypatch.setattr(jobs.evaluation, "read_rows", reading)
    job = make_job(**recipe(exam))
    assert not read, "a recipe may be checked where they are not"
    load_prompts(job)
    assert job.scorer_ids
    assert job.questions == {"exam": [UNWRITTEN]}
    load_prompts(make_job(**recipe(exam)))
    assert read == [str(exam)]
    plain = make_job()
    load_prompts(plain)
    assert plain.scorer_ids
    assert plain.questions is None
    without = make_job(**recipe(exam, scorers={"*": ["format"]}))
    assert without.scorer_ids
    assert without.questions is None
    assert read == [str(exam)]
    write(exam, UNWRITTEN, WRITTEN)
    assert job.questions == {"exam": [UNWRITTEN]}, "as its identities have it"
    assert make_job(**recipe(exam)).questions == {"exam": [UNWRITTEN, WRITTEN]}
    assert len(read) == 2


def test_a_set_that_is_not_there_stops_before_anything_starts(
    make_job: MakeJob, exam: Path
) -> None:
    job = make_job(**recipe(exam))
    exam.unlink()
    with pytest.raises(RecipeError, match=r"exam\.jsonl: no such file"):
        assert job.scorer_ids
