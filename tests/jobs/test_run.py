"""The whole path on real Ray actors, with the simulated engine."""

import json
import shutil
from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from filters.choose import PUBLISHED
from infra.catalog import Catalog
from infra.pool_writer import PoolWriter
from infra.spool import write_file
from jobs.build import build
from jobs.decide import decide
from jobs.fates import samples_with_fates
from jobs.generate import fill_scores, generate
from jobs.prompts import read_prompts
from jobs.publish import publish
from jobs.recipe import Job
from jobs.run import Ran, run
from schemas.arrow import SAMPLES, TABLES
from schemas.errors import RecipeError, RunError
from tests.builders import without_column
from tests.conftest import MakeJob
from tests.published import folder_of, problems

pytestmark = pytest.mark.usefixtures("ray_here")


def run_all(job: Job, limit: int | None = None) -> Ran:
    prompts = read_prompts(job.recipe).first(limit)
    return run(job, prompts, pilot=limit is not None, allow_simulated=True)


def fates(job: Job) -> pl.DataFrame:
    return samples_with_fates(job, read_prompts(job.recipe))


def pool_samples(job: Job) -> pl.DataFrame:
    return job.pool.scan("samples").collect()


def test_from_prompts_to_a_version_and_again(make_job: MakeJob) -> None:
    job = make_job()
    first = run_all(job)
    assert first.published is not None
    assert (first.published.version, first.published.fresh) == ("v0001", True)
    assert first.decided.unsettled == 0
    assert problems(Catalog(job.store, "sums"), "v0001") == []

    samples = pool_samples(job)
    keys = ["prompt_id", "teacher_id", "sample_index"]
    assert samples.select(keys).is_duplicated().sum() == 0
    assert samples.height == first.generated.drawn == sum(first.decided.funnel.values())
    assert fates(job)["fate"].null_count() == 0
    assert set(samples.group_by("prompt_id").len()["len"]) <= {3, 4, 5, 6}

    again = run_all(job)
    assert again.generated.attempt is None, "nothing was started"
    assert again.published is not None
    assert (again.published.version, again.published.fresh) == ("v0001", False)


def test_published_answers_are_right(make_job: MakeJob) -> None:
    job = make_job()
    run_all(job)
    rows = pl.read_parquet(folder_of(Catalog(job.store, "sums"), "v0001") / "sft" / "*.parquet")
    assert rows.height > 12
    for row in rows.iter_rows(named=True):
        left, _, right = row["prompt"].removeprefix("What is ").removesuffix("?").split()
        assert int(row["answer"]) == int(left) + int(right)
        assert row["messages"][-1]["content"] == (
            f"<think>\n{row['reasoning']}\n</think>\n\n{row['response']}"
        )
        assert row["scores"]["math"]["verdict"] == "true"


def test_the_stopping_rule_holds_for_every_prompt(make_job: MakeJob) -> None:
    counts = {"probe": 3, "max": 6, "enough": 2, "policy": "enough"}
    job = make_job(samples=counts)
    run_all(job)
    for _, group in fates(job).group_by("prompt_id"):
        kept = group.sort("sample_index")["reason"].is_null().to_list()
        assert sum(kept) >= 2 or len(kept) == 6
        assert len(kept) == 3 or sum(kept[:-1]) < 2, "one sample too many was drawn"


def test_another_threshold_draws_nothing(make_job: MakeJob) -> None:
    run_all(make_job())
    before = pool_samples(make_job()).height
    looser = run_all(make_job(keep={"finished": "format.complete"}))
    assert looser.generated.attempt is None
    assert looser.published is not None
    assert (looser.published.version, looser.published.fresh) == ("v0002", True)
    assert pool_samples(make_job()).height == before


def test_a_stricter_rule_leaves_prompts_unsettled_and_run_draws_the_rest(make_job: MakeJob) -> None:
    run_all(make_job())
    stricter = make_job(keep={"correct": "correct", "short": "reasoning_tokens < 50"})
    prompts = read_prompts(stricter.recipe)
    before = pool_samples(stricter).height
    built = build(stricter, prompts)
    assert built.decided.unsettled > 0
    assert pool_samples(stricter).height == before, "build never generates"
    assert run_all(stricter).decided.unsettled == 0
    assert pool_samples(stricter).height > before


