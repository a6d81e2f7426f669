"""Garbage is marked, waits and goes; what anything names stays, whatever happens between."""

import json
import threading
import time
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from infra.catalog import Catalog
from infra.folder_store import FolderStore
from infra.lease import WriterLease, writing
from infra.pool_writer import PoolWriter
from infra.store import Entry, Store
from jobs.build import build
from jobs.cli import main
from jobs.collect import DAY_S, collect
from jobs.marks import CLOCK, MARKS
from jobs.prompts import read_prompts
from jobs.publish import publish
from jobs.rollback import rollback
from jobs.run import run
from schemas.arrow import TABLES
from schemas.errors import BusyError, RecipeError, StoreError, VersionError
from tests.conftest import REAL_STORES, MakeJob
from tests.jobs.garbage_world import STAGED, World, hooked, write_samples
from tests.published import problems, publish_two, recipe_of
from tests.published import publish as publish_rows

STORES = REAL_STORES


@pytest.fixture
def world(store: Store, tmp_path: Path) -> World:
    return World(store, tmp_path)


@pytest.fixture
def local(tmp_path: Path) -> World:
    """The same in a folder: for what is the same in all stores."""
    store = FolderStore(tmp_path / "store")
    store.create()
    return World(store, tmp_path)


def told(store: Store, *given: Any, **named: Any) -> dict[str, Any]:
    return collect(store, *given, **named)[1]


def states(data: dict[str, Any]) -> dict[str, str]:
    return {one["key"]: one["state"] for one in data["garbage"]}


def assert_retained(world: World) -> None:
    """Every version is sound, but for the foreign file, and what it was made of is there."""
    for version in world.catalog.versions():
        found = problems(world.catalog, version)
        assert [p for p in found if "more.parquet" not in p] == []
        for table, number in world.catalog.manifest(version).cut.tables.items():
            world.pool.scan(table, number).collect()
    assert set(world.foreign) <= world.names()


def test_it_marks_and_waits_and_deletes(world: World) -> None:
    before = world.names()
    first = told(world.store)
    assert states(first) == dict.fromkeys(world.garbage, "marked")
    assert world.names() == before
    assert first["foreign"] == sorted(world.foreign)
    second = told(world.store)
    assert states(second) == dict.fromkeys(world.garbage, "waits")
    assert world.names() == before, "a day has not passed"
    third = told(world.store, wait_s=0)
    assert states(third) == dict.fromkeys(world.garbage, "deleted")
    gone = before - world.names()
    spent = world.catalog.key(world.claimed, "manifest.json")
    assert world.names() - before == {spent}, "the number is used up"
    assert {key for key in gone if not any(key.startswith(g) for g in world.garbage)} == set()
    assert len(gone) == len(world.garbage)
    assert_retained(world)
    samples = world.pool.scan("samples").collect()
    assert samples["sample_index"].sort().to_list() == [0, 1]
    assert states(told(world.store, wait_s=0)) == {}


def later(store: Store, seconds: float) -> Store:
    """The store, when so much time has passed by its own clock."""

    class Later:
        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

        def walk(self, key: str) -> list[Entry]:
            return [
                e._replace(modified=e.modified + seconds) if e.key == CLOCK else e
                for e in store.walk(key)
            ]

    return Later()  # type: ignore[return-value]


