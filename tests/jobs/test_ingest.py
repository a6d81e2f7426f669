"""Clusters that a version rests on are in the pool before it is published."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from infra.lease import WriterLease, writing
from jobs.cli import main
from jobs.clusters import TABLE
from jobs.generate import generate
from jobs.ingest import remember_clusters
from jobs.prompt_copy import load_prompts
from jobs.recipe import Job
from jobs.run import run
from schemas.errors import BusyError
from tests.conftest import MakeJob
from tests.pools import drawn, remember, write_pool, write_sums

SPLITS = {"validation": 0.3}


@pytest.fixture
def filled(make_job: MakeJob, sums: Path) -> Job:
    """A recipe with splits, over a pool that one without has filled."""
    write_sums(sums, 40)
    before = make_job(keep={"finished": "format.complete"})
    write_pool(before, [drawn(before, 2)])
    return make_job(keep={"finished": "format.complete"}, splits=SPLITS)


def command(job: Job, tmp_path: Path, *words: str) -> int:
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(job.resolved))
    return main([words[0], str(path), *words[1:], "--json"])


def stored(job: Job) -> dict[str, str]:
    return dict(job.pool.scan(TABLE).select("prompt_id", "cluster").collect().iter_rows())


def test_build_has_the_pool_remember_them_and_what_only_looks_does_not(
    filled: Job, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = filled.pool.versions(), filled.store.get("pools/sums/writer.json")
    for words in (("plan",), ("build", "--dry-run"), ("build", "--limit", "5")):
        assert command(filled, tmp_path, *words) == 0
        assert (filled.pool.versions(), filled.store.get("pools/sums/writer.json")) == before
    assert command(filled, tmp_path, "build", "--allow-simulated") == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["status"] == "published"
    prompts = load_prompts(filled)
    assert stored(filled) == dict(prompts.splits.select("prompt_id", "cluster").iter_rows())
    manifest = filled.store.get("datasets/sums/versions/v0001/manifest.json") or b"{}"
    assert json.loads(manifest)["cut"]["tables"] == filled.pool.versions(), "the cut knows of them"

    before = filled.pool.versions(), filled.store.get("pools/sums/writer.json")
    assert command(filled, tmp_path, "build", "--allow-simulated") == 0
    assert (filled.pool.versions(), filled.store.get("pools/sums/writer.json")) == before
    WriterLease.acquire(filled.store, writing("sums"), "sums").release()


def test_a_pool_that_is_held_is_not_written_to(filled: Job, tmp_path: Path) -> None:
    lease = WriterLease.acquire(filled.store, writing("sums"), "another")
    try:
        assert command(filled, tmp_path, "build", "--allow-simulated") == BusyError.exit_code
        assert stored(filled) == {}
        assert filled.store.folders("datasets/sums/versions") == []
    finally:
        lease.release()


def test_nothing_is_made_where_nothing_can_be_published(
    make_job: MakeJob, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = make_job(splits=SPLITS)
    assert command(job, tmp_path, "build", "--allow-simulated") == 1
    assert "the funnel is empty" in capsys.readouterr().err
    assert not (tmp_path / "store").exists()


def test_what_is_compared_is_what_the_pool_still_has(filled: Job, sums: Path) -> None:
    prompts = load_prompts(filled)
    write_sums(sums, 5)
    remember(filled, load_prompts(filled))
    with pytest.raises(BusyError, match="has changed its clusters"):
        remember_clusters(filled, prompts)
    assert len(stored(filled)) == 5


def test_a_cluster_that_is_another_one_meanwhile_stops_it(filled: Job) -> None:
    prompts = load_prompts(filled)
    assert prompts.clusters is not None
    one, other = prompts.clusters.fresh["cluster"][:2]
    rows = prompts.clusters.fresh.with_columns(pl.col("cluster").replace({one: other}))
    remember(filled, replace(prompts, clusters=replace(prompts.clusters, fresh=rows)))
    with pytest.raises(BusyError, match="has changed its clusters"):
        remember_clusters(filled, prompts)


@pytest.mark.usefixtures("ray_here")
def test_a_run_that_has_nothing_to_draw_has_them_remembered(make_job: MakeJob, sums: Path) -> None:
    fields: dict[str, Any] = {"keep": {"finished": "format.complete"}}
    before = make_job(**fields)
    generate(before, load_prompts(before))
    job = make_job(**fields, splits=SPLITS)
    ran = run(job, load_prompts(job), pilot=False, allow_simulated=True)
    assert ran.generated.attempt is None, "nothing was drawn"
    assert len(stored(job)) == 12
    again = run(job, load_prompts(job), pilot=False, allow_simulated=True)
    assert again.published is not None
    assert not again.published.fresh