def test_a_higher_maximum_draws_only_what_is_new(make_job: MakeJob) -> None:
    job = make_job(
        teacher={"model": "sim", "engine": "simulated", "engine_args": {"accuracy": 0.1}}
    )
    run_all(job)
    before = pool_samples(job)
    higher = make_job(
        teacher={"model": "sim", "engine": "simulated", "engine_args": {"accuracy": 0.1}},
        samples={"probe": 3, "max": 9, "enough": 2},
    )
    ran = run_all(higher)
    after = pool_samples(higher)
    assert ran.generated.drawn == after.height - before.height > 0
    fresh = after.join(before, on=["prompt_id", "sample_index"], how="anti")
    assert fresh["sample_index"].min() == 6
    assert after.select("prompt_id", "sample_index").is_duplicated().sum() == 0


def test_a_new_scorer_scores_what_exists(make_job: MakeJob) -> None:
    bare = make_job(scorers={"math": ["math"], "*": ["format"]})
    run_all(bare)
    scores = bare.pool.scan("scores").collect().height
    job = make_job()
    filled = fill_scores(job, read_prompts(job.recipe))
    assert filled.scored == pool_samples(job).height
    by_scorer = Counter(job.pool.scan("scores").collect()["scorer"])
    assert by_scorer["language"] == by_scorer["math"] == filled.scored
    assert job.pool.scan("scores").collect().height == 2 * scores
    assert fill_scores(job, read_prompts(job.recipe)).attempt is None


def test_a_corrected_reference_scores_again_and_draws_nothing(
    make_job: MakeJob, sums: Path
) -> None:
    run_all(make_job())
    before = pool_samples(make_job()).height
    lines = sums.read_text().splitlines()
    corrected = json.loads(lines[0]) | {"answer": "999"}
    sums.write_text("\n".join([json.dumps(corrected), *lines[1:]]))
    filled = fill_scores(make_job(), read_prompts(make_job().recipe))
    assert 3 <= filled.scored <= 6
    changed = fates(make_job()).filter(pl.col("math.correct").not_())
    assert changed.height >= 3
    assert pool_samples(make_job()).height == before


def test_removed_prompts_leave_the_version(make_job: MakeJob, sums: Path) -> None:
    run_all(make_job())
    sums.write_text("\n".join(sums.read_text().splitlines()[:5]))
    ran = run_all(make_job())
    assert ran.generated.attempt is None
    assert ran.decided.prompts == 5


def test_errors_and_rejects_are_rows_with_reasons(make_job: MakeJob) -> None:
    faulty = {"transient_errors": 0.5, "rejects": 0.3, "unclosed": 0.2}
    job = make_job(teacher={"model": "sim", "engine": "simulated", "engine_args": faulty})
    decided = run_all(job).decided
    samples = pool_samples(job)
    failed = samples.filter(pl.col("outcome") == "failed")
    assert failed.height == decided.funnel["failed_simulated_reject"] > 0
    assert set(failed["failure"]) == {"rejected"}
    assert set(samples.filter(pl.col("outcome") == "done")["tries"]) == {1, 2}
    assert decided.funnel["not_finished"] > 0
    assert PUBLISHED in decided.funnel


def test_early_ends_are_in_the_rows_and_rules_see_them(make_job: MakeJob) -> None:
    looping = {"loops": 0.3, "max_num_seqs": 8}
    detection = {"max_pattern_size": 10, "min_count": 3}
    job = make_job(
        teacher={"model": "sim", "engine": "simulated", "engine_args": looping},
        sampling={
            "max_tokens": 512,
            "thinking_token_budget": 60,
            "repetition_detection": detection,
        },
        keep={"finished": "format.complete", "whole": "not thinking_cut"},
    )
    decided = run_all(job).decided
    samples = fates(job)
    assert set(samples["finish_reason"]) == {"stop", "repetition"}
    looped, cut = pl.col("finish_reason") == "repetition", pl.col("thinking_cut")
    assert samples.filter(looped).height > 0
    assert set(samples.filter(looped)["reason"]) == {"not_finished"}
    assert samples.filter(cut)["reasoning_tokens"].unique().to_list() == [61]
    assert samples.filter(cut)["reason"].is_in(["not_finished", "not_whole"]).all()
    assert decided.funnel["not_whole"] > 0
    assert set(samples["thinking_cut"]) == {True, False}


