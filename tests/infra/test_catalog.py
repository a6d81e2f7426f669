"""A version is whole or not there, and every damage shows."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from infra.catalog import Catalog
from infra.folder_store import FolderStore
from schemas.errors import VersionError
from schemas.manifest import Manifest
from tests import published
from tests.published import folder_of, problems


def publish(catalog: Catalog, tmp_path: Path, rows: int = 3) -> Manifest:
    return published.publish(catalog, tmp_path, pa.table({"x": list(range(rows))}))


def part_of(catalog: Catalog, version: str) -> Path:
    (file,) = catalog.manifest(version).files
    return folder_of(catalog, version) / file.path


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    store = FolderStore(tmp_path / "store")
    store.create()
    return Catalog(store, "data")


def test_versions_follow_each_other(catalog: Catalog, tmp_path: Path) -> None:
    assert catalog.latest() is None
    assert [publish(catalog, tmp_path, n).version for n in (1, 2)] == ["v0001", "v0002"]
    assert catalog.versions() == ["v0001", "v0002"]
    assert problems(catalog, "v0001") == []
    latest = FolderStore(tmp_path / "store").get("datasets/data/latest.json")
    assert json.loads(latest or b"")["version"] == "v0002"


def test_a_claim_is_no_version(catalog: Catalog, tmp_path: Path) -> None:
    assert catalog.claim("died here") == "v0001"
    assert catalog.versions() == []
    assert catalog.latest() is None
    assert publish(catalog, tmp_path).version == "v0002"


def test_a_version_is_committed_once(catalog: Catalog, tmp_path: Path) -> None:
    manifest = publish(catalog, tmp_path)
    with pytest.raises(VersionError, match="already"):
        catalog.commit(manifest.model_copy(update={"prompts": 9}))
    catalog.commit(manifest)  # again, as after an answer that was lost


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda part: part.write_bytes(part.read_bytes()[:-1] + b"!"), "sha256"),
        (lambda part: part.write_bytes(part.read_bytes() + b"!"), "bytes"),
        (lambda part: part.unlink(), "missing"),
        (lambda part: (part.parent / "more.parquet").write_bytes(b""), "not in the manifest"),
    ],
)
def test_every_damage_shows(damage: object, message: str, catalog: Catalog, tmp_path: Path) -> None:
    version = publish(catalog, tmp_path).version
    damage(part_of(catalog, version))  # type: ignore[operator]
    (problem,) = problems(catalog, version)
    assert message in problem


def test_every_single_byte_counts(catalog: Catalog, tmp_path: Path) -> None:
    version = publish(catalog, tmp_path).version
    part = part_of(catalog, version)
    whole = part.read_bytes()
    for position in range(0, len(whole), 37):
        flipped = bytearray(whole)
        flipped[position] ^= 1
        part.write_bytes(flipped)
        assert problems(catalog, version), f"byte {position}"
    part.write_bytes(whole)
    assert problems(catalog, version) == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"format": 1}', b'{"format": 99}'])
def test_a_damaged_manifest_is_named(content: bytes, catalog: Catalog, tmp_path: Path) -> None:
    version = publish(catalog, tmp_path).version
    (folder_of(catalog, version) / "manifest.json").write_bytes(content)
    with pytest.raises(VersionError, match=version):
        catalog.manifest(version)


def test_an_edited_manifest_shows(catalog: Catalog, tmp_path: Path) -> None:
    version = publish(catalog, tmp_path).version
    path = folder_of(catalog, version) / "manifest.json"
    changes: list[dict[str, object]] = [
        {"rows": {"sft": 4}},
        {"funnel": {}},
        {"prompts": 9},
        {"provenance": {"x": 1}},
    ]
    for change in changes:
        whole = path.read_text()
        path.write_text(json.dumps(json.loads(whole) | change))
        with pytest.raises(VersionError, match="changed after its commit"):
            problems(catalog, version)
        path.write_text(whole)
    assert problems(catalog, version) == []


def test_an_edited_claim_shows(catalog: Catalog, tmp_path: Path) -> None:
    version = publish(catalog, tmp_path).version
    (folder_of(catalog, version) / "_claim.json").write_text("{}")
    assert problems(catalog, version) == ["_claim.json: is not the claim of this content"]


def test_unknown_versions_name_the_known(catalog: Catalog, tmp_path: Path) -> None:
    publish(catalog, tmp_path)
    with pytest.raises(VersionError, match=r"v0007.*committed: v0001"):
        catalog.manifest("v0007")
