"""Verify: every byte, row and key of a version against its manifest."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from infra.catalog import CLAIM, claimant
from infra.checksum import sha256
from infra.store import open_uri
from infra.version import Version, open_version
from schemas.manifest import File, content_digest


def verify(store: str, dataset: str) -> tuple[str, dict[str, Any], int]:
    """Whether a version is what its manifest says; exit code 1 if not."""
    version = open_version(dataset, store)
    problems = list(problems_of(version))
    text = "\n".join([f"{version.name} is damaged:", *(f"  {p}" for p in problems)])
    if not problems:
        manifest = version.manifest
        text = f"{version.name} is sound: {len(manifest.files)} files, {manifest.content_digest}"
    data = {"version": version.name, "sound": not problems, "problems": problems}
    return text, data, int(bool(problems))


def problems_of(version: Version) -> Iterator[str]:
    """Everything about a version that is not what its manifest says."""
    manifest, catalog = version.manifest, version.catalog
    for file in manifest.files:
        yield from _check(version, file)
    if content_digest(manifest.files) != manifest.content_digest:
        yield "manifest.json: content_digest does not match its files"
    if sum(manifest.rows.values()) != sum(f.rows or 0 for f in manifest.files):
        yield "manifest.json: rows do not add up to those of its files"
    claim = catalog.store.get(catalog.key(manifest.version, CLAIM))
    if claimant(claim) != manifest.content_digest:
        yield f"{CLAIM}: is not the claim of this content"
    for path in catalog.foreign_files(manifest.version, manifest.files):
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
