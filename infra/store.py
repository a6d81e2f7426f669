"""A folder as a store: whole files, written once or changed by compare-and-swap.

Every write is atomic and durable: a temporary file is synced, then linked or renamed into place,
and the folder is synced after it.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from schemas.errors import StoreError

TEMPORARY: Final = ".tmp-"


class FolderStore:
    """Files below a root folder, named by `/`-separated keys."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root).absolute()

    def create(self) -> None:
        """Makes the root folder. Nothing else does: where it is missing the store is out, and what
        is written into its place would be gone when it comes back."""
        self.root.mkdir(parents=True, exist_ok=True)

    def path(self, key: str) -> Path:
        """Where `key` lies; StoreError if it would lie outside of the store."""
        path = self.root / key
        if not path.resolve().is_relative_to(self.root.resolve()):
            raise StoreError(f"{key!r} leads out of the store {self.root}")
        return path

    def get(self, key: str) -> bytes | None:
        """The content, or null if there is none."""
        try:
            return self.path(key).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def put_if_absent(self, key: str, content: bytes) -> bool:
        """Writes a file that must not exist yet; False if it does."""
        temporary = self._write_temporary(key, content)
        try:
            os.link(temporary, self.path(key))
        except FileExistsError:
            return False
        finally:
            temporary.unlink(missing_ok=True)
        _sync_folder(temporary.parent)
        return True

    def replace_if(self, key: str, content: bytes, *, expected: bytes | None) -> bool:
        """Writes a file if its content is still `expected` (null: not there); else False."""
        with self._exclusive(key):
            if self.get(key) != expected:
                return False
            temporary = self._write_temporary(key, content)
            temporary.replace(self.path(key))
        _sync_folder(temporary.parent)
        return True

    def folders(self, key: str) -> list[str]:
        """Names of the folders right below `key`, sorted."""
        path = self.path(key)
        return sorted(p.name for p in path.iterdir() if p.is_dir()) if path.is_dir() else []

    def files(self, key: str) -> list[str]:
        """Keys of the files right below `key`, sorted."""
        path = self.path(key)
        names = (p.name for p in path.iterdir() if p.is_file()) if path.is_dir() else iter(())
        return [f"{key}/{name}" for name in sorted(names) if not name.startswith(TEMPORARY)]

    def _write_temporary(self, key: str, content: bytes) -> Path:
        path = self._with_folder(key)
        temporary = path.with_name(f"{TEMPORARY}{path.name}-{os.getpid()}")
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        return temporary

    def _with_folder(self, key: str) -> Path:
        """Where `key` lies, with its folder made below the root."""
        if not self.root.is_dir():
            raise FileNotFoundError(f"the store {self.root} is not there")
        path = self.path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    @contextmanager
    def _exclusive(self, key: str) -> Iterator[None]:
        """One process at a time compares and swaps a file; the lock goes with the process."""
        path = self._with_folder(key)
        with path.with_name(f"{TEMPORARY}{path.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def sync_file(path: Path) -> None:
    """Makes a finished file and its name survive a power cut."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
    _sync_folder(path.parent)


def file_sha256(path: Path) -> str:
    """Hex SHA-256 of a file of any size."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
