"""An older version's content is the newest version again, and everything reads it."""

import json
from pathlib import Path
from typing import Any

import pytest
from datasets import load_dataset

from infra.catalog import Catalog
from infra.store import Store
from infra.version import open_version
from jobs.cli import main
from jobs.diff import diff
from jobs.pull import pull
from jobs.rollback import rollback
from jobs.verify import verify
from schemas.errors import RecipeError, VersionError
from tests.conftest import REAL_STORES
from tests.published import problems, publish_two

STORES = REAL_STORES


@pytest.fixture
def catalog(store: Store, tmp_path: Path) -> Catalog:
    return publish_two(store, tmp_path)


def everything(catalog: Catalog) -> dict[str, bytes | None]:
    return {entry.key: catalog.store.get(entry.key) for entry in catalog.store.walk("datasets")}


def data_files(catalog: Catalog, version: str) -> list[str]:
    below = catalog.store.walk(f"{catalog.root}/versions/{version}/sft")
    return [entry.key for entry in below]


def test_an_older_content_is_the_newest_version(catalog: Catalog, tmp_path: Path) -> None:
    url = catalog.store.url
    text, told = rollback(url, "data@v0001")
    assert (told["status"], told["version"], told["brings_back"]) == (
        "published",
        "v0003",
        "v0001",
    )
    assert "data@v0003, which brings back data@v0001" in text
    version = open_version("data", url)
    assert version.name == "data@v0003"
    assert version.scan().collect()["x"].to_list() == [1]
    assert version.arrow()["x"].to_pylist() == [1]
    assert version.manifest.provenance["brings_back"] == "v0001"
    assert version.manifest.provenance["created_at"] > "2026-01-01"
    assert data_files(catalog, "v0003") == [], "no data is copied"
    assert problems(catalog, "v0003") == []
    _, compared = diff(url, "data@v0001", "data@v0003")
    assert compared["same_content"]
    assert compared["rows"]["changed"] == 0
    pull(url, "data", str(tmp_path / "copy"))
    rows = load_dataset(str(tmp_path / "copy"), split="train", cache_dir=str(tmp_path / "cache"))
    assert rows["x"][:] == [1]


def test_what_is_brought_back_can_be_brought_back_again(catalog: Catalog) -> None:
    url = catalog.store.url
    rollback(url, "data@v0001")
    rollback(url, "data@v0002")
    rollback(url, "data@v0003")
    newest = open_version("data", url)
    assert newest.name == "data@v0005"
    assert {file.version for file in newest.manifest.files} == {"v0001", None}
    assert newest.scan().collect()["x"].to_list() == [1]
    assert [problems(catalog, version) for version in catalog.versions()] == [[]] * 5


@pytest.mark.parametrize("times", [0, 1])
def test_what_is_there_already_writes_nothing(catalog: Catalog, times: int) -> None:
    url = catalog.store.url
    for _ in range(times):
        rollback(url, "data@v0001")
    before = everything(catalog)
    text, told = rollback(url, "data@v0001" if times else "data@v0002")
    assert told["status"] == "unchanged"
    assert "already has the content" in text
    assert everything(catalog) == before


@pytest.mark.parametrize("damage", ["cut", "missing"])
def test_a_damaged_version_is_not_brought_back(catalog: Catalog, damage: str) -> None:
    (key,) = data_files(catalog, "v0001")
    whole = catalog.store.get(key) or b""
    catalog.store.delete([key])
    if damage == "cut":
        catalog.store.put_if_absent(key, whole[:-1])
    before = everything(catalog)
    with pytest.raises(VersionError, match="is missing" if damage == "missing" else "bytes, not"):
        rollback(catalog.store.url, "data@v0001")
    assert everything(catalog) == before


def test_a_version_must_be_named(catalog: Catalog) -> None:
    for name in ("data", "data@latest"):
        with pytest.raises(RecipeError, match=r"such as data@v0001"):
            rollback(catalog.store.url, name)
    with pytest.raises(VersionError, match=r"no version 'v0009'; committed: v0001, v0002"):
        rollback(catalog.store.url, "data@v0009")


def test_its_damages_show(catalog: Catalog) -> None:
    url = catalog.store.url
    rollback(url, "data@v0001")
    (key,) = data_files(catalog, "v0001")
    path = key.partition("/v0001/")[2]
    catalog.store.put_if_absent(catalog.key("v0003", path), b"not its own")
    assert problems(catalog, "v0003") == [f"{path}: is not in the manifest"]
    catalog.store.delete([key])
    assert f"{path}: is missing" in problems(catalog, "v0003")
    with pytest.raises(VersionError, match=r"v0001.* is missing"):
        open_version("data", url).scan()
    assert verify(url, "data@v0003")[2] == 1


def test_its_card_says_how_to_load_it(catalog: Catalog, tmp_path: Path) -> None:
    rollback(catalog.store.url, "data@v0001")
    card = (catalog.store.get(catalog.key("v0003", "README.md")) or b"").decode()
    assert "stillhouse pull data@v0003 data/data" in card
    assert 'load_dataset("data/data"' in card
    if not catalog.store.url.startswith("s3:"):
        folder = open_version("data", catalog.store.url).location
        with pytest.raises(FileNotFoundError, match="sft/train"):
            load_dataset(folder, split="train", cache_dir=str(tmp_path / "cache"))


def test_by_the_command_line(catalog: Catalog, capsys: pytest.CaptureFixture[str]) -> None:
    store = ["--store", catalog.store.url]
    assert main(["rollback", "data", *store]) == 2
    assert main(["rollback", "data@v0007", *store]) == 1
    assert main(["rollback", "data@v0001", *store, "--json"]) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (told["status"], told["version"]) == ("published", "v0003")
    assert main(["rollback", "data@v0001", *store]) == 0
    assert "unchanged" in capsys.readouterr().out
    assert main(["versions", "data", *store]) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith("v0001")
    assert main(["show", "data", *store]) == 0
    shown = capsys.readouterr().out
    assert "brings back data@v0001" in shown
    assert "(of v0001)" in shown
    assert main(["verify", "data", *store]) == 0


def test_the_datasets_of_a_store(catalog: Catalog, capsys: pytest.CaptureFixture[str]) -> None:
    store = ["--store", catalog.store.url]
    catalog.store.put_if_absent("datasets/begun/versions/v0001/_claim.json", b"{}")
    assert main(["versions", *store, "--json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)["datasets"]
    assert (one["name"], one["version"], one["versions"]) == ("data", "v0002", 2)
    assert one["rows"] == {"sft": 3}
    assert one["bytes"] == sum(file.bytes for file in catalog.manifest("v0002").files)
    assert main(["versions", *store]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[:3] == ["data", "v0002", "3"]
    assert main(["versions", "--store", f"{catalog.store.url}/empty"]) == 0
    assert "nothing is published" in capsys.readouterr().out
