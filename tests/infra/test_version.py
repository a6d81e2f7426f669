"""What readers get of a version: exactly what its manifest names."""

from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from infra.catalog import Catalog
from infra.folder_store import FolderStore
from infra.store import Store
from infra.version import open_version
from schemas.errors import VersionError
from tests.published import publish, two_versions


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return two_versions(tmp_path).root


def test_rows_come_in_the_order_of_the_parts(folder: Path) -> None:
    version = open_version("data@latest", folder)
    assert version.name == "data@v0002"
    assert version.scan().collect()["x"].to_list() == [1, 2, 3]
    assert version.arrow()["x"].to_pylist() == [1, 2, 3]
    assert version.pandas()["x"].tolist() == [1, 2, 3]
    assert version.manifest.rows == {"sft": 3}
    assert open_version("data", folder).name == "data@v0002"
    assert open_version("data@v0001", folder).scan().collect().height == 1


def test_what_is_not_in_the_manifest_is_not_read(folder: Path) -> None:
    version = open_version("data", folder)
    first, _ = map(Path, version.files())
    (first.parent / "train-00002-of-00003-ffffffff.parquet").write_bytes(first.read_bytes())
    claimed = folder / "datasets" / "data" / "versions" / "v0003"
    (claimed / "sft").mkdir(parents=True)
    assert open_version("data", folder).scan().collect().height == 3


def test_a_name_with_signs_is_no_pattern(tmp_path: Path) -> None:
    folder = FolderStore(tmp_path / "st[o]re*")
    folder.create()
    publish(Catalog(folder, "data"), tmp_path, pa.table({"x": [7]}))
    assert open_version("data", folder.root).scan().collect()["x"].to_list() == [7]


def test_a_damaged_file_is_named(folder: Path) -> None:
    version = open_version("data", folder)
    first, second = map(Path, version.files())
    first.write_bytes(first.read_bytes()[:-4])
    with pytest.raises(VersionError, match=r"bytes, not .*stillhouse verify data@v0002"):
        version.scan()
    first.unlink()
    with pytest.raises(VersionError, match=f"{first.name} is missing"):
        version.arrow()
    assert second.is_file()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("data@v0009", r"has no version 'v0009'; committed: v0001, v0002"),
        ("other", "other has no published version"),
        ("data@", None),
    ],
)
def test_what_is_not_there_is_said(folder: Path, name: str, message: str | None) -> None:
    if message is None:
        assert open_version(name, folder).name == "data@v0002"
        return
    with pytest.raises(VersionError, match=message):
        open_version(name, folder)
    with pytest.raises(VersionError, match="no output 'rl'; it has sft"):
        open_version("data", folder).scan("rl")


def test_readers_of_every_store(store: Store, tmp_path: Path) -> None:
    catalog = Catalog(store, "data")
    publish(catalog, tmp_path, pa.table({"x": [1, 2]}), pa.table({"x": [3]}))
    version = open_version("data@latest", store.url)
    assert version.scan().filter(pl.col("x") > 1).collect()["x"].to_list() == [2, 3]
    assert version.arrow()["x"].to_pylist() == version.pandas()["x"].tolist() == [1, 2, 3]
    assert version.location == f"{store.url}/datasets/data/versions/v0001"
    first, second = version.manifest.files
    store.delete([catalog.file_key(version.manifest, second)])
    with pytest.raises(VersionError, match=r"/datasets/data/versions/v0001/sft/.* is missing"):
        version.scan()
    with pytest.raises(VersionError, match="nothing has no published version in"):
        open_version("nothing", store.url)
    assert first.rows == 2
