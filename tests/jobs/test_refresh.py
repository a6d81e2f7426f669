"""What a scheduler calls every night, and what it hears."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from infra.catalog import Catalog
from infra.lease import WriterLease, refreshing, writing
from jobs.cli import main
from jobs.recipe import Job
from jobs.refresh_record import Ended, last_record
from jobs.rollback import rollback
from tests.conftest import MakeJob
from tests.pools import write_sums

pytestmark = pytest.mark.usefixtures("ray_here")

Told = dict[str, Any]
Refresh = Callable[..., tuple[int, Told]]


class World:
    """A recipe of a file of prompts, and its refreshes."""

    def __init__(self, job: Job, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.job = job
        self.prompts = Path(job.recipe.prompts[0].path)
        self._recipe = folder / "recipe.yaml"
        self._recipe.write_text(yaml.safe_dump(job.resolved))
        self._capsys = capsys

    def refresh(self, *flags: str) -> tuple[int, Told]:
        """The exit code, and the JSON object."""
        self._capsys.readouterr()
        code = main(["refresh", str(self._recipe), "--allow-simulated", "--json", *flags])
        said = self._capsys.readouterr()
        self.said = said.err
        return code, json.loads(said.out) if said.out else {}

    def samples(self) -> pl.DataFrame:
        """All that are in the pool."""
        return self.job.pool.scan("samples").collect()

    @property
    def attempts(self) -> list[str]:
        """Executions that drew or scored."""
        return self.job.store.folders("pools/sums/attempts")

    @property
    def versions(self) -> list[str]:
        """Those that are published."""
        return Catalog(self.job.store, "sums").versions()


@pytest.fixture
def world(make_job: MakeJob, sums: Path, capsys: pytest.CaptureFixture[str]) -> World:
    """Ten prompts of which nothing was drawn."""
    write_sums(sums, 10)
    job = make_job(scorers={"math": ["math"], "*": ["format"]}, flush={"seconds": 0.3})
    job.store.create()
    return World(job, sums.parent, capsys)


def test_nights_with_and_without_news(world: World) -> None:
    code, told = world.refresh()
    assert (code, told["status"], told["version"]) == (0, "published", "v0001")
    assert told["generated"]["drawn"] == world.samples().height

    code, told = world.refresh()
    assert (code, told["status"], told["version"]) == (0, "unchanged", "v0001")
    assert told["reason"] == "nothing has changed since r000001"
    assert world.refresh()[1]["same_as"] == "r000001"
    assert world.attempts == ["a000001"], "nothing was started"

    before = world.samples().height
    write_sums(world.prompts, 12)
    code, told = world.refresh()
    assert (code, told["status"], told["version"]) == (0, "published", "v0002")
    assert told["generated"]["prompts_added"] == 2
    assert told["generated"]["drawn"] == world.samples().height - before

    write_sums(world.prompts, 5)
    code, told = world.refresh()
    assert (code, told["status"], told["version"]) == (0, "published", "v0003")
    assert told["generated"]["attempt"] is None
    assert told["generated"]["drawn"] == 0
    last = Catalog(world.job.store, "sums").manifest("v0003")
    assert last.prompts <= 5, "those that were removed are gone"


def test_a_corrected_reference_draws_nothing(world: World) -> None:
    good = world.prompts.read_text()
    world.prompts.write_text(good.replace('"answer": "0"', '"answer": "-7"'))
    world.refresh()
    before = world.samples()
    wrong = before.filter(pl.col("prompt_id") == _first_prompt(world))
    assert wrong.height == world.job.recipe.samples.max, "none of them was right"
    world.prompts.write_text(good)
    _, told = world.refresh()
    assert told["status"] == "published"
    assert (told["generated"]["drawn"], told["generated"]["scored"]) == (0, wrong.height)
    assert world.samples().height == before.height


def _first_prompt(world: World) -> str:
    prompts = world.job.pool.scan("prompts").collect()
    found: str = prompts.filter(pl.col("reference") == "-7")["prompt_id"].item()
    return found


def test_the_same_content_is_not_published_again(world: World) -> None:
    world.refresh()
    code, told = world.refresh("--set", "report.samples=10")
    assert (code, told["status"], told["version"]) == (0, "unchanged", "v0001")
    assert "exactly this content" in told["reason"]
    assert world.versions == ["v0001"]


def test_what_a_gate_refuses_is_refused_again_without_work(world: World) -> None:
    strict = ("--set", "gates.min_published=1000")
    code, told = world.refresh(*strict)
    assert (code, told["status"], told["version"]) == (3, "refused", None)
    assert [breach["gate"] for breach in told["gates"]] == ["min_published"]
    assert told["generated"]["drawn"] > 0, "which is kept"
    assert Path(told["report"]).exists()
    code, again = world.refresh(*strict)
    assert (code, again["same_as"], again["gates"]) == (3, "r000001", told["gates"])
    assert again["report"] == told["report"]
    assert world.attempts == ["a000001"]

    code, told = world.refresh(*strict, "--force", "the first week")
    assert (code, told["status"]) == (0, "published")
    assert _forced(world) == "the first week"


def _forced(world: World) -> str:
    latest = Catalog(world.job.store, "sums").latest()
    assert latest is not None
    reason: str = latest.provenance["forced"]["reason"]
    return reason


def test_one_line_for_people(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = str(world.prompts.parent / "recipe.yaml")
    for begin in ("published: sums@v0001: ", "unchanged: sums@v0001: nothing has changed"):
        assert main(["refresh", recipe, "--allow-simulated"]) == 0
        said = capsys.readouterr().out
        assert said.startswith(begin)
        assert said.count("\n") == 1


def test_what_was_rolled_back_does_not_come_again_at_night(world: World) -> None:
    world.refresh()
    write_sums(world.prompts, 12)
    world.refresh()
    rollback(world.job.store.url, "sums@v0001")
    code, told = world.refresh()
    assert (code, told["status"], told["version"]) == (3, "refused", "v0003")
    assert [breach["gate"] for breach in told["gates"]] == ["rolled_back"]
    assert world.refresh("--force", "it was right")[1]["version"] == "v0004"


def test_another_refresh_is_named(world: World) -> None:
    lease = WriterLease.acquire(world.job.store, refreshing("sums"), "theirs")
    try:
        code, told = world.refresh()
    finally:
        lease.release()
    assert (code, told["status"], told["refresh"]) == (75, "busy", None)
    assert "dataset sums is held by refresh r000001 of recipe 'theirs'" in told["reason"]
    assert world.refresh()[0] == 0


def test_a_run_at_work_on_the_pool_is_waited_for_elsewhere(world: World) -> None:
    lease = WriterLease.acquire(world.job.store, writing("sums"), "theirs")
    try:
        code, told = world.refresh()
    finally:
        lease.release()
    assert (code, told["status"]) == (75, "busy")
    assert "pool sums is held by attempt a000001" in told["reason"]
    code, told = world.refresh()
    assert (code, told["goes_on_with"]) == (0, "r000001")
    assert world.refresh()[1]["goes_on_with"] is None


def test_a_budget_is_that_of_one_refresh(world: World) -> None:
    write_sums(world.prompts, 24)
    slow = "teacher.engine_args={max_num_seqs: 4, tokens_per_second: 300}"
    small = ("--set", "refresh.budget.tokens=3000", "--set", slow)
    first = world.refresh(*small)[1]
    assert "refresh.budget.tokens" in first["generated"]["limit"]
    assert 0 < first["generated"]["tokens"] < 6000
    second = world.refresh(*small)[1]
    assert 0 < second["generated"]["tokens"] < 6000, "each has its own"
    _forget_the_end(world.job)
    third = world.refresh(*small)[1]
    assert third["goes_on_with"] == "r000002"
    assert third["generated"]["attempt"] is None, "but not one that goes on with another"
    assert "refresh.budget.tokens" in third["generated"]["limit"]
    assert world.refresh()[1]["generated"]["limit"] is None


def _forget_the_end(job: Job) -> None:
    """As if the last refresh had been killed at its very end."""
    last = last_record(job.store, "sums")
    assert last is not None
    job.store.delete([f"datasets/sums/refreshes/{last.refresh}/ended.json"])


def test_one_that_was_killed_after_it_had_published(world: World) -> None:
    world.refresh()
    _forget_the_end(world.job)
    code, told = world.refresh()
    assert (code, told["status"], told["goes_on_with"]) == (0, "unchanged", "r000001")
    assert world.versions == ["v0001"]


def test_evaluation_sets_are_files_that_grow(world: World, tmp_path: Path) -> None:
    evaluation = tmp_path / "eval.jsonl"
    evaluation.write_text('{"question": "How many apples are in three baskets of seven?"}\n')
    scored = ("--set", f"decontaminate=[{evaluation}]", "--set", "scorers.math=[math, leaks]")
    world.refresh(*scored)
    drawn = world.samples().height
    assert world.refresh(*scored)[1]["status"] == "unchanged"
    with evaluation.open("a") as file:
        file.write('{"question": "How many pears are in five baskets of nine?"}\n')
    _, told = world.refresh(*scored)
    assert (told["generated"]["drawn"], told["generated"]["scored"]) == (0, drawn)


def test_a_refresh_that_fails_says_so_in_its_record(world: World) -> None:
    code, told = world.refresh("--set", "keep.never=format.complete and 1 = 2")
    assert (code, told) == (1, {})
    assert "there is no row of sft" in world.said
    last = last_record(world.job.store, "sums")
    assert last is not None
    assert isinstance(last.ended, Ended)
    assert last.ended.told["status"] == "failed"
    assert world.refresh()[1]["goes_on_with"] is None


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--set", "prompts.0.path=nowhere.jsonl"], "nowhere.jsonl"),
        (["--set", "gates.min_publishd=3"], "did you mean 'min_published'"),
    ],
)
def test_what_is_wrong_with_the_recipe_is_said_first(
    world: World, flags: list[str], said: str
) -> None:
    code, told = world.refresh(*flags)
    assert (code, told) == (2, {})
    assert said in world.said
    assert world.attempts == []


def test_a_torn_record_is_told(world: World) -> None:
    world.refresh()
    (Path(world.job.store.url) / "datasets/sums/refreshes/r000001/ended.json").write_text('{"at"')
    code, _ = world.refresh()
    assert code == 1
    assert "r000001" in world.said
    assert "delete that folder" in world.said


def test_made_up_samples_are_not_published_unasked(world: World) -> None:
    assert main(["refresh", str(world.prompts.parent / "recipe.yaml")]) == 2
    assert world.attempts == []
