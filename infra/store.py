"""Where everything is kept: whole files named by `/`-separated keys, in a folder or in S3.

A file is written once, or changed by compare-and-swap; nobody ever sees a part of one. Every method
raises StoreUnavailableError where the store does not answer now, and StoreError where it refuses.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, Protocol

from schemas.errors import RecipeError
from schemas.recipe import ADDRESS, BUCKET

S3: Final = "s3://"


class Entry(NamedTuple):
    """A file as a listing tells it."""

    key: str
    bytes: int
    modified: float
    """Seconds since 1970 by the clock of the store, which may differ from ours."""


class Store(Protocol):
    """What a folder and a bucket have in common."""

    @property
    def url(self) -> str:
        """How a person names it: an absolute path, or `s3://bucket/prefix`."""
        ...

    def create(self) -> None:
        """Makes what is missing, and makes sure that it can be written and that its conditions
        hold. StoreError if not."""
        ...

    def probe(self) -> None:
        """Makes sure of that alone. StoreError if not, StoreUnavailableError where it is out."""
        ...

    def uri(self, key: str) -> str:
        """Where `key` lies, for this and any other process. StoreError if that is outside."""
        ...

    def get(self, key: str) -> bytes | None:
        """The content, or null if there is none."""
        ...

    def open(self, key: str) -> BinaryIO:
        """A file to read from at any place. FileNotFoundError if there is none."""
        ...

    def size(self, key: str) -> int | None:
        """In bytes, or null if there is no such file."""
        ...

    def put_if_absent(self, key: str, content: bytes) -> bool:
        """Writes a file that must not exist yet; False if it does."""
        ...

    def new_file(self, key: str) -> AbstractContextManager[Path]:
        """A path on this machine to write a file to, which is in the store, whole, once the block
        has ended well. StoreError if another file has the name by then: the same one may be our
        own, of a try whose end we did not hear of."""
        ...

    def replace_if(self, key: str, content: bytes, *, expected: bytes | None) -> bool:
        """Writes a file if its content is still `expected` (null: not there); else False. Writers
        that race give different contents: where an answer is lost, the content tells whose it
        is."""
        ...

    def move(self, source: str, target: str) -> None:
        """Gives a file another name, in place of what has it. FileNotFoundError if there is
        none."""
        ...

    def delete(self, keys: list[str]) -> None:
        """Deletes files; those that are not there are none."""
        ...

    def folders(self, key: str) -> list[str]:
        """Names of the folders right below `key`, sorted; some servers name those for a while that
        nothing is in any more."""
        ...

    def files(self, key: str) -> list[str]:
        """Keys of the files right below `key`, sorted; of the store itself, where that is empty."""
        ...

    def walk(self, key: str) -> Iterator[Entry]:
        """All files below `key`, or in the store, where that is empty, sorted by key."""
        ...

    def storage_options(self) -> dict[str, str] | None:
        """What delta-rs and Polars need to open its URIs; null for a folder. Credentials expire,
        so that it is asked for anew each time."""
        ...


def open_store(url: str | Path) -> Store:
    """The store at `s3://bucket/prefix` or in a folder. RecipeError for another address."""
    address = str(url)
    if "://" in address:
        if not BUCKET.fullmatch(address):
            raise RecipeError(f"store {address}: {ADDRESS}")
        return _s3(address.rstrip("/"))
    from infra.folder_store import FolderStore

    return FolderStore(url)


@lru_cache(maxsize=16)
def _s3(url: str) -> Store:
    """One client a process: it takes a tenth of a second to make, and is safe between threads."""
    from infra.s3_store import S3Store

    return S3Store(url)


def locate(uri: str) -> tuple[Store, str]:
    """The file that `Store.uri` told of: a store that has it, and its key there."""
    if not uri.startswith(S3):
        path = Path(uri).absolute()
        return open_store(path.parent), path.name
    bucket, _, key = uri.removeprefix(S3).partition("/")
    return open_store(f"{S3}{bucket}"), key


def open_uri(uri: str) -> BinaryIO:
    """A file to read from at any place. FileNotFoundError if there is none."""
    store, key = locate(uri)
    return store.open(key)


def storage_options(uri: str) -> dict[str, str] | None:
    """What delta-rs and Polars need to open it; null for a file of this machine."""
    return locate(uri)[0].storage_options() if uri.startswith(S3) else None
