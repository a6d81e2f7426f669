"""Published versions of a dataset: claimed, written, and committed by their manifest.

A version is `datasets/<name>/versions/vNNNN`; its number is claimed first, so that two publishers
never write into one folder, and `manifest.json` is written last: without it there is no version.
Numbers of publishers that died are left out.
"""

import json
import re
import secrets
from collections.abc import Sequence
from contextlib import suppress

from pydantic import ValidationError

from infra.store import Store
from schemas.arrow import FORMAT
from schemas.errors import StoreError, VersionError
from schemas.manifest import File, Manifest

VERSION = re.compile(r"v(\d{4,})")
HINT = "latest.json"
MANIFEST = "manifest.json"
CLAIM = "_claim.json"
CHANGES_FILE = "changes.parquet"


class Catalog:
    """The versions of one dataset in a store."""

    def __init__(self, store: Store, name: str) -> None:
        self.store = store
        self.name = name
        self.root = f"datasets/{name}"

    def versions(self) -> list[str]:
        """Committed versions, oldest first."""
        return [v for v in self.numbered() if self.committed(v)]

    def committed(self, version: str) -> bool:
        """Whether a number is that of a version."""
        return bool(self.store.size(self.key(version, MANIFEST)))

    def numbered(self) -> list[str]:
        """All versions that somebody has begun, oldest first."""
        names = self.store.folders(f"{self.root}/versions")
        return sorted(filter(VERSION.fullmatch, names), key=number_of)

    def latest(self) -> Manifest | None:
        """The newest committed version's manifest, or null."""
        newest = next(filter(self.committed, reversed(self.numbered())), None)
        return None if newest is None else self.manifest(newest)

    def manifest(self, version: str) -> Manifest:
        """VersionError if there is no such version, or its manifest cannot be trusted."""
        content = self.manifest_bytes(version)
        try:
            newest = json.loads(content).get("format", 0)
            if newest > FORMAT:
                raise VersionError(
                    f"{self.name}@{version} has the newer format {newest}, this version of "
                    f"Stillhouse reads up to {FORMAT}: use a newer one"
                )
            manifest = Manifest.model_validate_json(content)
        except (ValueError, ValidationError, AttributeError, TypeError) as error:
            raise VersionError(
                f"{self.name}@{version}: the manifest is damaged: {error}"
            ) from error

        if not manifest.intact:
            raise VersionError(f"{self.name}@{version}: the manifest was changed after its commit")
        return manifest

    def manifest_bytes(self, version: str) -> bytes:
        """The manifest as it is stored. VersionError if there is no such version."""
        known = VERSION.fullmatch(version)
        content = self.store.get(self.key(version, MANIFEST)) if known else None
        if not content:  # an empty one takes a number that was never committed (decision 0020)
            committed = ", ".join(self.versions()) or "none"
            raise VersionError(f"{self.name} has no version {version!r}; committed: {committed}")
        return content

    def key(self, version: str, path: str) -> str:
        """Where a version's file lies in the store."""
        return f"{self.root}/versions/{version}/{path}"

    def file_key(self, manifest: Manifest, file: File) -> str:
        """Where a file lies that a manifest names: among its own, or in an older version."""
        return self.key(file.version or manifest.version, file.path)

    def uri(self, version: str, path: str) -> str:
        """Where a version's file lies, for any process."""
        return self.store.uri(self.key(version, path))

    def location(self, version: str) -> str:
        """Where a version's folder lies, for any process."""
        return self.uri(version, MANIFEST).rpartition("/")[0]

    def staging(self) -> str:
        """A new place, as a key, where the files of a version are written before it has a number.
        StoreError where nothing can be written, or conditions do not hold."""
        self.store.probe()
        return f"{self.root}/staging/{secrets.token_hex(8)}"

    def discard(self, place: str) -> None:
        """Deletes what was staged, as far as the store lets us; `gc` takes the rest."""
        with suppress(StoreError):
            self.store.delete([entry.key for entry in self.store.walk(place)])

    def claim(self, content_digest: str) -> str:
        """The next free version number, now for this content. Raises as `staging`."""
        self.store.probe()
        numbered = self.numbered()
        number = number_of(numbered[-1]) if numbered else 0
        while True:
            number += 1
            version = f"v{number:04d}"
            if self.store.put_if_absent(self.key(version, CLAIM), claim_of(content_digest)):
                return version

    def withdraw(self, version: str) -> None:
        """Gives up a claim, with what was written for it. The claim goes last: then the number is
        free, and what lies there is another one's."""
        claim = self.key(version, CLAIM)
        written = [entry.key for entry in self.store.walk(self.key(version, "").rstrip("/"))]
        self.store.delete([key for key in written if key != claim])
        self.store.delete([claim])

    def add_file(self, version: str, staged: str, path: str) -> None:
        """Moves a staged file into a claimed version. VersionError where it is gone."""
        try:
            self.store.move(staged, self.key(version, path))
        except FileNotFoundError as error:
            raise VersionError(
                f"{self.name}: the staged file {error} is gone, perhaps collected by `gc` as that "
                "of a dead build; build again"
            ) from error

    def commit(self, manifest: Manifest) -> None:
        """Makes the version exist; VersionError if its number was committed before."""
        key = self.key(manifest.version, MANIFEST)
        content = manifest.sealed().model_dump_json(indent=2).encode()
        if not self.store.put_if_absent(key, content) and self.store.get(key) != content:
            raise VersionError(f"{self.name}@{manifest.version} is already committed")
        self._move_hint(manifest)

    def point_at_newest(self) -> None:
        """Puts a `latest.json` right that is not there, or behind the newest version, as one who is
        killed between the manifest and the hint leaves it. Where it is right that is two reads, and
        nothing is written. VersionError where that version's manifest cannot be trusted."""
        number, whole = _hinted(self.store.get(f"{self.root}/{HINT}"))
        behind = number if whole else number - 1
        newer = [version for version in self.numbered() if number_of(version) > behind]
        newest = next(filter(self.committed, reversed(newer)), None)
        if newest is not None:
            self._move_hint(self.manifest(newest))

    def _move_hint(self, manifest: Manifest) -> None:
        """`latest.json` never moves backwards."""
        key, content = f"{self.root}/{HINT}", _hint(manifest)
        while True:
            before = self.store.get(key)
            if before == content or _hinted(before)[0] > number_of(manifest.version):
                return
            if self.store.replace_if(key, content, expected=before):
                return

    def foreign_files(self, version: str, files: Sequence[File]) -> list[str]:
        """Paths of a version's folder that its manifest does not name."""
        known = {file.path for file in files} | {MANIFEST, CLAIM}
        root = self.key(version, "")
        found = (entry.key.removeprefix(root) for entry in self.store.walk(root.rstrip("/")))
        return [path for path in found if path not in known]


