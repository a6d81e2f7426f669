"""When a version is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from infra.catalog import Catalog
from infra.version import open_version
from jobs.build import build
from jobs.gates import FEW_ROWS, breaches
from jobs.prompt_copy import load_prompts
from jobs.prompts import read_prompts
from jobs.publish import Published, manifest_of, publish
from jobs.recipe import Job
from schemas.arrow import PROMPTS
from schemas.errors import RecipeError, RefusedError
from schemas.manifest import Manifest
from schemas.prompt import Prompt
from tests.conftest import MakeJob
from tests.pools import answered, write_pool
from tests.published import problems

Sources = dict[str, int]
MANY = 2 * FEW_ROWS


@pytest.fixture
def make(make_job: MakeJob, tmp_path: Path) -> Any:
    """A job whose sources have so many prompts, each with a sample in the pool; keywords replace
    fields of its recipe."""
    made: list[str] = []

    def make(sources: Sources, right: float = 1.0, words: int = 30, **fields: Any) -> Job:
        prompts = []
        for number, (name, count) in enumerate(sources.items()):
            path = tmp_path / f"{name}.jsonl"
            path.write_text(
                "".join(
                    json.dumps({"question": f"What is {i} + {number * 1000}?", "answer": "1"})
                    + "\n"
                    for i in range(count)
                )
            )
            given = {"prompt": "question", "reference": "answer"}
            prompts.append({"path": str(path), "fields": given, "domain": "math", "source": name})
        job = make_job(
            prompts=prompts,
            samples={"probe": 1, "max": 1, "enough": 1},
            scorers={"math": ["math"], "*": ["format"]},
            **fields,
        )
        rows = read_prompts(job.recipe).frame.to_arrow().cast(PROMPTS).to_pylist()
        fresh = [one for one in map(Prompt.from_row, rows) if one.prompt_id not in made]
        good = round(right * len(fresh))
        samples = [
            (prompt, answered(job, prompt, ["so"] * words, "1" if at < good else "2"))
            for at, prompt in enumerate(fresh)
        ]
        made.extend(prompt.prompt_id for prompt in fresh)
        if samples:
            write_pool(job, [samples], first=len(made))
        return job

    return make


def publish_now(job: Job, force: str | None = None) -> Published:
    built = build(job, load_prompts(job))
    return publish(job, built, allow_simulated=True, force=force)


def manifest_now(job: Job) -> Manifest:
    """Of the version that would be published, without a publisher."""
    return manifest_of(job, build(job, load_prompts(job)), "v0001")


def found(job: Job, before: Manifest | None = None) -> dict[str, str]:
    built = build(job, load_prompts(job))
    told = breaches(job, built, manifest_of(job, built, "v0002"), before)
    return {breach.gate: breach.message for breach in told}


def refusal(job: Job) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        publish_now(job)
    return caught.value


def test_too_few_rows(make: Any) -> None:
    few = found(make({"a": MANY}, gates={"min_published": MANY + 1}))
    assert few == {"min_published": f"{MANY} rows of sft, and it wants {MANY + 1}"}
    assert found(make({"a": MANY}, gates={"min_published": MANY})) == {}


def test_a_keep_rate_that_drops(make: Any) -> None:
    before, grown = manifest_now(make({"a": MANY})), {"a": 2 * MANY}
    dropped = found(make(grown, right=0.4, gates={"max_keep_rate_drop": 0.25}), before)
    told = "keep rate 70.0% is 30% below the 100.0% of v0001, and it wants at most 25%"
    assert dropped == {"max_keep_rate_drop": told}
    assert found(make(grown, gates={"max_keep_rate_drop": 0.3}), before) == {}


def test_a_share_that_drops(make: Any) -> None:
    before, grown = manifest_now(make({"a": MANY, "b": MANY})), {"a": 3 * MANY, "b": MANY}
    dropped = found(make(grown, gates={"max_source_share_drop": 0.4}), before)
    told = "share of source b 25.0% is 50% below the 50.0% of v0001, and it wants at most 40%"
    assert dropped == {"max_source_share_drop": told}
    assert found(make(grown, gates={"max_source_share_drop": 0.5}), before) == {}


def test_sources_that_come_and_go_are_no_drop(make: Any) -> None:
    before, gates = manifest_now(make({"a": MANY, "b": MANY})), {"max_source_share_drop": 0.01}
    assert found(make({"a": MANY, "b": MANY, "c": 5 * MANY}, gates=gates), before) == {}
    assert found(make({"b": MANY, "c": 5 * MANY}, gates=gates), before) == {}


def test_a_share_of_few_rows_says_nothing(make: Any) -> None:
    few = FEW_ROWS - 1
    before = manifest_now(make({"a": MANY, "b": few}))
    gates = {"max_source_share_drop": 0.1}
    assert found(make({"a": 9 * MANY, "b": few}, gates=gates), before) == {}


def test_a_length_that_drops(make: Any) -> None:
    before = manifest_now(make({"a": MANY}, words=100))
    dropped = found(make({"a": 3 * MANY}, words=30, gates={"max_mean_length_drop": 0.2}), before)
    assert [*dropped] == ["max_mean_length_drop"]


def test_too_much_of_one_source(make: Any) -> None:
    much = found(make({"a": 3 * MANY, "b": MANY}, gates={"max_source_share": 0.7}))
    told = "source a has 75.0% of the rows, and it wants at most 70.0%"
    assert much == {"max_source_share": told}


def test_a_leak_that_the_rules_let_through(make: Any, tmp_path: Path) -> None:
    (tmp_path / "eval.jsonl").write_text('{"question": "What is 7 + 0?"}\n')
    fields = {"decontaminate": [str(tmp_path / "eval.jsonl")], "gates": {"no_leaks": True}}
    keep = {"finished": "format.complete", "mine": "prompt.leak_run < 1000"}
    assert found(make({"a": MANY}, keep=keep, **fields))["no_leaks"].startswith("1 rows")
    assert found(make({"a": MANY}, **fields)) == {}


def test_a_version_that_did_not_count_its_kept_samples(make: Any) -> None:
    old = manifest_now(make({"a": MANY}))
    old = old.model_copy(update={"kept": None, "survivorship": {}})
    gates = {"max_keep_rate_drop": 0, "max_source_share_drop": 0, "max_mean_length_drop": 0}
    assert found(make({"a": 2 * MANY}, right=0.1, gates=gates), old) == {}


def test_what_is_refused_keeps_its_report(make: Any) -> None:
    job = make({"a": MANY}, gates={"min_published": 1000, "max_source_share": 0.5})
    error = refusal(job)
    assert [one["gate"] for one in error.facts["gates"]] == ["min_published", "max_source_share"]
    assert Catalog(job.store, "sums").numbered() == [], "not even a number"
    report = Path(error.facts["report"])
    assert str(report) in str(error)
    assert "sums</bdi> <span>refused" in report.read_text()
    assert job.store.folders("datasets/sums/staging") == [] or not any(
        job.store.walk("datasets/sums/staging")
    )
    assert refusal(job).facts == error.facts, "and again"


def test_force_publishes_it_and_says_why(make: Any) -> None:
    job = make({"a": MANY}, gates={"min_published": 1000})
    assert publish_now(job, force="the [first] week").version == "v0001"
    version = open_version("sums", job.store.url)
    forced = version.manifest.provenance["forced"]
    assert forced["reason"] == "the [first] week"
    assert [one["gate"] for one in forced["gates"]] == ["min_published"]
    card = (Path(version.location) / "README.md").read_text()
    assert "does not meet the gates" in card
    assert "1,000" in card
    assert problems(version.catalog, "v0001") == []


def test_force_is_not_recorded_where_nothing_was_wrong(make: Any) -> None:
    job = make({"a": MANY}, gates={"min_published": 1})
    publish_now(job, force="to be sure")
    assert "forced" not in _manifest(job).provenance


def test_the_same_content_is_not_asked_again(make: Any) -> None:
    publish_now(make({"a": MANY}))
    assert not publish_now(make({"a": MANY}, gates={"min_published": 1000})).fresh


def _manifest(job: Job) -> Any:
    return open_version("sums", job.store.url).manifest


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"gates": {"no_leaks": True}}, "decontaminate"),
        ({"gates": {"max_source_share": 0.5}, "outputs": ["rl"]}, "output sft"),
        ({"gates": {"max_keep_rate_drop": 2}}, "less than or equal to 1"),
        ({"gates": {"min_published": 0}}, "greater than or equal to 1"),
    ],
)
def test_gates_that_cannot_be_meant(make_job: MakeJob, fields: Any, said: str) -> None:
    with pytest.raises((RecipeError, ValueError), match=said):
        make_job(**fields)
