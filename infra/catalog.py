"""Published versions of a dataset: claimed, written, and committed by their manifest.

A version is `datasets/<name>/versions/vNNNN`; its number is claimed first, so that two publishers
never write into one folder, and `manifest.json` is written last: without it there is no version.
"""

import json
import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq
from pydantic import ValidationError

from infra.store import FolderStore, file_sha256, sync_file
from schemas.arrow import FORMAT
from schemas.errors import VersionError
from schemas.manifest import File, Manifest, content_digest

VERSION = re.compile(r"v(\d{4,})")
HINT = "latest.json"


class Catalog:
    """The versions of one dataset in a store."""

    def __init__(self, store: FolderStore, name: str) -> None:
        self._store = store
        self.name = name
        self._root = f"datasets/{name}"

    def versions(self) -> list[str]:
        """Committed versions, oldest first."""
        return [v for v in self._numbered() if self._store.get(self._key(v, "manifest.json"))]

    def _numbered(self) -> list[str]:
        names = self._store.folders(f"{self._root}/versions")
        return sorted(filter(VERSION.fullmatch, names), key=lambda v: int(v[1:]))

    def latest(self) -> Manifest | None:
        """The newest committed version's manifest, or null."""
        versions = self.versions()
        return self.manifest(versions[-1]) if versions else None

    def manifest(self, version: str) -> Manifest:
        """VersionError if there is no such version, or its manifest cannot be trusted."""
        content = self._store.get(self._key(version, "manifest.json"))
        if content is None:
            known = ", ".join(self.versions()) or "none"
            raise VersionError(f"{self.name} has no version {version!r}; committed: {known}")
        try:
            newest = json.loads(content).get("format", 0)
            if newest > FORMAT:
                raise VersionError(f"{self.name}@{version} has the newer format {newest}")
            manifest = Manifest.model_validate_json(content)
        except (ValueError, ValidationError, AttributeError) as error:
            raise VersionError(
                f"{self.name}@{version}: the manifest is damaged: {error}"
            ) from error

        if not manifest.intact:
            raise VersionError(f"{self.name}@{version}: the manifest was changed after its commit")
        return manifest

    def folder(self, version: str) -> Path:
        """Where a version's files lie."""
        return self._store.path(f"{self._root}/versions/{version}")

    def staging(self) -> Path:
        """A new folder where the files of a version are written before it has a number."""
        root = self._store.path(f"{self._root}/staging")
        root.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(dir=root))

    def claim(self, content_digest: str) -> str:
        """The next free version number, now for this content."""
        numbered = self._numbered()
        number = int(numbered[-1][1:]) if numbered else 0
        while True:
            number += 1
            version = f"v{number:04d}"
            content = json.dumps({"claimant": content_digest}).encode()
            if self._store.put_if_absent(self._key(version, "_claim.json"), content):
                return version

    def add_file(self, version: str, staged: Path, path: str) -> None:
        """Moves a staged file into a claimed version."""
        target = self.folder(version) / path
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(staged, target)
        sync_file(target)

    def commit(self, manifest: Manifest) -> None:
        """Makes the version exist; VersionError if its number was committed before."""
        key = self._key(manifest.version, "manifest.json")
        content = manifest.sealed().model_dump_json(indent=2).encode()
        if not self._store.put_if_absent(key, content):
            raise VersionError(f"{self.name}@{manifest.version} is already committed")
        self._move_hint(manifest.version)

    def _move_hint(self, version: str) -> None:
        """`latest.json` never moves backwards."""
        key = f"{self._root}/{HINT}"
        content = json.dumps({"version": version}).encode()
        while True:
            before = self._store.get(key)
            if before and int(json.loads(before)["version"][1:]) >= int(version[1:]):
                return
            if self._store.replace_if(key, content, expected=before):
                return

    def _key(self, version: str, file: str) -> str:
        return f"{self._root}/versions/{version}/{file}"

    def verify(self, version: str) -> list[str]:
        """Everything about a version that is not what its manifest says; empty if it is sound."""
        manifest = self.manifest(version)
        problems = [p for file in manifest.files for p in self._check(version, file)]
        if content_digest(manifest.files) != manifest.content_digest:
            problems.append("manifest.json: content_digest does not match its files")
        if sum(manifest.rows.values()) != sum(f.rows or 0 for f in manifest.files):
            problems.append("manifest.json: rows do not add up to those of its files")
        claim = json.dumps({"claimant": manifest.content_digest}).encode()
        if self._store.get(self._key(version, "_claim.json")) != claim:
            problems.append("_claim.json: is not the claim of this content")
        return problems + self._foreign_files(version, manifest.files)

    def _check(self, version: str, file: File) -> list[str]:
        path = self.folder(version) / file.path
        if not path.is_file():
            return [f"{file.path}: is missing"]
        if path.stat().st_size != file.bytes:
            return [f"{file.path}: has {path.stat().st_size} bytes, not {file.bytes}"]
        if (found := file_sha256(path)) != file.sha256:
            return [f"{file.path}: sha256 is {found}, not {file.sha256}"]
        if file.rows is not None and (rows := pq.read_metadata(path).num_rows) != file.rows:
            return [f"{file.path}: has {rows} rows, not {file.rows}"]
        return []

    def _foreign_files(self, version: str, files: Sequence[File]) -> list[str]:
        known = {file.path for file in files} | {"manifest.json", "_claim.json"}
        root = self.folder(version)
        found = (str(p.relative_to(root)) for p in sorted(root.rglob("*")) if p.is_file())
        return [f"{path}: is not in the manifest" for path in found if path not in known]
