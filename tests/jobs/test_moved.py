"""Nobody who was published in one split is published in another."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from infra.catalog import Catalog
from infra.lease import WriterLease, writing
from infra.pool_writer import PoolWriter
from infra.spool import write_table
from infra.version import Version
from jobs.build import build
from jobs.clusters import TABLE
from jobs.ingest import remember_clusters
from jobs.moved import assert_unmoved, moved
from jobs.plan import plan
from jobs.prompt_copy import load_prompts
from jobs.publish import publish
from jobs.recipe import Job
from jobs.run import run
from schemas.arrow import CLUSTERS
from schemas.errors import RecipeError, VersionError
from tests.conftest import REAL_STORES, MakeJob
from tests.pools import drawn, write_pool, write_sums

STORES = REAL_STORES
PROMPTS = 60
Make = Any


@pytest.fixture
def make(make_job: MakeJob, sums: Path, store_url: str) -> Make:
    """A recipe over a pool with samples; the keywords are its `splits`."""
    write_sums(sums, PROMPTS)
    filled: list[Job] = []

    def splitting(**splits: float) -> Job:
        job = make_job(store=store_url, splits=splits, keep={"finished": "format.complete"})
        if not filled:
            write_pool(job, [drawn(job, 3)])
            filled.append(job)
        return job

    return splitting


def published(job: Job) -> Version:
    prompts = load_prompts(job)
    assert_unmoved(job, prompts)
    remember_clusters(job, prompts)
    done = publish(job, build(job, prompts), allow_simulated=True)
    catalog = Catalog(job.store, job.recipe.name)
    return Version(catalog.manifest(done.version), catalog)


def by_split(version: Version) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for file in version.manifest.files:
        if file.rows is not None:
            split = file.path.partition("/")[2].partition("-")[0]
            found.setdefault(split, set()).update(version.scan("sft", split).collect()["prompt_id"])
    return found


def test_other_shares_are_refused_and_the_same_are_not(make: Make) -> None:
    first = published(make(validation=0.3))
    before = by_split(first)
    assert {*before} == {"train", "validation"}
    assert published(make(validation=0.3)).manifest.version == "v0001"

    other = make(validation=0.6)
    gone = before["train"] - by_split_of_list(other)["train"]
    message = (
        rf"splits: {len(gone)} prompts of sums@v0001 would be in another split: {len(gone)} from "
        rf"train to validation \(such as {sorted(gone)[0]}, {sorted(gone)[1]}\)\. Nothing is "
        r"published.*set `splits` back to \{\"validation\": 0\.3\}, or publish under another `name`"
    )
    with pytest.raises(RecipeError, match=message):
        assert_unmoved(other, load_prompts(other))
    assert Catalog(other.store, "sums").versions() == ["v0001"]


def by_split_of_list(job: Job) -> dict[str, set[str]]:
    splits = load_prompts(job).splits
    return {
        split: set(splits.filter(pl.col("split") == split)["prompt_id"])
        for split in ("train", "validation")
    }


def test_a_version_without_splits_is_all_train(make: Make) -> None:
    published(make())
    with pytest.raises(RecipeError, match=r"\d+ from train to validation .*back to \{\}"):
        assert_unmoved(make(validation=0.3), load_prompts(make(validation=0.3)))
    assert_unmoved(make(), load_prompts(make()))


def test_splits_that_are_taken_away_are_missed(make: Make) -> None:
    held_out = by_split(published(make(validation=0.3, test=0.2)))
    told = (
        f"{len(held_out['test'])} from test to train, "
        f"{len(held_out['validation'])} from validation to train"
    )
    with pytest.raises(RecipeError, match=told):
        assert_unmoved(make(), load_prompts(make()))
    (changed,) = plan(make(), load_prompts(make()))["changed"]
    assert changed["text"] == f"splits: nothing would be published, since prompts move: {told}"


def test_the_order_of_names_counts(make: Make) -> None:
    published(make(validation=0.3, test=0.2))
    other = make(test=0.2, validation=0.3)
    with pytest.raises(RecipeError, match="from test to validation"):
        assert_unmoved(other, load_prompts(other))


def test_a_split_of_those_that_were_in_no_version_moves_nobody(make: Make, sums: Path) -> None:
    write_sums(sums, 2)
    published(make(validation=0.001))
    write_sums(sums, PROMPTS)
    other = make(validation=0.002)
    assert_unmoved(other, load_prompts(other))


def test_nothing_is_read_where_nothing_can_have_moved(make: Make) -> None:
    version = published(make(validation=0.3))
    job = make(validation=0.3)
    for file in version.manifest.files:
        job.store.delete([version.catalog.file_key(version.manifest, file)])
    assert_unmoved(job, load_prompts(job))
    other = make(validation=0.31)
    with pytest.raises(VersionError, match="is missing"):
        assert_unmoved(other, load_prompts(other))


def test_a_damaged_version_is_told(make: Make) -> None:
    version = published(make(validation=0.3))
    for file in version.manifest.files:
        key = version.catalog.file_key(version.manifest, file)
        version.catalog.store.delete([key])
        version.catalog.store.put_if_absent(key, b"x" * file.bytes)
    other = make(validation=0.31)
    with pytest.raises(VersionError, match="stillhouse verify sums@v0001"):
        assert_unmoved(other, load_prompts(other))


def test_clusters_that_are_others_than_they_were_are_told(make: Make) -> None:
    job = make(validation=0.3)
    before = by_split(published(job))
    one, other = (sorted(before[split])[0] for split in ("train", "validation"))
    rows = job.pool.scan(TABLE).select(CLUSTERS.names).collect()
    assert {one, other} <= set(rows["cluster"])
    swapped = rows.with_columns(pl.col("cluster").replace({one: other, other: one}))
    lease = WriterLease.acquire(job.store, writing("sums"), "sums")
    writer = PoolWriter(job.pool, lease.epoch)
    file = write_table(f"{job.pool.folder(TABLE)}/other.parquet", swapped.to_arrow().cast(CLUSTERS))
    writer.commit(TABLE, [file], job.pool.files(TABLE))
    lease.release()
    again = make(validation=0.3)
    prompts = load_prompts(again)
    gone = moved(again, prompts, Catalog(job.store, "sums").manifest("v0001"))
    assert set(gone["prompt_id"]) == {one, other}
    with pytest.raises(RecipeError, match=r"put the table \S+clusters back from a copy"):
        assert_unmoved(again, prompts)


@pytest.mark.usefixtures("ray_here")
def test_a_run_stops_before_it_draws(make_job: MakeJob, sums: Path) -> None:
    job = make_job(splits={"validation": 0.3})
    run(job, load_prompts(job), pilot=False, allow_simulated=True)
    with sums.open("a") as lines:
        lines.write('{"question": "What is 1 + 1?", "answer": "2"}\n')
    other = make_job(splits={"validation": 0.9})
    before = other.pool.versions()
    with pytest.raises(RecipeError, match="from train to validation"):
        run(other, load_prompts(other), pilot=False, allow_simulated=True)
    assert other.pool.versions() == before
