"""Faults with the real engine: nothing acknowledged is lost, no key is there twice."""

from pathlib import Path

import polars as pl
import pytest

from jobs.recipe import Job, load_job
from tests.jobs.faults import (
    KEY,
    Saboteur,
    acknowledged,
    driver,
    events,
    has_samples,
    run_generate,
    samples,
    wait_until,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.engine,
    pytest.mark.timeout(900),
    pytest.mark.usefixtures("ray_here"),
]


@pytest.fixture
def tiny(tmp_path: Path) -> Job:
    """The quickstart, a quarter of it, flushed often."""
    lines = Path("examples/tiny_r1/prompts.jsonl").read_text().splitlines()[:60]
    few = tmp_path / "few.jsonl"
    few.write_text("\n".join(lines))
    settings = [f"store={tmp_path / 'store'}", f"prompts.0.path={few}", "flush.seconds=1"]
    return load_job("recipes/quickstart.yaml", settings)


def assert_settled(job: Job, before: set[str]) -> None:
    rows = samples(job)
    assert before <= set(rows["text_digest"])
    assert rows.select(KEY).is_duplicated().sum() == 0
    assert rows["prompt_id"].n_unique() == 60
    assert set(rows.filter(pl.col("outcome") == "done")["engine"]) == {"vllm"}
    assert run_generate(job).attempt is None, "everything is settled"


@pytest.mark.parametrize("title", ["VLLM::EngineCore", "ray::Replica", "ray::Coordinator"])
def test_a_killed_process_costs_what_it_held(title: str, tiny: Job) -> None:
    saboteur = Saboteur(title, has_samples(tiny, 20))
    run_generate(tiny)
    assert saboteur.killed
    assert any(event["event"].endswith("_died") for event in events(tiny))
    assert_settled(tiny, set())


def test_a_killed_driver_is_resumed(tiny: Job, tmp_path: Path) -> None:
    first = driver(tiny, tmp_path, command="generate")
    wait_until(has_samples(tiny, 20), "no samples")
    first.kill()
    first.communicate()
    before = acknowledged(tiny)
    run_generate(tiny)
    assert_settled(tiny, before)
