"""A version is whole or not there, and every damage shows."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from infra.catalog import Catalog
from infra.store import Store
from schemas.errors import VersionError
from schemas.manifest import Manifest
from tests import published
from tests.conftest import REAL_STORES
from tests.dying_store import DyingStore, Killed
from tests.published import problems


def publish(catalog: Catalog, tmp_path: Path, rows: int = 3) -> Manifest:
    return published.publish(catalog, tmp_path, pa.table({"x": list(range(rows))}))


def part_of(catalog: Catalog, version: str) -> str:
    """Its key in the store."""
    manifest = catalog.manifest(version)
    (file,) = manifest.files
    return catalog.file_key(manifest, file)


def content(store: Store, key: str) -> bytes:
    found = store.get(key)
    assert found is not None
    return found


def overwrite(store: Store, key: str, content: bytes) -> None:
    store.delete([key])
    assert store.put_if_absent(key, content)


STORES = REAL_STORES


@pytest.fixture
def catalog(store: Store) -> Catalog:
    return Catalog(store, "data")


def test_versions_follow_each_other(catalog: Catalog, tmp_path: Path) -> None:
    assert catalog.latest() is None
    assert [publish(catalog, tmp_path, n).version for n in (1, 2)] == ["v0001", "v0002"]
    assert catalog.versions() == ["v0001", "v0002"]
    assert problems(catalog, "v0001") == []
    hint = content(catalog.store, "datasets/data/latest.json")
    assert json.loads(hint)["version"] == "v0002"


def test_a_staged_file_that_is_gone_is_named(catalog: Catalog) -> None:
    version = catalog.claim("c")
    with pytest.raises(VersionError, match=r"gone.parquet is gone, perhaps collected by `gc`"):
        catalog.add_file(version, f"{catalog.staging()}/gone.parquet", "sft/a.parquet")


def test_a_claim_is_no_version(catalog: Catalog, tmp_path: Path) -> None:
    assert catalog.claim("died here") == "v0001"
    assert catalog.versions() == []
    assert catalog.latest() is None
    assert publish(catalog, tmp_path).version == "v0002"


def test_a_claim_that_is_given_up_is_nothing(catalog: Catalog, tmp_path: Path) -> None:
    publish(catalog, tmp_path)
    version = catalog.claim("too late")
    catalog.store.put_if_absent(catalog.key(version, "sft/part.parquet"), b"1")
    catalog.withdraw(version)
    assert list(catalog.store.walk(f"datasets/data/versions/{version}")) == []
    assert catalog.versions() == ["v0001"]


def test_a_number_is_free_when_nothing_is_left_there(catalog: Catalog) -> None:
    """Else what a withdrawing publisher still deletes could be that of the next one."""
    moment = 0
    while True:
        moment += 1
        version = catalog.claim("too late")
        for name in ("README.md", "sft/part.parquet", "zzz"):
            catalog.store.put_if_absent(catalog.key(version, name), b"1")
        dying = DyingStore(catalog.store, moment)
        try:
            Catalog(dying, "data").withdraw(version)
        except Killed:
            left = [entry.key for entry in catalog.store.walk("datasets/data/versions")]
            assert not left or catalog.key(version, "_claim.json") in left
            Catalog(catalog.store, "data").withdraw(version)
            continue
        break
    assert moment > 2


def test_a_version_is_committed_once(catalog: Catalog, tmp_path: Path) -> None:
    manifest = publish(catalog, tmp_path)
    with pytest.raises(VersionError, match="already"):
        catalog.commit(manifest.model_copy(update={"prompts": 9}))
    catalog.commit(manifest)  # again, as after an answer that was lost


def test_the_hint_never_goes_back_and_is_never_needed(catalog: Catalog, tmp_path: Path) -> None:
    first = publish(catalog, tmp_path, 1)
    publish(catalog, tmp_path, 2)
    catalog.commit(first)
    key = "datasets/data/latest.json"
    assert json.loads(content(catalog.store, key))["version"] == "v0002"
    overwrite(catalog.store, key, b"{torn")
    latest = catalog.latest()
    assert latest is not None
    assert latest.version == "v0002"
    assert publish(catalog, tmp_path).version == "v0003"
    assert json.loads(content(catalog.store, key))["version"] == "v0003"


HINT = "datasets/data/latest.json"


def hint(catalog: Catalog) -> Any:
    return json.loads(content(catalog.store, HINT))


def test_the_hint_says_what_pollers_want(catalog: Catalog, tmp_path: Path) -> None:
    changes = {"since": None, "sft": {"added": 3, "dropped": 0, "changed": 0}}
    rows = pa.table({"x": [1, 2, 3]})
    manifest = published.publish(catalog, tmp_path, rows, changes=changes)
    told = hint(catalog)
    assert told == {
        "version": "v0001",
        "content_digest": manifest.content_digest,
        "created_at": manifest.provenance["created_at"],
        "manifest": "versions/v0001/manifest.json",
        "rows": {"sft": 3},
        "changes": changes,
    }
    named = Manifest.model_validate_json(
        content(catalog.store, f"{catalog.root}/{told['manifest']}")
    )
    assert named == catalog.manifest("v0001")


@pytest.mark.parametrize(
    "left", [b'{"version": "v0001"}', b'{"version": "v0002"}', b"{torn", b"[]", None]
)
def test_a_hint_that_is_behind_is_put_right(
    left: bytes | None, catalog: Catalog, tmp_path: Path
) -> None:
    """Also one of a release that wrote the version alone."""
    publish(catalog, tmp_path, 1)
    publish(catalog, tmp_path, 2)
    right = content(catalog.store, HINT)
    catalog.store.delete([HINT])
    if left is not None:
        catalog.store.put_if_absent(HINT, left)
    catalog.claim("dead")
    catalog.point_at_newest()
    assert content(catalog.store, HINT) == right


def test_a_publisher_killed_before_the_hint(catalog: Catalog, tmp_path: Path) -> None:
    publish(catalog, tmp_path, 1)
    dying = DyingStore(catalog.store, 3)  # before and after the manifest, before the hint
    manifest = published.written(catalog, tmp_path, {"sft": [pa.table({"x": [1, 2]})]})
    with pytest.raises(Killed):
        Catalog(dying, "data").commit(manifest)
    assert hint(catalog)["version"] == "v0001"
    catalog.point_at_newest()
    assert hint(catalog)["version"] == "v0002"


def test_a_hint_that_is_right_costs_two_reads(catalog: Catalog, tmp_path: Path) -> None:
    publish(catalog, tmp_path)
    asked: list[str] = []

    class Noting:
        def __getattr__(self, name: str) -> Any:
            asked.append(name)
            return getattr(catalog.store, name)

    store: Any = Noting()
    Catalog(store, "data").point_at_newest()
    assert sorted(asked) == ["folders", "get"]


def test_pointing_at_nothing(catalog: Catalog) -> None:
    catalog.point_at_newest()
    catalog.claim("dead")
    catalog.point_at_newest()
    assert catalog.store.get(HINT) is None


def test_pointing_never_goes_back(catalog: Catalog, tmp_path: Path) -> None:
    """Even where the version that it names is gone: its readers have seen that number."""
    publish(catalog, tmp_path)
    overwrite(catalog.store, HINT, b'{"version": "v0007"}')
    catalog.point_at_newest()
    assert hint(catalog) == {"version": "v0007"}


def test_a_number_that_is_committed_again_has_its_own_facts(
    catalog: Catalog, tmp_path: Path
) -> None:
    """As after a damaged newest version was taken out of the store."""
    first = publish(catalog, tmp_path)
    catalog.withdraw("v0001")
    catalog.commit(first.model_copy(update={"content_digest": "another"}))
    assert hint(catalog)["content_digest"] == "another"


def cut(store: Store, part: str) -> None:
    overwrite(store, part, content(store, part)[:-1])


def flip(store: Store, part: str) -> None:
    overwrite(store, part, content(store, part)[:-1] + b"!")


def remove(store: Store, part: str) -> None:
    store.delete([part])


def add(store: Store, part: str) -> None:
    store.put_if_absent(f"{part.rpartition('/')[0]}/more.parquet", b"")


@pytest.mark.parametrize(
    ("damage", "message"),
    [(flip, "sha256"), (cut, "bytes"), (remove, "missing"), (add, "not in the manifest")],
)
def test_every_damage_shows(
    damage: Callable[[Store, str], None], message: str, catalog: Catalog, tmp_path: Path
) -> None:
    version = publish(catalog, tmp_path).version
    damage(catalog.store, part_of(catalog, version))
    (problem,) = problems(catalog, version)
    assert message in problem


def test_every_single_byte_counts(catalog: Catalog, tmp_path: Path) -> None:
    version = publish(catalog, tmp_path).version
    part = part_of(catalog, version)
    whole = content(catalog.store, part)
    for position in range(0, len(whole), 131):
        flipped = bytearray(whole)
        flipped[position] ^= 1
        overwrite(catalog.store, part, bytes(flipped))
        assert problems(catalog, version), f"byte {position}"
    overwrite(catalog.store, part, whole)
    assert problems(catalog, version) == []


@pytest.mark.parametrize("damaged", [b"{", b"[]", b'{"format": 1}', b'{"format": 99}', b"\xff"])
def test_a_damaged_manifest_is_named(damaged: bytes, catalog: Catalog, tmp_path: Path) -> None:
    version = publish(catalog, tmp_path).version
    overwrite(catalog.store, catalog.key(version, "manifest.json"), damaged)
    with pytest.raises(VersionError, match=version):
        catalog.manifest(version)
    with pytest.raises(VersionError, match=version):
        catalog.latest()


def test_a_manifest_of_the_future_says_so(catalog: Catalog, tmp_path: Path) -> None:
    version = publish(catalog, tmp_path).version
    overwrite(catalog.store, catalog.key(version, "manifest.json"), b'{"format": 99, "new": []}')
    with pytest.raises(VersionError, match=r"the newer format 99, .* use a newer one") as caught:
        catalog.manifest(version)
    assert caught.value.exit_code == 1


def test_an_edited_manifest_shows(catalog: Catalog, tmp_path: Path) -> None:
    version = publish(catalog, tmp_path).version
    key = catalog.key(version, "manifest.json")
    whole = content(catalog.store, key)
    changes: list[dict[str, object]] = [
        {"rows": {"sft": 4}},
        {"funnel": {}},
        {"prompts": 9},
        {"provenance": {"x": 1}},
    ]
    for change in changes:
        overwrite(catalog.store, key, json.dumps(json.loads(whole) | change).encode())
        with pytest.raises(VersionError, match="changed after its commit"):
            problems(catalog, version)
    overwrite(catalog.store, key, whole)
    assert problems(catalog, version) == []


def test_an_edited_claim_shows(catalog: Catalog, tmp_path: Path) -> None:
    version = publish(catalog, tmp_path).version
    overwrite(catalog.store, catalog.key(version, "_claim.json"), b"{}")
    assert problems(catalog, version) == ["_claim.json: is not the claim of this content"]


def test_an_empty_manifest_is_no_version(catalog: Catalog, tmp_path: Path) -> None:
    """It takes a number that was claimed and given up, so that nobody commits to it."""
    publish(catalog, tmp_path)
    version = catalog.claim("slow")
    catalog.store.put_if_absent(catalog.key(version, "manifest.json"), b"")
    assert catalog.versions() == ["v0001"]
    with pytest.raises(VersionError, match=r"no version 'v0002'; committed: v0001"):
        catalog.manifest(version)


@pytest.mark.parametrize("version", ["v0007", "7", "../v0001", "", "v1/../../x"])
def test_unknown_versions_name_the_known(version: str, catalog: Catalog, tmp_path: Path) -> None:
    publish(catalog, tmp_path)
    with pytest.raises(VersionError, match="committed: v0001"):
        catalog.manifest(version)
