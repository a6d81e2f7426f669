"""What a manifest's seal covers."""

from typing import Any

import pytest
from pydantic import ValidationError

from schemas.identity import identity
from schemas.manifest import ADDED, Cut, File, Manifest


def make_manifest(*files: File) -> Manifest:
    return Manifest(
        name="data",
        version="v0001",
        content_digest="c",
        files=files,
        rows={"sft": 1},
        prompts=1,
        funnel={"published": 1},
        cut=Cut(tables={}, prompts="l", recipe="e", code="c"),
        recipe={},
        teacher={},
        scorers={},
        unsettled=0,
        provenance={},
    )


def test_manifests_of_before_stay_intact() -> None:
    """A field that was added later is no part of the digest where it says nothing."""
    manifest = make_manifest(File(path="a", bytes=1, sha256="s", rows=1))
    then = manifest.model_dump(mode="json", exclude={"digest", *ADDED})
    for file in then["files"]:
        del file["version"]
    assert manifest.sealed().digest == identity("m", then)
    assert set(then) == {
        *("format", "name", "version", "content_digest", "files", "rows", "prompts", "funnel"),
        *("cut", "recipe", "teacher", "scorers", "unsettled", "provenance"),
    }


@pytest.mark.parametrize("name", ADDED)
def test_a_field_that_says_something_is_covered(name: str) -> None:
    said: dict[str, Any] = {
        "kept": 3,
        "target": "missed",
        "prompts_left_out": {"new": 1},
        "mix": {"hard": {"rows": 1}},
        "splits": {"test": {"prompts": 1}},
        "survivorship": {"source": {"x": {"prompts": 1}}},
        "changes": {"since": None, "sft": {"added": 1, "dropped": 0, "changed": 0}},
    }
    manifest = make_manifest().model_copy(update={name: said[name]}).sealed()
    assert manifest.digest != make_manifest().sealed().digest
    assert Manifest.model_validate_json(manifest.model_dump_json()).intact


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../x", "sft/../../x", "sft//x", "", "sft/", ".", "./x", "a\\b", "a\nb"]
)
def test_files_lie_in_the_folder(path: str) -> None:
    with pytest.raises(ValidationError):
        File(path=path, bytes=1, sha256="s")
    with pytest.raises(ValidationError):
        File(path="a", bytes=1, sha256="s", version=path)


def test_where_a_file_lies_is_covered() -> None:
    here, there = (
        make_manifest(File(path="a", bytes=1, sha256="s", version=version)).sealed()
        for version in (None, "v0001")
    )
    assert here.digest != there.digest
    assert there.intact
    assert not there.model_copy(update={"files": here.files}).intact
