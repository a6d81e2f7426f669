"""The page of a version: where it lies, and how it is copied or written before there is one."""

from pathlib import Path

import pytest

from infra.catalog import Catalog
from infra.version import open_version
from jobs.build import build
from jobs.collect import collect
from jobs.prompt_copy import load_prompts
from jobs.publish import REPORT, publish
from jobs.recipe import Job
from jobs.report.write import copy_report, report_now
from jobs.rollback import rollback
from schemas.errors import RunError, VersionError
from tests.conftest import MakeJob
from tests.pools import pooled
from tests.published import problems, two_versions


def published(job: Job) -> str:
    return publish(job, build(job, load_prompts(job)), allow_simulated=True).version


def page_of(job: Job, version: str) -> bytes:
    """Where the manifest says that it lies."""
    catalog = Catalog(job.store, job.recipe.name)
    manifest = catalog.manifest(version)
    (entry,) = (file for file in manifest.files if file.path == REPORT)
    return job.store.get(catalog.file_key(manifest, entry)) or b""


def test_a_version_has_its_page(make_job: MakeJob, sums: Path, tmp_path: Path) -> None:
    job = pooled(make_job, sums)
    version = published(job)
    assert problems(Catalog(job.store, job.recipe.name), version) == []
    content = page_of(job, version)
    assert content.startswith(b"<!doctype html>")
    target = tmp_path / "copy.html"
    text, data = copy_report(job.recipe.store, job.recipe.name, str(target))
    assert target.read_bytes() == content
    assert str(target) in text
    assert data == {"version": f"{job.recipe.name}@{version}", "report": str(target)}


def test_what_would_be_published_is_shown_and_is_not(
    make_job: MakeJob, sums: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = pooled(make_job, sums)
    monkeypatch.chdir(tmp_path)
    before = {entry.key for entry in job.store.walk("")}
    _, data = report_now(job, load_prompts(job), None)
    page = tmp_path / f"{job.recipe.name}.html"
    assert data == {"version": None, "report": str(page)}
    assert b"unpublished" in page.read_bytes()
    assert Catalog(job.store, job.recipe.name).versions() == []
    assert {entry.key for entry in job.store.walk("")} == before


def test_the_same_cut_has_the_same_page_but_for_its_date(
    make_job: MakeJob, sums: Path, tmp_path: Path
) -> None:
    job = pooled(make_job, sums)
    pages = [tmp_path / "one.html", tmp_path / "two.html"]
    for page in pages:
        report_now(job, load_prompts(job), str(page))
    one, two = (page.read_text().splitlines() for page in pages)
    differs = [line for line, other in zip(one, two, strict=True) if line != other]
    assert all("UTC" in line for line in differs)


def test_a_version_that_is_brought_back_has_the_old_page(make_job: MakeJob, sums: Path) -> None:
    job = pooled(make_job, sums)
    first = published(job)
    one = page_of(job, first)
    second = published(make_job(**job.resolved | {"choose": {"per_prompt": 1}}))
    assert page_of(job, second) != one
    rollback(job.recipe.store, f"{job.recipe.name}@{first}")
    assert page_of(job, "v0003") == one
    assert problems(Catalog(job.store, job.recipe.name), "v0003") == []
    collect(job.store, keep=1, dry_run=False)
    assert page_of(job, "v0003") == one


def test_a_version_without_a_page(tmp_path: Path) -> None:
    store = two_versions(tmp_path)
    assert open_version("data", store.url).manifest.files
    with pytest.raises(VersionError, match="without a report"):
        copy_report(store.url, "data", None)


def test_a_place_that_cannot_be_written(make_job: MakeJob, sums: Path, tmp_path: Path) -> None:
    job = pooled(make_job, sums)
    published(job)
    with pytest.raises(RunError, match="cannot be written"):
        copy_report(job.recipe.store, job.recipe.name, str(tmp_path / "no" / "folder.html"))
