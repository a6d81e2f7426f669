"""A version that is pulled is whole, or not there."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from infra.version import open_version
from jobs.cli import main
from jobs.pull import pull
from schemas.errors import VersionError
from tests.published import two_versions


@pytest.fixture
def store(tmp_path: Path) -> str:
    return str(two_versions(tmp_path).root)


def content(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_it_has_what_the_version_has(store: str, tmp_path: Path) -> None:
    target = tmp_path / "deep" / "copy"
    text, told = pull(store, "data@v0002", str(target))
    assert told["status"] == "pulled"
    assert str(target) in text
    there = content(Path(open_version("data", store).location))
    del there["_claim.json"]
    assert content(target) == there
    assert pq.read_table(target / "sft").num_rows == 3
    assert pull(store, "data@v0002", str(target))[1]["status"] == "unchanged"
    assert [path.name for path in target.parent.iterdir()] == ["copy"]


def test_a_folder_that_is_empty_is_taken(store: str, tmp_path: Path) -> None:
    target = tmp_path / "copy"
    target.mkdir()
    pull(store, "data", str(target))
    assert (target / "manifest.json").is_file()


def test_what_is_in_the_way_stays(store: str, tmp_path: Path) -> None:
    target = tmp_path / "copy"
    target.write_text("mine")
    with pytest.raises(VersionError, match="is not empty"):
        pull(store, "data", str(target))
    assert target.read_text() == "mine"
    target.unlink()
    target.mkdir()
    (target / "notes.txt").write_text("mine")
    with pytest.raises(VersionError, match="is not empty"):
        pull(store, "data", str(target))
    other = tmp_path / "other"
    pull(store, "data@v0001", str(other))
    with pytest.raises(VersionError, match=r"holds another version; .* data@v0002"):
        pull(store, "data", str(other))
    (other / "sft").rename(other / "gone")
    with pytest.raises(VersionError, match="changed or removed since it was pulled"):
        pull(store, "data@v0001", str(other))


@pytest.mark.parametrize("damage", ["flip", "remove"])
def test_a_damaged_version_is_not_pulled(store: str, tmp_path: Path, damage: str) -> None:
    path = Path(open_version("data", store).files()[1])
    if damage == "flip":
        path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])
    else:
        path.unlink()
    with pytest.raises(VersionError, match=path.name):
        pull(store, "data", str(tmp_path / "copy"))
    left = {path.name for path in tmp_path.iterdir()}
    assert not any("copy" in name for name in left), "nothing of it is left"


def test_by_the_command_line(
    store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["pull", "data", str(tmp_path / "copy"), "--store", store]
    assert main([*arguments, "--json"]) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (told["version"], told["status"], told["files"]) == ("data@v0002", "pulled", 2)
    assert main(arguments) == 0
    assert main(["pull", "nothing", str(tmp_path / "x"), "--store", store]) == 1