def test_a_day_is_one_of_the_store(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    told(world.store)
    true_time = time.time
    monkeypatch.setattr(time, "time", lambda: true_time() + 3 * DAY_S)
    assert set(states(told(world.store)).values()) == {"waits"}, "three days here are none there"
    monkeypatch.setattr(time, "time", lambda: true_time() - 3 * DAY_S)
    assert set(states(told(later(world.store, DAY_S - 100))).values()) == {"waits"}
    assert set(states(told(later(world.store, DAY_S + 100))).values()) == {"deleted"}


def test_a_mark_from_the_future_is_made_anew(local: World) -> None:
    """As when the store's clock was wrong, and was set."""
    told(later(local.store, 90 * DAY_S))
    told(local.store)
    assert set(states(told(later(local.store, DAY_S + 100))).values()) == {"deleted"}


def test_what_grows_is_alive(world: World) -> None:
    told(world.store)
    place = STAGED.rpartition("/")[0]
    claim = f"datasets/data/versions/{world.claimed}"
    for number in range(1, 3):
        world.put(f"{place}/sft-train-{number:05d}.parquet")
        world.put(f"{claim}/sft/train-{number:05d}-of-00003-0a0b0c0d.parquet")
        found = states(told(world.store, wait_s=0))
        assert (found[place], found[claim]) == ("marked", "marked")
    found = states(told(world.store, wait_s=0))
    assert (found[place], found[claim]) == ("deleted", "deleted")


def test_what_grows_while_it_is_about_to_go_is_alive(local: World) -> None:
    told(local.store)
    place = STAGED.rpartition("/")[0]

    def write(key: str) -> None:
        if key == place and local.store.size(f"{place}/sft-train-00001.parquet") is None:
            if len(seen) == 1:
                local.put(f"{place}/sft-train-00001.parquet")
            seen.append(key)

    seen: list[str] = [""]
    found = told(hooked(local.store, walk=write), wait_s=0)
    assert found["left_alone"][place] == "somebody writes there"
    assert local.store.size(STAGED)


def test_a_young_file_waits_and_one_that_is_committed_stays(world: World) -> None:
    late = write_samples(world.pool, "a000001-r0-000004", 7)
    told(world.store)
    world.writer.commit("samples", [late])
    young = write_samples(world.pool, "a000001-r0-000005", 8)
    found = states(told(world.store, wait_s=0))
    folder = "pools/p/samples"
    assert f"{folder}/{late.name}" not in found
    assert found[f"{folder}/{young.name}"] == "marked"
    assert world.store.size(f"{folder}/{young.name}")
    assert world.pool.scan("samples").collect()["sample_index"].sort().to_list() == [0, 1, 7]


def test_a_pool_that_is_held_is_left_alone(world: World) -> None:
    told(world.store)
    lease = WriterLease.acquire(world.store, writing("p"), "at work")
    try:
        found = told(world.store, wait_s=0)
    finally:
        lease.release()
    assert "held by attempt" in found["left_alone"]["pools/p"]
    assert "'at work'" in found["left_alone"]["pools/p"]
    kept = {key for key, state in states(found).items() if state == "waits"}
    assert kept == {key for key in world.garbage if key.startswith("pools/")}
    assert kept <= world.names()
    assert set(states(told(world.store, wait_s=0)).values()) == {"deleted"}


def test_a_writer_that_was_away_cannot_commit_what_is_gone(world: World) -> None:
    """It was stopped for more than a day, and knows nothing of it."""
    lease = WriterLease.acquire(world.store, writing("p"), "stopped")
    writer = PoolWriter(world.pool, lease.epoch)
    file = write_samples(world.pool, "a000001-r0-000004", 7)
    lease.release()
    told(world.store)
    told(world.store, wait_s=0)
    with pytest.raises(BusyError, match="taken over"):
        writer.commit("samples", [file])
    assert_retained(world)


def test_a_lease_that_is_lost_ends_the_sweep_of_a_pool(
    local: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    told(local.store)
    monkeypatch.setattr("jobs.sweep.AT_ONCE", 1)

    def take_over(key: str) -> None:
        if key.startswith("pools/"):
            raise BusyError("another one")

    found = told(hooked(local.store, delete=take_over), wait_s=0)
    assert found["left_alone"] == {"pools/p": "another one"}
    assert_retained(local)


def test_who_claimed_a_number_and_comes_late_is_refused(world: World) -> None:
    told(world.store)
    told(world.store, wait_s=0)
    manifest = world.catalog.manifest("v0002")
    with pytest.raises(VersionError, match="already committed"):
        world.catalog.commit(manifest.model_copy(update={"version": world.claimed}))
    assert world.catalog.versions() == ["v0001", "v0002"]
    assert world.publish(3).version == "v0004", "the number is used up"
    late = f"datasets/data/versions/{world.claimed}/sft/train-00000-of-00001-0a0b0c0d.parquet"
    world.put(late)
    for _ in range(2):
        told(world.store, wait_s=0)
    assert late not in world.names()
    assert_retained(world)


@pytest.mark.parametrize("method", ["replace_if", "put_if_absent"])
def test_a_commit_that_is_faster_counts(method: str, world: World) -> None:
    """After the claim was found to be abandoned: before it is marked as collected, and before its
    manifest is taken."""
    told(world.store)
    manifest = world.publish(5)  # what is committed late has its files
    key = world.catalog.key(world.claimed, "manifest.json")
    claim = world.catalog.key(world.claimed, "_claim.json")
    files = [f.model_copy(update={"version": manifest.version}) for f in manifest.files]
    digest = manifest.content_digest
    store = world.store
    content = store.get(claim)
    store.replace_if(
        claim, (content or b"").replace(b"nobody came back", digest.encode()), expected=content
    )
    late = manifest.model_copy(update={"version": world.claimed, "files": tuple(files)})
    told(world.store)
    told(world.store)

    def commit(at: str, *_: Any) -> None:
        if at in (key, claim) and not world.store.size(key):
            Catalog(world.store, "data").commit(late)

    found = told(hooked(world.store, **{method: commit}), wait_s=0)
    assert found["left_alone"][f"datasets/data/versions/{world.claimed}"]
    assert world.claimed in world.catalog.versions()
    assert [p for p in problems(world.catalog, world.claimed) if "0a0b0c0d" not in p] == []


def test_a_claim_that_is_withdrawn_meanwhile_leaves_nothing(world: World) -> None:
    """An empty manifest without its claim would stop every later `gc`."""
    told(world.store)
    told(world.store)
    key = world.catalog.key(world.claimed, "manifest.json")

    def withdraw(at: str, *_: Any) -> None:
        if at == key:
            world.catalog.withdraw(world.claimed)

    found = told(hooked(world.store, put_if_absent=withdraw), wait_s=0)
    assert found["left_alone"][f"datasets/data/versions/{world.claimed}"] == (
        "its claim was withdrawn"
    )
    assert list(world.store.walk(f"datasets/data/versions/{world.claimed}")) == []
    told(world.store)


def test_old_versions_go_and_those_that_are_named_stay(world: World) -> None:
    """The third brings the first one back."""
    rollback(world.store.url, "data@v0001")
    assert told(world.store, 1)["garbage"]
    found = told(world.store, 1, wait_s=0)
    assert states(found)["datasets/data/versions/v0002"] == "deleted"
    assert "datasets/data/versions/v0001" not in states(found)
    assert world.catalog.versions() == ["v0001", "v0004"]
    assert not list(world.store.walk("datasets/data/versions/v0002"))
    assert_retained(world)
    before = world.names()
    told(world.store, wait_s=0)
    assert world.names() == before


def test_changes_of_a_dead_publisher_are_no_foreign_file(world: World) -> None:
    key = world.catalog.key(world.claimed, "changes.parquet")
    world.put(key)
    _, told = collect(world.store, dry_run=True)
    assert set(told["foreign"]) == set(world.foreign)
    (claim,) = (one for one in told["garbage"] if one["kind"] == "claim")
    assert claim["files"] == 3, "the claim, a part, and these"


def test_what_versions_were_made_of_goes_with_them(local: World) -> None:
    told(local.store, 1)
    told(local.store, 1, wait_s=0)
    assert local.catalog.versions() == ["v0002"]
    assert not local.store.size("pools/p/samples/a000001-r0-000001.parquet")
    assert_retained(local)
    assert local.store.get("datasets/data/versions/v0001/sft/more.parquet"), "it is foreign"


def test_what_a_version_of_another_dataset_was_made_of_stays(local: World) -> None:
    """Datasets may share a pool."""
    cut = local.catalog.manifest("v0001").cut
    part = pa.table({"x": [1]})
    recipe = recipe_of("other", pool="p")
    publish_rows(Catalog(local.store, "other"), local.tmp_path, part, cut=cut, recipe=recipe)
    told(local.store, 1)
    told(local.store, 1, wait_s=0)
    assert local.catalog.versions() == ["v0002"]
    assert local.store.size("pools/p/samples/a000001-r0-000001.parquet")
    assert local.pool.scan("samples", cut.tables["samples"]).collect().height == 1


def test_without_keep_marked_versions_stay(local: World) -> None:
    told(local.store, 1)
    told(local.store, wait_s=0)
    assert local.catalog.versions() == ["v0001", "v0002"]
    assert_retained(local)


def test_what_a_claim_names_stays(world: World) -> None:
    told(world.store, 1)
    digest = world.catalog.manifest("v0001").content_digest
    claimed = world.catalog.claim(digest)
    found = told(world.store, 1, wait_s=0)
    assert found["left_alone"] == {"datasets/data/versions/v0001": f"{claimed} names it"}
    assert "v0001" in world.catalog.versions()
    told(world.store, 1, wait_s=0)
    assert world.catalog.versions() == ["v0002"], "the claim was abandoned, and collected"


def test_a_rollback_that_is_faster_keeps_the_files(world: World) -> None:
    told(world.store, 1)
    manifest = world.catalog.key("v0001", "manifest.json")

    def bring_back(key: str) -> None:
        if key == manifest:
            rollback(world.store.url, "data@v0001")

    found = told(hooked(world.store, delete=bring_back), 1, wait_s=0)
    assert "v0004 names its files" in found["left_alone"]["datasets/data/versions/v0001"]
    assert world.catalog.versions() == ["v0002", "v0004"]
    for _ in range(3):
        told(world.store, 1, wait_s=0)
    assert world.catalog.versions() == ["v0004"]
    assert problems(world.catalog, "v0004") == []


def test_a_rollback_that_is_slower_is_refused(local: World) -> None:
    told(local.store, 1)
    told(local.store, 1, wait_s=0)
    with pytest.raises(VersionError, match="no version 'v0001'"):
        rollback(local.store.url, "data@v0001")


def test_killed_anywhere_the_next_one_goes_on(world: World) -> None:
    """At each of its deletions in turn."""

    class KilledError(Exception):
        pass

    rollback(world.store.url, "data@v0001")
    rollback(world.store.url, "data@v0002")
    told(world.store, 1)
    deletions = 0
    while True:
        calls = iter(range(100))

        def die(_: str, calls: Any = calls, last: int = deletions % 3) -> None:
            if next(calls) == last:
                raise KilledError

        try:
            found = told(hooked(world.store, delete=die), 1, wait_s=0)
        except KilledError:
            deletions += 1
            assert_retained(world)
            continue
        break
    assert deletions > 3
    for _ in range(3):
        found = told(world.store, 1, wait_s=0)
    assert states(found) == {}
    assert world.catalog.versions() == ["v0002", "v0005"]
    assert not any("a000001-r0-000003" in key for key in world.names())
    assert_retained(world)


def test_two_at_the_same_time(world: World) -> None:
    told(world.store, 1)
    failed: list[BaseException] = []

    def sweep() -> None:
        try:
            told(world.store, 1, wait_s=0)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=sweep) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    told(world.store, 1, wait_s=0)
    assert world.catalog.versions() == ["v0002"]
    assert states(told(world.store, 1, wait_s=0)) == {}
    assert_retained(world)


@pytest.mark.parametrize("content", [b"{", b'{"format": 99}', b""])
def test_a_manifest_that_says_nothing_stops_it(content: bytes, local: World) -> None:
    told(local.store)
    key = local.catalog.key("v0001", "manifest.json")
    local.store.delete([key])
    local.put(key, content)
    before = local.everything()
    with pytest.raises(VersionError, match="data@v0001"):
        told(local.store, wait_s=0)
    assert local.everything() == before


def test_an_edited_manifest_stops_it(local: World) -> None:
    key = local.catalog.key("v0001", "manifest.json")
    content = local.store.get(key) or b""
    local.store.replace_if(key, content.replace(b'"p"', b'"q"'), expected=content)
    with pytest.raises(VersionError, match=r"changed after its commit.*nothing is collected"):
        told(local.store, wait_s=0)


def test_a_table_without_its_log_is_left_alone(world: World) -> None:
    """Its files are not garbage for that, and no empty table is made in its place."""
    world.store.delete([e.key for e in world.store.walk("pools/p/samples/_delta_log")])
    with pytest.raises(StoreError, match="does not know its version"):
        told(world.store, wait_s=0)
    for version in world.catalog.versions():
        world.catalog.withdraw(version)
    for _ in range(3):
        found = told(world.store, wait_s=0)
    assert found["left_alone"] == {"pools/p": "its table samples has files and no log"}
    assert not list(world.store.walk("pools/p/samples/_delta_log"))
    assert world.store.size("pools/p/samples/a000001-m000001.parquet")


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"{", "is damaged.*delete it"), (b'{"format": 2}', "newer"), (b"[]", "is damaged")],
)
def test_marks_that_nobody_can_read(content: bytes, message: str, local: World) -> None:
    local.put(MARKS, content)
    before = local.names()
    with pytest.raises(StoreError, match=message):
        told(local.store, wait_s=0)
    assert local.names() == before


