"""Versions for tests, published without a run."""

import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from infra.catalog import Catalog
from infra.checksum import file_sha256
from infra.folder_store import FolderStore
from infra.version import Version
from jobs.verify import problems_of
from schemas.manifest import Cut, File, Manifest, content_digest


def two_versions(tmp_path: Path) -> FolderStore:
    """A store with two versions of `data`, the second of two parts."""
    store = FolderStore(tmp_path / "store")
    store.create()
    catalog = Catalog(store, "data")
    publish(catalog, tmp_path, pa.table({"x": [1]}))
    publish(catalog, tmp_path, pa.table({"x": [1, 2]}), pa.table({"x": [3]}))
    return store


def publish(catalog: Catalog, tmp_path: Path, *parts: pa.Table, **facts: Any) -> Manifest:
    """The next version, with these parts of `sft`; `facts` are fields of its manifest."""
    files, staged = [], {}
    for number, part in enumerate(parts):
        path = tmp_path / f"staged-{number}.parquet"
        pq.write_table(part, path)
        digest = file_sha256(path)
        name = f"sft/train-{number:05d}-of-{len(parts):05d}-{digest[:8]}.parquet"
        size = path.stat().st_size
        files.append(File(path=name, bytes=size, sha256=digest, rows=part.num_rows))
        staged[name] = path
    staging = catalog.staging()
    version = catalog.claim(content_digest(tuple(files)))
    for name, path in staged.items():
        with catalog.store.new_file(f"{staging}/{path.name}") as target:
            shutil.copy(path, target)
        catalog.add_file(version, f"{staging}/{path.name}", name)
    rows = sum(part.num_rows for part in parts)
    given: dict[str, Any] = {
        "name": catalog.name,
        "version": version,
        "content_digest": content_digest(tuple(files)),
        "files": tuple(files),
        "rows": {"sft": rows},
        "prompts": 1,
        "funnel": {"published": rows},
        "cut": Cut(tables={}, prompts="l", recipe="e", code="c"),
        "recipe": {},
        "teacher": {"id": "t", "name": "m"},
        "scorers": {},
        "unsettled": 0,
        "provenance": {"created_at": "2026-01-01", "attempts": []},
    }
    manifest = Manifest(**{**given, **facts})
    catalog.commit(manifest)
    return manifest


def folder_of(catalog: Catalog, version: str) -> Path:
    """Where a version's files lie, in a store that is a folder."""
    return Path(catalog.uri(version, "manifest.json")).parent


def problems(catalog: Catalog, version: str) -> list[str]:
    """What `verify` finds."""
    return list(problems_of(Version(catalog.manifest(version), catalog)))