def claim_of(content_digest: str) -> bytes:
    """What is written into a claim, once: whoever finds his own words in it after all was the
    other one."""
    return json.dumps({"claimant": content_digest, "nonce": secrets.token_hex(8)}).encode()


def claimant(claim: bytes | None) -> str | None:
    """The content digest that a version was claimed for; null if nothing says so."""
    try:
        return str(json.loads(claim or b"")["claimant"])
    except (ValueError, KeyError, TypeError):
        return None


def number_of(version: str) -> int:
    """The number of a version."""
    return int(version[1:])


def _hint(manifest: Manifest) -> bytes:
    """What `latest.json` says of the newest version; docs/feeding.md is its description."""
    hint = {
        "version": manifest.version,
        "content_digest": manifest.content_digest,
        "created_at": manifest.provenance.get("created_at"),
        "manifest": f"versions/{manifest.version}/{MANIFEST}",
        "rows": manifest.rows,
        "changes": manifest.changes,
    }
    return json.dumps(hint).encode()


def _hinted(hint: bytes | None) -> tuple[int, bool]:
    """The number in `latest.json`, and whether the rest is there, which older releases did not
    write; 0 for one that nobody can read, which the next one replaces."""
    try:
        found = json.loads(hint or b"")
        return number_of(found["version"]), "manifest" in found
    except (ValueError, KeyError, TypeError):
        return 0, False