def test_a_dry_run_writes_nothing(world: World) -> None:
    before = world.everything()
    text, found = collect(world.store, 1, dry_run=True, wait_s=0)
    assert world.everything() == before
    assert set(states(found).values()) == {"marked"}
    assert set(states(found)) == {*world.garbage, "datasets/data/versions/v0001"} | {
        "pools/p/samples/a000001-r0-000001.parquet"
    }
    size = world.store.size("pools/p/samples/a000001-r0-000002.parquet")
    own = {one["key"]: one["bytes"] for one in found["garbage"]}
    assert own["pools/p/samples/a000001-r0-000002.parquet"] == size
    assert "would be marked" in text
    assert "dry run: nothing was written" in text
    told(world.store, 1)
    before = world.everything()
    text, found = collect(world.store, 1, dry_run=True, wait_s=0)
    assert set(states(found).values()) == {"deleted"}
    assert "would be deleted" in text
    assert world.everything() == before
    assert set(states(told(world.store, 1, dry_run=True)).values()) == {"waits"}


def test_by_the_command_line(local: World, capsys: pytest.CaptureFixture[str]) -> None:
    store = ["--store", local.store.url]
    assert main(["gc", *store, "--keep", "0"]) == 2
    with pytest.raises(RecipeError, match="at least 1"):
        collect(local.store, 0)
    assert "newest version always stays" in capsys.readouterr().err
    assert main(["gc", *store, "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["dry_run"] is True
    assert main(["gc", *store]) == 0
    said = capsys.readouterr().out
    assert "marked" in said
    assert "foreign, and never deleted: datasets/data/notes.txt" in said
    assert "a day later" in said
    assert main(["gc", *store, "--json"]) == 0
    assert {one["state"] for one in json.loads(capsys.readouterr().out)["garbage"]} == {"waits"}
    local.store.delete([local.catalog.key("v0001", "manifest.json")])
    local.put(local.catalog.key("v0001", "manifest.json"), b"{")
    assert main(["gc", *store]) == 1


def test_a_store_without_a_pool(store: Store, tmp_path: Path) -> None:
    assert told(store)["garbage"] == []
    publish_two(store, tmp_path)
    told(store, 1)
    assert states(told(store, 1, wait_s=0)) == {"datasets/data/versions/v0001": "deleted"}


@pytest.mark.usefixtures("ray_here")
def test_a_real_pool_stays_what_it_is(make_job: MakeJob) -> None:
    """After a sweep a build gives the same content, and every cut can be read."""
    first = make_job(flush={"seconds": 0.2}, choose={"per_prompt": 1})
    run(first, read_prompts(first.recipe), pilot=False, allow_simulated=True)
    job = make_job(flush={"seconds": 0.2}, samples={"probe": 5, "max": 9, "enough": 4})
    prompts = read_prompts(job.recipe)
    run(job, prompts, pilot=False, allow_simulated=True)
    catalog = Catalog(job.store, "sums")
    assert len(catalog.versions()) == 2
    before = {table: job.pool.scan(table).collect() for table in TABLES}
    told(job.store)
    found = told(job.store, wait_s=0)
    swept = [key for key, state in states(found).items() if state == "deleted"]
    assert any(key.startswith("pools/sums/scores/") for key in swept)
    assert (found["foreign"], found["left_alone"]) == ([], {})
    for version in catalog.versions():
        assert problems(catalog, version) == []
        for table, number in catalog.manifest(version).cut.tables.items():
            job.pool.scan(table, number).collect()
    assert publish(job, build(job, prompts), allow_simulated=True).fresh is False
    for table, rows in before.items():
        key = [name for name in TABLES[table].names if rows.schema[name] == pl.String]
        assert job.pool.scan(table).collect().sort(key).equals(rows.sort(key))
    assert run(job, prompts, pilot=False, allow_simulated=True).generated.attempt is None
