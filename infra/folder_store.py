"""A folder as a store.

Every write is atomic and durable: a temporary file is synced, then linked or renamed into place,
and the folder is synced after it.
"""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from filecmp import cmp
from pathlib import Path
from typing import BinaryIO, Final

from infra.store import Entry
from schemas.errors import StoreError, StoreUnavailableError

TEMPORARY: Final = ".tmp-"
LOCK: Final = ".lock"


class FolderStore:
    """Files below a root folder; see `infra.store.Store`."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root).absolute()

    @property
    def url(self) -> str:
        """The root's absolute path."""
        return str(self.root)

    def create(self) -> None:
        """Makes the root folder. Nothing else does: where it is missing the store is out, and what
        is written into its place would be gone when it comes back."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"store {self.root} cannot be written: {error}") from error
        self.probe()

    def probe(self) -> None:
        """Makes sure that the root can be written. StoreError if not, StoreUnavailableError where
        it is missing."""
        if not self.root.is_dir():
            raise StoreUnavailableError(f"the store {self.root} is not there")
        if not os.access(self.root, os.W_OK):
            raise StoreError(f"store {self.root} cannot be written: it is read-only for us")

    def path(self, key: str) -> Path:
        """Where `key` lies; StoreError if it would lie outside of the store."""
        path = self.root / key
        if not path.resolve().is_relative_to(self.root.resolve()):
            raise StoreError(f"{key!r} leads out of the store {self.root}")
        return path

    def uri(self, key: str) -> str:
        """`path` as text."""
        return str(self.path(key))

    def get(self, key: str) -> bytes | None:
        """The content, or null if there is none."""
        with _reading(key):
            try:
                return self.path(key).read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None

    def open(self, key: str) -> BinaryIO:
        """A file to read from at any place. FileNotFoundError if there is none."""
        with _reading(key):
            return self.path(key).open("rb")

    def size(self, key: str) -> int | None:
        """In bytes, or null if there is no such file."""
        with _reading(key):
            try:
                return self.path(key).stat().st_size
            except (FileNotFoundError, NotADirectoryError):
                return None

    def put_if_absent(self, key: str, content: bytes) -> bool:
        """Writes a file that must not exist yet; False if it does."""
        with self._writing(key):
            temporary = self._write_temporary(key, content)
            try:
                return self._link(temporary, key)
            finally:
                temporary.unlink(missing_ok=True)

    @contextmanager
    def new_file(self, key: str) -> Iterator[Path]:
        """A path beside the file's own, which it is linked to when the block has ended well.
        StoreError if another file has the name by then."""
        with self._writing(key):
            path = self._temporary(key)
        try:
            yield path
            with self._writing(key):
                _sync(path)
                if not self._link(path, key) and not cmp(path, self.path(key), shallow=False):
                    raise StoreError(f"{self.path(key)} exists already, with other content")
        finally:
            path.unlink(missing_ok=True)

    def replace_if(self, key: str, content: bytes, *, expected: bytes | None) -> bool:
        """Writes a file if its content is still `expected` (null: not there); else False."""
        with self._writing(key), self._exclusive(key):
            if self.get(key) != expected:
                return False
            temporary = self._write_temporary(key, content)
            temporary.replace(self.path(key))
            _sync(temporary.parent)
        return True

    def move(self, source: str, target: str) -> None:
        """Gives a file another name, in place of what has it. FileNotFoundError if there is
        none."""
        if self.size(source) is None:
            raise FileNotFoundError(self.uri(source))
        with self._writing(target):
            path = self._with_folder(target)
            self.path(source).replace(path)
            _sync(path.parent)

    def delete(self, keys: list[str]) -> None:
        """Deletes files, and folders that are empty then."""
        for key in keys:
            with self._writing(key):
                path = self.path(key)
                path.unlink(missing_ok=True)
                self._remove_empty(path.parent)

    def folders(self, key: str) -> list[str]:
        """Names of the folders right below `key`, sorted."""
        path = self.path(key)
        with _reading(key):
            return sorted(p.name for p in path.iterdir() if p.is_dir()) if path.is_dir() else []

    def files(self, key: str) -> list[str]:
        """Keys of the files right below `key`, sorted."""
        path = self.path(key)
        with _reading(key):
            names = [p.name for p in path.iterdir() if p.is_file()] if path.is_dir() else []
        own = sorted(name for name in names if not name.startswith(TEMPORARY))
        return [f"{key}/{name}" if key else name for name in own]

    def walk(self, key: str) -> Iterator[Entry]:
        """All files below `key`, sorted by key; also what a process that died was writing."""
        # Unlike `rglob`, it does not mind what goes while it looks: others delete and write too.
        folders = os.walk(self.path(key))
        paths = (Path(folder) / name for folder, _, names in folders for name in names)
        for path in sorted(path for path in paths if not _is_lock(path.name)):
            with suppress(FileNotFoundError):
                facts = path.stat()
                yield Entry(str(path.relative_to(self.root)), facts.st_size, facts.st_mtime)

    def storage_options(self) -> None:
        """A path is all that delta-rs and Polars need."""
        return None

    def _temporary(self, key: str) -> Path:
        """A file beside the one that it is to become, which keeps their folder from being removed
        as an empty one."""
        while True:
            path = self._with_folder(key)
            name = f"{TEMPORARY}{path.name}-{os.getpid()}-{secrets.token_hex(4)}"
            with suppress(FileNotFoundError):  # removed since it was made
                path.with_name(name).touch(exist_ok=False)
                return path.with_name(name)

    def _write_temporary(self, key: str, content: bytes) -> Path:
        temporary = self._temporary(key)
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        return temporary

    def _link(self, temporary: Path, key: str) -> bool:
        """Gives a synced file its name; False if something has it."""
        try:
            os.link(temporary, self.path(key))
        except FileExistsError:
            return False
        _sync(temporary.parent)
        return True

    def _with_folder(self, key: str) -> Path:
        """Where `key` lies, with its folder made below the root. Others may remove that, or one
        above it, as an empty one while it is made; `mkdir` then says that it is not there, or that
        it is and is none."""
        path = self.path(key)
        while True:
            if not self.root.is_dir():
                raise FileNotFoundError(f"the store {self.root} is not there")
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                return path
            except FileNotFoundError:
                continue
            except FileExistsError:
                if os.path.lexists(path.parent) and not path.parent.is_dir():
                    raise

    def _remove_empty(self, folder: Path) -> None:
        with suppress(OSError):  # somebody has written there, or was faster
            while folder != self.root:
                folder.rmdir()
                folder = folder.parent

    @contextmanager
    def _writing(self, key: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreUnavailableError(
                f"{self.root / key} cannot be written now: {error}"
            ) from error

    @contextmanager
    def _exclusive(self, key: str) -> Iterator[None]:
        """One process at a time compares and swaps a file; the lock goes with the process."""
        path = self._with_folder(key)
        with path.with_name(f"{TEMPORARY}{path.name}{LOCK}").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _is_lock(name: str) -> bool:
    """Whether it stands for another file, and is none of the store."""
    return name.startswith(TEMPORARY) and name.endswith(LOCK)


@contextmanager
def _reading(key: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StoreUnavailableError(f"{key} cannot be read now: {error}") from error


def _sync(path: Path) -> None:
    """Makes a file's content, or a folder's names, survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
