"""Publishing, whatever is killed and whoever else publishes: a version is whole or not there."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Thread
from typing import Any

import pytest

from infra.catalog import Catalog
from infra.folder_store import FolderStore
from infra.store import Store, open_store
from infra.version import Version, open_version
from jobs.build import build
from jobs.generate import generate
from jobs.prompts import read_prompts
from jobs.publish import Published, publish
from jobs.recipe import Job
from jobs.verify import problems_of
from schemas.errors import StoreUnavailableError
from tests.conftest import REAL_STORES, MakeJob
from tests.dying_store import DyingStore, Killed
from tests.s3_servers import SeaweedFS

STORES = REAL_STORES
POOL: list[FolderStore] = []


@pytest.fixture
def drawn(make_job: MakeJob, tmp_path_factory: pytest.TempPathFactory, ray_here: None) -> Store:
    """A folder with a pool; drawn once."""
    if not POOL:
        job = make_job(store=str(tmp_path_factory.mktemp("drawn")))
        generate(job, read_prompts(job.recipe))
        POOL.append(FolderStore(job.store.url))
    return POOL[0]


def fill(store: Store, drawn: Store) -> None:
    for entry in drawn.walk("pools"):
        content = drawn.get(entry.key)
        assert content is not None
        store.put_if_absent(entry.key, content)


@pytest.fixture
def filled(store: Store, drawn: Store) -> Store:
    """Every kind of store, with that pool."""
    fill(store, drawn)
    return store


def build_and_publish(job: Job, store: Store | None = None) -> Published:
    if store is not None:
        job.__dict__["store"] = store  # in place of the cached property
    return publish(job, build(job, read_prompts(job.recipe)), allow_simulated=True)


def readable(store: Store) -> Version:
    """What a reader gets, all of whose rows are there."""
    version = open_version("sums", store.url)
    assert version.scan().collect().height == version.manifest.rows["sft"]
    return version


def test_killed_at_every_single_write(filled: Store, make_job: MakeJob) -> None:
    def job(number: int) -> Job:
        return make_job(store=filled.url, choose={"per_prompt": 1 + number % 2})

    contents = [build_and_publish(job(number)).version for number in (1, 0)]
    contents = [open_version(f"sums@{v}", filled.url).manifest.content_digest for v in contents]
    assert contents[0] != contents[1]
    moment = 0
    while True:
        moment += 1
        before = readable(filled).manifest
        dying = DyingStore(filled, moment)
        try:
            build_and_publish(job(moment), dying)
        except Killed:
            seen = readable(filled)
            new = seen.manifest.version != before.version
            assert seen.manifest.content_digest == contents[(moment + new) % 2]
            problems = [p for p in problems_of(seen) if "not in the manifest" not in p]
            assert problems == []
            # The same command again.
            done = build_and_publish(job(moment))
            assert done.fresh != new, "what was published before the end is not published again"
            assert readable(filled).manifest.version == done.version
            continue
        break
    assert moment > 12, "each of the writes was met, before and after"
    assert moment == dying.moments + 1
    catalog = Catalog(filled, "sums")
    for version in catalog.versions():
        assert list(problems_of(Version(catalog.manifest(version), catalog))) == []


def test_eight_publishers_of_different_contents(filled: Store, make_job: MakeJob) -> None:
    orders = ["reasoning_tokens", "-reasoning_tokens", "answer_tokens", "-answer_tokens"]
    fields: list[dict[str, Any]] = [
        {"choose": {"per_prompt": n, "order_by": [order]}} for order in orders for n in (1, 2)
    ]
    published = race([make_job(store=filled.url, **given) for given in fields])
    fresh = [done.version for done in published if done.fresh]
    assert len(set(fresh)) == len(fresh), "no number is given twice"
    catalog = Catalog(filled, "sums")
    assert catalog.versions() == sorted(fresh)
    for version in fresh:
        assert list(problems_of(Version(catalog.manifest(version), catalog))) == []
    hint = filled.get("datasets/sums/latest.json") or b""
    assert catalog.versions()[-1].encode() in hint


def test_eight_publishers_of_the_same_content(filled: Store, make_job: MakeJob) -> None:
    published = race([make_job(store=filled.url) for _ in range(8)])
    assert any(done.fresh for done in published)
    catalog = Catalog(filled, "sums")
    assert {done.version for done in published} == set(catalog.versions())
    digests = {catalog.manifest(version).content_digest for version in catalog.versions()}
    assert len(digests) == 1
    for version in catalog.versions():
        assert list(problems_of(Version(catalog.manifest(version), catalog))) == []
    assert not build_and_publish(make_job(store=filled.url)).fresh


def test_who_is_slower_with_the_same_content_withdraws(filled: Store, make_job: MakeJob) -> None:
    faster: list[Published] = []

    def publish_too() -> None:
        faster.append(build_and_publish(make_job(store=filled.url)))

    slower = build_and_publish(make_job(store=filled.url), DyingStore(filled, 6, at=publish_too))
    assert faster[0].fresh
    assert not slower.fresh
    assert slower.version == faster[0].version == "v0002", "the first number was the slower one's"
    assert list(filled.walk("datasets/sums/versions/v0001")) == []
    assert not build_and_publish(make_job(store=filled.url)).fresh
    assert list(filled.walk("datasets/sums/staging")) == []
    assert Catalog(filled, "sums").versions() == ["v0002"]


def race(jobs: list[Job]) -> list[Published]:
    barrier = Barrier(len(jobs))

    def run(job: Job) -> Published:
        built = build(job, read_prompts(job.recipe))
        barrier.wait()
        return publish(job, built, allow_simulated=True)

    with ThreadPoolExecutor(len(jobs)) as beside:
        return list(beside.map(run, jobs))


@pytest.mark.s3
def test_a_server_killed_in_the_middle(
    own_seaweedfs: SeaweedFS, drawn: Store, make_job: MakeJob
) -> None:
    url = f"s3://{own_seaweedfs.server.make_bucket()}/x"
    store = open_store(url)
    store.create()
    fill(store, drawn)
    on_folder = build_and_publish(make_job(store=drawn.url))
    wanted = open_version(f"sums@{on_folder.version}", drawn.url).manifest.content_digest

    def restart() -> None:
        own_seaweedfs.kill()
        Thread(target=own_seaweedfs.start).start()

    done = build_and_publish(make_job(store=url), DyingStore(store, 4, at=restart))
    assert done.fresh, "it is waited for"
    assert readable(store).manifest.content_digest == wanted

    other = make_job(store=url, choose={"per_prompt": 1})
    with pytest.raises(StoreUnavailableError, match="does not answer") as caught:
        build_and_publish(other, DyingStore(store, 6, at=own_seaweedfs.kill))
    assert caught.value.exit_code == 75
    own_seaweedfs.start()
    assert readable(store).manifest.content_digest == wanted
    again = build_and_publish(make_job(store=url, choose={"per_prompt": 1}))
    assert again.fresh
    assert list(problems_of(readable(store))) == []