def test_a_pool_goes_on_that_was_written_before_a_column_was_added(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = make_job(scorers={"math": ["math"], "*": ["format"]})
    run_all(bare)
    as_before_the_column(bare, "thinking_cut", monkeypatch)
    old = pool_samples(bare).height
    job = make_job(samples={"probe": 5, "max": 6, "enough": 2})
    assert run_all(job).generated.drawn > 0
    rows = pool_samples(job)
    assert rows["thinking_cut"].null_count() == old < rows.height
    decided = decide(job, read_prompts(job.recipe))
    assert fates(job)["language.share"].null_count() == 0, "the old ones are scored too"
    assert decided.unsettled == 0


def test_rules_and_orders_see_how_sure_the_model_was(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished = {"finished": "format.complete"}
    job = make_job(
        keep={**finished, "sure": "lowest_logprob > -0.3"},
        choose={"order_by": ["-tail_logprob", "lowest_logprob"]},
    )
    funnel = run_all(job).decided.funnel
    assert funnel[PUBLISHED] > 0
    assert "not_sure" not in funnel
    surer = make_job(keep={**finished, "sure": "lowest_logprob > -0.2"})
    assert decide(surer, read_prompts(surer.recipe)).funnel["not_sure"] > 0
    as_before_the_column(job, "lowest_logprob", monkeypatch)
    funnel = decide(surer, read_prompts(surer.recipe)).funnel
    assert funnel["sure_undecided"] > 0
    assert "not_sure" not in funnel


def as_before_the_column(job: Job, column: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writes the pool's samples anew, as a table that never had the column."""
    before = without_column(SAMPLES, column)
    rows = pool_samples(job).select(before.names).to_dicts()
    folder = job.pool.folder("samples")
    shutil.rmtree(folder)
    epoch = json.loads((Path(job.pool.root) / "writer.json").read_text())["epoch"]
    with monkeypatch.context() as then:
        then.setitem(TABLES, "samples", before)
        writer = PoolWriter(job.pool, epoch)
        writer.commit("samples", [write_file(f"{folder}/old.parquet", before, rows)])


def test_two_replicas_and_other_timing_give_the_same_bytes(
    make_job: MakeJob, tmp_path: Path
) -> None:
    def digest(name: str, replicas: int, speed: float) -> str:
        teacher = {
            "model": "sim",
            "engine": "simulated",
            "replicas": {"max": replicas},
            "engine_args": {"max_num_seqs": 4, "tokens_per_second": speed},
        }
        job = make_job(teacher=teacher, store=str(tmp_path / name))
        generate(job, read_prompts(job.recipe))
        return build(job, read_prompts(job.recipe)).content_digest

    assert digest("one", 1, 0) == digest("two", 2, 400)


def test_a_system_prompt_reaches_the_model(make_job: MakeJob) -> None:
    def prompt_digests(system: str | None) -> set[str]:
        job = make_job(teacher={"model": "sim", "engine": "simulated", "system": system})
        generate(job, read_prompts(job.recipe))
        mine = pool_samples(job).filter(pl.col("teacher_id") == job.teacher_id)
        return set(mine["prompt_digest"])

    assert not prompt_digests(None) & prompt_digests("Be brief.")


def test_recipes_that_share_a_pool_share_its_samples(make_job: MakeJob) -> None:
    job = make_job(pool="shared")
    run_all(job)
    prompts = [{**source.model_dump(), "source": "other"} for source in job.recipe.prompts]
    other = make_job(
        name="other", pool="shared", prompts=prompts, keep={"ours": "source = 'other'"}
    )
    ran = run_all(other)
    assert ran.generated.drawn == 0
    assert ran.published is not None
    assert ran.published.version == "v0001"


def test_a_pilot_publishes_nothing(make_job: MakeJob) -> None:
    job = make_job()
    ran = run_all(job, limit=4)
    assert ran.published is None
    assert ran.decided.prompts == 4
    assert Catalog(job.store, "sums").latest() is None
    assert run_all(job).generated.drawn < pool_samples(job).height, "the pilot's samples count"


def test_made_up_samples_are_not_published_unasked(make_job: MakeJob) -> None:
    job = make_job()
    prompts = read_prompts(job.recipe)
    generate(job, prompts)
    with pytest.raises(RecipeError, match="allow-simulated"):
        publish(job, build(job, prompts))
    assert Catalog(job.store, "sums").latest() is None


def test_nothing_kept_is_an_error_with_the_funnel(make_job: MakeJob) -> None:
    with pytest.raises(RunError, match="not_long"):
        run_all(make_job(keep={"long": "reasoning_tokens > 100000"}))
