"""Pull: a version as a folder of its own, every byte checked."""

import hashlib
import shutil
import tempfile
from pathlib import Path

from infra.catalog import MANIFEST
from infra.checksum import CHUNK_BYTES
from infra.store import open_uri
from infra.version import Version, open_version
from jobs.progress import ProgressDisplay
from jobs.tell import Told
from schemas.errors import VersionError
from schemas.manifest import File


def pull(store: str, dataset: str, target: str) -> Told:
    """Copies a version to a folder that is not there, or is empty; again, it finds it there.

    The folder appears when it is whole. VersionError where a file is not what the manifest says, or
    something else is in the place of the folder.
    """
    version = open_version(dataset, store)
    folder = Path(target).absolute()
    data = {"version": version.name, "folder": str(folder), "files": len(version.manifest.files)}
    if (folder / MANIFEST).is_file():
        _assert_pulled(version, folder)
        return f"{version.name} is in {folder} already", {**data, "status": "unchanged"}
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise VersionError(f"{folder} is not empty; name a folder that is, or a new one")
    folder.parent.mkdir(parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        with ProgressDisplay() as display:
            _copy(version, making, display)
        making.chmod(0o755)  # a folder of mkdtemp is for its owner alone
        making.replace(folder)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    total = sum(file.bytes for file in version.manifest.files)
    return f"{version.name}: {total:,} bytes in {folder}", {**data, "status": "pulled"}


def _copy(version: Version, folder: Path, display: ProgressDisplay) -> None:
    done = 0
    for file in version.manifest.files:
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        _copy_file(version, file, path)
        done += file.bytes
        display.show(f"{done:,} of {sum(f.bytes for f in version.manifest.files):,} bytes")
    (folder / MANIFEST).write_bytes(_manifest(version))


def _copy_file(version: Version, file: File, target: Path) -> None:
    digest = hashlib.sha256()
    source = version.uri(file)
    try:
        with open_uri(source) as reading, target.open("wb") as writing:
            while chunk := reading.read(CHUNK_BYTES):
                digest.update(chunk)
                writing.write(chunk)
    except FileNotFoundError as error:
        raise VersionError(f"{version.name}: {source} is missing") from error
    if digest.hexdigest() != file.sha256:
        raise VersionError(
            f"{version.name}: {source} is not what the manifest says; "
            f"`stillhouse verify {version.name}` tells what else is wrong"
        )


def _assert_pulled(version: Version, folder: Path) -> None:
    """VersionError if it is another version, or not whole."""
    if (folder / MANIFEST).read_bytes() != _manifest(version):
        raise VersionError(f"{folder} holds another version; name a folder for {version.name}")
    for file in version.manifest.files:
        path = folder / file.path
        if not path.is_file() or path.stat().st_size != file.bytes:
            raise VersionError(f"{path} was changed or removed since it was pulled; pull elsewhere")


def _manifest(version: Version) -> bytes:
    return version.catalog.manifest_bytes(version.manifest.version)
