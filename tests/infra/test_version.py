"""What readers get of a version: exactly what its manifest names."""

from pathlib import Path

import pyarrow as pa
import pytest

from infra.catalog import Catalog
from infra.folder_store import FolderStore
from infra.version import open_version
from schemas.errors import VersionError
from tests.published import publish, two_versions


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return two_versions(tmp_path).root


def test_rows_come_in_the_order_of_the_parts(store: Path) -> None:
    version = open_version("data@latest", store)
    assert version.name == "data@v0002"
    assert version.scan().collect()["x"].to_list() == [1, 2, 3]
    assert version.arrow()["x"].to_pylist() == [1, 2, 3]
    assert version.pandas()["x"].tolist() == [1, 2, 3]
    assert version.manifest.rows == {"sft": 3}
    assert open_version("data", store).name == "data@v0002"
    assert open_version("data@v0001", store).scan().collect().height == 1


def test_what_is_not_in_the_manifest_is_not_read(store: Path) -> None:
    version = open_version("data", store)
    first, _ = map(Path, version.files())
    (first.parent / "train-00002-of-00003-ffffffff.parquet").write_bytes(first.read_bytes())
    claimed = store / "datasets" / "data" / "versions" / "v0003"
    (claimed / "sft").mkdir(parents=True)
    assert open_version("data", store).scan().collect().height == 3


def test_a_name_with_signs_is_no_pattern(tmp_path: Path) -> None:
    folder = FolderStore(tmp_path / "st[o]re*")
    folder.create()
    publish(Catalog(folder, "data"), tmp_path, pa.table({"x": [7]}))
    assert open_version("data", folder.root).scan().collect()["x"].to_list() == [7]


def test_a_damaged_file_is_named(store: Path) -> None:
    version = open_version("data", store)
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
def test_what_is_not_there_is_said(store: Path, name: str, message: str | None) -> None:
    if message is None:
        assert open_version(name, store).name == "data@v0002"
        return
    with pytest.raises(VersionError, match=message):
        open_version(name, store)
    with pytest.raises(VersionError, match="no output 'rl'; it has sft"):
        open_version("data", store).scan("rl")
