"""What a run is to reach and may spend: outputs, a target, a budget over all attempts."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from filters.target import BEYOND_TARGET
from infra.catalog import Catalog
from infra.meter import Spent, spent_by
from jobs.decide import decide, summary
from jobs.fates import samples_with_fates
from jobs.generate import generate
from jobs.prompts import read_prompts
from jobs.recipe import Job
from jobs.run import Ran, run
from schemas.errors import RecipeError
from tests.conftest import MakeJob

pytestmark = pytest.mark.usefixtures("ray_here")

SLOW = {
    "model": "sim",
    "engine": "simulated",
    "engine_args": {"max_num_seqs": 8, "tokens_per_second": 100, "accuracy": 0.5},
}


@pytest.fixture
def many(tmp_path: Path) -> list[dict[str, Any]]:
    """A hundred prompts."""
    path = tmp_path / "many.jsonl"
    lines = [
        json.dumps({"prompt": f"What is {n} + {n * n}?", "answer": str(n + n * n)})
        for n in range(100)
    ]
    path.write_text("\n".join(lines))
    fields = {"prompt": "prompt", "reference": "answer"}
    return [{"path": str(path), "fields": fields, "domain": "math"}]


def run_all(job: Job) -> Ran:
    return run(job, read_prompts(job.recipe), pilot=False, allow_simulated=True)


def spent(job: Job) -> Spent:
    return sum(spent_by(job.store, job.recipe.pool, recipe=job.recipe.name).values(), Spent())


def test_a_budget_ends_a_run_in_good_order_and_counts_over_attempts(
    make_job: MakeJob, many: list[dict[str, Any]]
) -> None:
    small = make_job(teacher=SLOW, prompts=many, budget={"tokens": 12_000})
    first = run_all(small)
    assert first.generated.limit is not None
    assert "budget.tokens" in first.generated.limit
    assert first.published is not None, "of what there is"
    assert first.decided.unsettled > 0
    used = spent(small).tokens
    # Beats tell of tokens a second later, in which two times eight slots make 1,600.
    assert 12_000 - 2 * 512 < used < 12_000 + 3_200
    assert first.generated.put_off > 0, "easy prompts bring more"

    again = run_all(small)
    assert again.generated.attempt is None
    assert again.generated.limit is not None
    assert spent(small).tokens == used

    larger = make_job(teacher=SLOW, prompts=many, budget={"tokens": used + 6_000})
    second = run_all(larger)
    assert second.generated.drawn > 0
    assert used + 6_000 - 2 * 512 < spent(larger).tokens < used + 6_000 + 3_200
    samples = larger.pool.scan("samples").collect()
    assert samples.select("prompt_id", "sample_index").is_duplicated().sum() == 0


def test_gpu_hours_and_money_are_budgets_too(make_job: MakeJob, many: list[dict[str, Any]]) -> None:
    job = make_job(teacher=SLOW, prompts=many, budget={"usd": 0.02}, price={"gpu_hour": 10})
    done = run_all(job)
    assert done.generated.limit is not None
    assert "budget.usd" in done.generated.limit
    assert 0.0019 < spent(job).gpu_hours < 0.003
    assert done.published is not None
    manifest = Catalog(job.store, "sums").manifest(done.published.version)
    assert manifest.provenance["cost"]["usd"] == pytest.approx(0.02, abs=0.01)


def test_a_target_is_reached_by_the_shortest_settled_prefix(
    make_job: MakeJob, many: list[dict[str, Any]]
) -> None:
    job = make_job(prompts=many, target={"published": 40})
    done = run_all(job)
    assert done.published is not None
    manifest = Catalog(job.store, "sums").manifest(done.published.version)
    assert manifest.target == "reached"
    rows = manifest.rows["sft"]
    assert 40 <= rows <= 41, "two rows a prompt"
    assert done.decided.unsettled > 20, "the rest was not drawn"
    samples = samples_with_fates(job, read_prompts(job.recipe))
    published = samples.filter(pl.col("fate") == "published")
    beyond = samples.filter(pl.col("fate") == BEYOND_TARGET)
    assert beyond.is_empty() or beyond["prompt_id"].min() > published["prompt_id"].max()  # type: ignore[operator]
    assert run_all(job).generated.attempt is None

    everything = make_job(prompts=many)
    run_all(everything)
    found = samples_with_fates(everything, read_prompts(everything.recipe))
    by_prompt = found.filter(pl.col("fate") == "published")
    shortest = by_prompt.sort("prompt_id")["id"].to_list()[:rows]
    assert sorted(published["id"]) == sorted(shortest), "as if all had been drawn"


def test_what_where_drops_is_made_up_for(make_job: MakeJob, many: list[dict[str, Any]]) -> None:
    choose = {"per_prompt": 2, "where": "sample_index < 2"}
    done = run_all(make_job(prompts=many, target={"published": 40}, choose=choose))
    assert done.decided.target == "reached"
    assert done.published is not None
    assert done.decided.unsettled > 0


def test_too_few_prompts_miss_the_target(make_job: MakeJob) -> None:
    job = make_job(target={"published": 1000})
    done = run_all(job)
    assert done.decided.target == "missed"
    assert done.decided.unsettled == 0
    assert done.published is not None
    readme = (Path(done.published.location) / "README.md").read_text()
    assert "The target of 1,000 rows was missed." in readme
    assert run_all(job).generated.attempt is None


def test_preference_draws_until_there_is_a_pair(
    make_job: MakeJob, many: list[dict[str, Any]]
) -> None:
    job = make_job(
        prompts=many,
        outputs=["preference"],
        samples={"probe": 1, "max": 8},
        scorers={"math": ["math"], "*": ["format", "signature"]},
    )
    prompts = read_prompts(job.recipe)
    generate(job, prompts)
    assert decide(job, prompts).unsettled == 0
    samples = samples_with_fates(job, prompts)
    for _, group in samples.filter(pl.col("eligible")).group_by("prompt_id"):
        kept, wrong = group["reason"].is_null().sum(), group["wrong"].sum()
        assert (kept and wrong) or group.height == 8
        if kept and wrong:
            last = group.sort("sample_index")[-1]
            assert 1 in (kept if last["reason"][0] is None else wrong, wrong, kept)
    assert summary(decide(job, prompts))["rows"]["preference"] > 0


def test_rl_draws_the_probe_alone(make_job: MakeJob) -> None:
    job = make_job(outputs=["rl"])
    assert generate(job, read_prompts(job.recipe)).drawn == 12 * 3


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"budget": {"usd": 5}}, "price.gpu_hour"),
        ({"budget": {"tokens": 0}}, "greater than 0"),
        ({"target": {"published": 5}, "outputs": ["rl"]}, "rows of the output sft"),
        ({"outputs": []}, "at least 1"),
    ],
)
def test_goals_that_cannot_be(make_job: MakeJob, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_job(**fields)


def test_preference_without_a_verifier_is_refused(make_job: MakeJob) -> None:
    with pytest.raises(RecipeError, match="only a verifying scorer can tell"):
        make_job(outputs=["preference"], scorers={"*": ["format"]}, keep={"f": "format.complete"})
