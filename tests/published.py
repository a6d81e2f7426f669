"""Versions for tests, published without a run."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from infra.catalog import Catalog
from infra.checksum import file_sha256
from infra.folder_store import FolderStore
from infra.store import Store
from infra.version import Version
from jobs.verify import problems_of
from schemas.manifest import Cut, File, Manifest, content_digest
from schemas.outputs import SFT
from schemas.recipe import Recipe

MADE_UP = {
    "sample_index": 0,
    "domain": "math",
    "prompt": "q",
    "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}],
    "response": "a",
    "generator": "m",
    "teacher_id": "t",
    "text_digest": "x",
}


def two_versions(tmp_path: Path) -> FolderStore:
    """A store with two versions of `data`, the second of two parts."""
    store = FolderStore(tmp_path / "store")
    store.create()
    publish_two(store, tmp_path)
    return store


def publish_two(store: Store, tmp_path: Path) -> Catalog:
    """The same in a store that is there."""
    catalog = Catalog(store, "data")
    publish(catalog, tmp_path, pa.table({"x": [1]}))
    publish(catalog, tmp_path, pa.table({"x": [1, 2]}), pa.table({"x": [3]}))
    return catalog


def recipe_of(name: str, **fields: Any) -> dict[str, Any]:
    """A resolved recipe, as a manifest has it."""
    given = {
        "name": name,
        "store": "store",
        "prompts": [{"path": "p.jsonl"}],
        "teacher": {"model": "m/m"},
    }
    return Recipe.model_validate({**given, **fields}).model_dump(mode="json")


def publish(catalog: Catalog, tmp_path: Path, *parts: pa.Table, **facts: Any) -> Manifest:
    """The next version, with these parts of `sft`; `facts` are fields of its manifest. Columns of
    the output that a part does not have are made up."""
    return publish_as_is(catalog, tmp_path, *completed(parts), **facts)


def publish_as_is(catalog: Catalog, tmp_path: Path, *parts: pa.Table, **facts: Any) -> Manifest:
    """The same with nothing made up."""
    return publish_outputs(catalog, tmp_path, {"sft": parts}, **facts)


def publish_outputs(
    catalog: Catalog, tmp_path: Path, outputs: Mapping[str, Sequence[pa.Table]], **facts: Any
) -> Manifest:
    """The next version, with these parts of its outputs, as they are."""
    manifest = written(catalog, tmp_path, outputs, **facts)
    catalog.commit(manifest)
    return manifest


def written(
    catalog: Catalog, tmp_path: Path, outputs: Mapping[str, Sequence[pa.Table]], **facts: Any
) -> Manifest:
    """The same, not committed yet: all but the card and the manifest lies there."""
    files, staged = [], {}
    for output, parts in outputs.items():
        for number, part in enumerate(parts):
            path = tmp_path / f"{output}-{number:05d}.parquet"
            pq.write_table(part, path)
            digest = file_sha256(path)
            name = f"{output}/train-{number:05d}-of-{len(parts):05d}-{digest[:8]}.parquet"
            size = path.stat().st_size
            files.append(File(path=name, bytes=size, sha256=digest, rows=part.num_rows))
            staged[name] = path
    staging = catalog.staging()
    version = catalog.claim(content_digest(tuple(files)))
    for name, path in staged.items():
        with catalog.store.new_file(f"{staging}/{path.name}") as target:
            shutil.copy(path, target)
        catalog.add_file(version, f"{staging}/{path.name}", name)
    rows = {output: sum(part.num_rows for part in parts) for output, parts in outputs.items()}
    first = next(iter(outputs.values()))
    prompts = {name for part in first if "prompt_id" in part.column_names for name in _ids(part)}
    given: dict[str, Any] = {
        "name": catalog.name,
        "version": version,
        "content_digest": content_digest(tuple(files)),
        "files": tuple(files),
        "rows": rows,
        "prompts": len(prompts),
        "funnel": {"published": rows.get("sft", 0)},
        "cut": Cut(tables={}, prompts="l", recipe="e", code="c"),
        "recipe": recipe_of(catalog.name),
        "teacher": {"id": "t", "name": "m"},
        "scorers": {},
        "unsettled": 0,
        "provenance": {"created_at": "2026-01-01", "attempts": []},
    }
    return Manifest(**{**given, **facts})


def _ids(part: pa.Table) -> list[str]:
    ids: list[str] = part["prompt_id"].to_pylist()
    return ids


def completed(parts: Sequence[pa.Table]) -> list[pa.Table]:
    """Tables with all columns of `sft`, as far as need be made up; their others stand behind."""
    tables, start = [], 0
    for part in parts:
        numbers = range(start, start + part.num_rows)
        made_up = {
            "id": [f"y{number:06d}" for number in numbers],
            "prompt_id": [f"p{number:06d}" for number in numbers],
        }
        columns = {}
        for field in SFT:
            if field.name in part.column_names:
                columns[field.name] = part[field.name].cast(field.type)
            else:
                values = made_up.get(field.name, [MADE_UP.get(field.name)] * part.num_rows)
                columns[field.name] = pa.array(values, field.type)
        more = {name: part[name] for name in part.column_names if name not in columns}
        tables.append(pa.table({**columns, **more}))
        start += part.num_rows
    return tables


def folder_of(catalog: Catalog, version: str) -> Path:
    """Where a version's files lie, in a store that is a folder."""
    return Path(catalog.uri(version, "manifest.json")).parent


def problems(catalog: Catalog, version: str) -> list[str]:
    """What `verify` finds."""
    return list(problems_of(Version(catalog.manifest(version), catalog)))
