"""Listing: the datasets of a store, the versions of one, and one of them in full."""

from collections.abc import Mapping
from typing import Any

from infra.catalog import Catalog
from infra.store import open_store
from infra.version import open_version
from jobs.changes import short_text_of_changes, text_of_changes
from jobs.publish import manifest_json
from jobs.tell import Told, funnel_text, table
from schemas.manifest import Manifest

KEPT = ("version", "rows", "prompts", "content_digest", "changes", "provenance")


def datasets(store: str) -> Told:
    """All datasets of a store that have a published version, with the newest."""
    place = open_store(store)
    catalogs = [Catalog(place, name) for name in place.folders("datasets")]
    found = [
        {**_brief(catalog.manifest(versions[-1])), "name": catalog.name, "versions": len(versions)}
        for catalog in catalogs
        if (versions := catalog.versions())
    ]
    if not found:
        return f"nothing is published in {place.url}", {"datasets": []}
    rows = [
        (
            one["name"],
            one["version"],
            _rows(one["rows"]),
            f"{one['bytes']:,}",
            f"{one['versions']:,}",
        )
        for one in found
    ]
    text = table(rows, ("dataset", "newest", "rows", "bytes", "versions"), words=2)
    return text, {"datasets": found}


def _rows(rows: Mapping[str, int]) -> str:
    """Of each output, whose rows are not of one kind."""
    if [*rows] == ["sft"]:
        return f"{rows['sft']:,}"
    return ", ".join(f"{output} {count:,}" for output, count in rows.items())


def versions(store: str, name: str) -> Told:
    """All versions of a dataset, oldest first."""
    catalog = Catalog(open_store(store), name)
    manifests = [catalog.manifest(version) for version in catalog.versions()]
    rows = [
        (
            manifest.version,
            _rows(manifest.rows),
            f"{manifest.prompts:,}",
            f"{_bytes(manifest):,}",
            short_text_of_changes(manifest),
            str(manifest.provenance["created_at"]),
            manifest.content_digest[:12],
            str(manifest.provenance.get("brings_back", "")),
        )
        for manifest in manifests
    ]
    data = {"name": name, "versions": [_brief(manifest) for manifest in manifests]}
    if not rows:
        return f"{name} has no published version in {open_store(store).url}", data
    header = ("version", "rows", "prompts", "bytes", "changes", "created", "content", "brings back")
    return table(rows, header), data


def _bytes(manifest: Manifest) -> int:
    return sum(file.bytes for file in manifest.files)


def _brief(manifest: Manifest) -> dict[str, Any]:
    facts = {k: v for k, v in manifest_json(manifest).items() if k in KEPT}
    return {**facts, "bytes": _bytes(manifest)}


def show(store: str, dataset: str) -> Told:
    """One version."""
    version = open_version(dataset, store)
    manifest = version.manifest
    made = manifest.provenance
    lines = [
        f"{version.name}  {version.location}",
        f"teacher   {manifest.teacher['name']}  ({manifest.teacher['id']})",
        f"created   {made['created_at']} by {made['attempts']}",
        f"content   {manifest.content_digest}  {_bytes(manifest):,} bytes",
    ]
    if changes := text_of_changes(manifest):
        lines.append(f"changes   {changes}")
    if "brings_back" in made:
        lines.append(f"rollback  brings back {manifest.name}@{made['brings_back']}")
    files = [
        (
            f.path if f.version is None else f"{f.path} (of {f.version})",
            f"{f.bytes:,}",
            "" if f.rows is None else f"{f.rows:,}",
        )
        for f in manifest.files
    ]
    head = "\n".join(lines)
    text = f"{head}\n\n{funnel_text(manifest.funnel)}\n\n{table(files, ('file', 'bytes', 'rows'))}"
    return text, {**manifest_json(manifest), "bytes": _bytes(manifest)}
