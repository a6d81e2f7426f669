"""Verify: every byte, row and key of a version against its manifest, and scores if asked."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from infra.catalog import CLAIM, claimant
from infra.checksum import sha256
from infra.store import open_uri
from infra.version import Version, open_version
from jobs.progress import ProgressDisplay
from jobs.rescore import rescore
from jobs.verify_changes import problems_of_changes
from jobs.verify_rows import Show, problems_of_rows
from schemas.errors import RecipeError
from schemas.manifest import File, Manifest, content_digest


def verify(store: str, dataset: str, share: float | None = None) -> tuple[str, dict[str, Any], int]:
    """Whether a version is what its manifest says; exit code 1 if not. With a `share`, so many of
    its rows are scored again. RecipeError for what is no share."""
    if share is not None and not 0 < share <= 1:
        raise RecipeError(f"--rescore {share}: must be a share of the rows, such as 0.05")
    version = open_version(dataset, store)
    remarks: list[str] = []
    data: dict[str, Any] = {"version": version.name}
    with ProgressDisplay() as display:
        problems = list(problems_of(version, display.show, remarks.append))
        if share is not None and not problems:
            rescored = rescore(version, share, display.show)
            problems = list(rescored.problems())
            data["rescored"] = rescored.to_json()
            remarks += [f"{rescored.rows:,} rows were scored again", *rescored.remarks()]
        elif share is not None:
            remarks.append("no row was scored again")
    manifest = version.manifest
    head = f"{version.name} is sound: {len(manifest.files)} files, {manifest.content_digest}"
    if problems:
        head = f"{version.name} is damaged:"
    text = "\n".join([head, *(f"  {line}" for line in (*problems, *remarks))])
    return text, {**data, "sound": not problems, "problems": problems}, int(bool(problems))


def problems_of(
    version: Version, show: Show = lambda _: None, remark: Show = lambda _: None
) -> Iterator[str]:
    """Everything about a version that is not what its manifest says. Its rows are looked at where
    its files are sound. What cannot be asked is remarked."""
    manifest = version.manifest
    damaged = False
    for number, file in enumerate(manifest.files, 1):
        for problem in _check(version, file):
            damaged = True
            yield problem
        show(f"{number:,} of {len(manifest.files):,} files")
    if not damaged:
        yield from problems_of_rows(version, show)
        yield from problems_of_changes(version, show, remark)
    yield from _manifest_problems(manifest)
    yield from _folder_problems(version)


def _manifest_problems(manifest: Manifest) -> Iterator[str]:
    if content_digest(manifest.files) != manifest.content_digest:
        yield "manifest.json: content_digest does not match its files"
    rows: Counter[str] = Counter()
    for file in manifest.files:
        if file.rows is not None:
            rows[file.path.partition("/")[0]] += file.rows
    for output in sorted(rows.keys() | manifest.rows.keys()):
        said = manifest.rows.get(output, 0)
        if said != rows[output]:
            yield f"manifest.json: has {said:,} rows of {output}, its files {rows[output]:,}"


def _folder_problems(version: Version) -> Iterator[str]:
    """Of what lies beside the files."""
    manifest, catalog = version.manifest, version.catalog
    claim = catalog.store.get(catalog.key(manifest.version, CLAIM))
    if claimant(claim) != manifest.content_digest:
        yield f"{CLAIM}: is not the claim of this content"
    own = [file for file in manifest.files if file.version is None]
    for path in catalog.foreign_files(manifest.version, own):
        yield f"{path}: is not in the manifest"


def _check(version: Version, file: File) -> Iterator[str]:
    size = version.catalog.store.size(version.catalog.file_key(version.manifest, file))
    if size is None:
        yield f"{file.path}: is missing"
    elif size != file.bytes:
        yield f"{file.path}: has {size} bytes, not {file.bytes}"
    else:
        yield from _check_content(version.uri(file), file)


def _check_content(uri: str, file: File) -> Iterator[str]:
    with open_uri(uri) as source:
        if (found := sha256(source)) != file.sha256:
            yield f"{file.path}: sha256 is {found}, not {file.sha256}"
        elif file.rows is not None:
            yield from _check_rows(source, file)


def _check_rows(source: Any, file: File) -> Iterator[str]:
    try:
        rows = pq.ParquetFile(source).metadata.num_rows
    except pa.ArrowInvalid as error:
        yield f"{file.path}: is no Parquet file: {error}"
        return
    if rows != file.rows:
        yield f"{file.path}: has {rows} rows, not {file.rows}"
