"""A bucket as a store: any S3-compatible server that keeps to the conditions of a write.

Address, region and credentials come from boto3's own chain (environment, profile, role); another
server than Amazon's is named by `AWS_ENDPOINT_URL` or the profile's `endpoint_url`. What the
servers do was measured (docs/decisions/0019).
"""

import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)

from infra.checksum import file_sha256, sha256
from infra.ranges import Ranges
from infra.s3_errors import code_of, may_have_happened, translated
from infra.store import S3, Entry
from schemas.errors import StoreError

PART_BYTES: Final = 32 * 2**20
"""A larger file is sent in parts of this size, of which S3 takes 10,000: files to 312 GB."""
PARTS_AT_ONCE: Final = 4
COPY: Final = TransferConfig(multipart_threshold=2 * PART_BYTES, multipart_chunksize=2 * PART_BYTES)
CONFLICTS: Final = 10
"""So often a write that met another one in flight is tried again (409)."""
PROBE: Final = ".conditions"
HELD: Final = ("PreconditionFailed", "ConditionalRequestConflict")
"""What a server says that holds to conditions; the latter while somebody else tries it too."""
BODIES: Final = 5
"""So often the body of an answer is asked for that breaks off."""
BROKEN_OFF: Final = (ResponseStreamingError, IncompleteReadError, ReadTimeoutError)
DELETED_AT_ONCE: Final = 1000
"""By the protocol."""

CONFIG: Final = Config(
    connect_timeout=5,
    read_timeout=30,
    # With pauses of 0.05 s, 0.1 s, … (times a random number), 6 s in all, 13 at most: a server that
    # starts again is back by then.
    retries={"mode": "standard", "total_max_attempts": 9},
    # Other servers than Amazon's do not know the checksums that are the default.
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
)


class S3Store:
    """Files below `s3://bucket/prefix`; see `infra.store.Store`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._bucket, _, prefix = url.removeprefix(S3).partition("/")
        self._prefix = f"{prefix}/" if prefix else ""
        with translated(url):
            self._session = boto3.session.Session()
            self._client: Any = self._session.client("s3", config=CONFIG)

    def __reduce__(self) -> tuple[Any, ...]:
        return S3Store, (self.url,)

    def create(self) -> None:
        """As `probe`: nobody but its owner makes a bucket."""
        self.probe()

    def probe(self) -> None:
        """Makes sure that the bucket is there and can be written, and that its server refuses a
        write whose condition does not hold: without that, two writers would overwrite each
        other. StoreError if not."""
        self.put_if_absent(PROBE, b"1")
        with translated(self.uri(PROBE)):
            for condition in ({"IfNoneMatch": "*"}, {"IfMatch": '"0"'}):
                try:
                    self._put(PROBE, b"2", condition)
                except ClientError as error:
                    if code_of(error) in HELD:
                        continue
                    raise
                raise StoreError(
                    f"{self._client.meta.endpoint_url} ignores conditional writes "
                    f"({next(iter(condition))}), so that two writers would overwrite each other's "
                    "files; use a server that has them, or a folder"
                )

    def uri(self, key: str) -> str:
        """`s3://bucket/prefix/key`. StoreError for a key that a folder would not have."""
        if not key or any(part in (".", "..") for part in key.split("/")):
            raise StoreError(f"{key!r} leads out of the store {self.url}")
        return f"{S3}{self._bucket}/{self._prefix}{key}"

    def get(self, key: str) -> bytes | None:
        """The content, or null if there is none."""
        found = self._get(key)
        return None if found is None else found[0]

    def open(self, key: str) -> BinaryIO:
        """A file to read from at any place, a request each time. FileNotFoundError if there is
        none."""
        size = self.size(key)
        if size is None:
            raise FileNotFoundError(self.uri(key))
        return cast("BinaryIO", Ranges(lambda first, last: self._range(key, first, last), size))

    def size(self, key: str) -> int | None:
        """In bytes, or null if there is no such file."""
        # A HEAD would not tell a missing bucket from a missing file.
        found = next(self._pages(self.uri(key), MaxKeys=1), {}).get("Contents", [])
        same = [one["Size"] for one in found if one["Key"] == self._name(key)]
        return same[0] if same else None

    def put_if_absent(self, key: str, content: bytes) -> bool:
        """Writes a file that must not exist yet; False if it does."""
        return self._conditional(
            key, lambda: self._put(key, content, {"IfNoneMatch": "*"}), content
        )

    @contextmanager
    def new_file(self, key: str) -> Iterator[Path]:
        """A temporary path of this machine, sent when the block has ended well. StoreError if
        another file has the name by then."""
        with tempfile.TemporaryDirectory(prefix="stillhouse-") as folder:
            path = Path(folder) / key.rpartition("/")[2]
            yield path
            written = self._conditional(key, lambda: self._send(key, path))
            if not written and not self._same(key, path):
                raise StoreError(f"{self.uri(key)} exists already, with other content")

    def replace_if(self, key: str, content: bytes, *, expected: bytes | None) -> bool:
        """Writes a file if its content is still `expected` (null: not there); else False."""
        found = self._get(key)
        if found is None or expected is None:
            same = found is None and expected is None
            return same and self.put_if_absent(key, content)
        there, etag = found
        if there != expected:
            return False
        return self._conditional(key, lambda: self._put(key, content, {"IfMatch": etag}), content)

    def move(self, source: str, target: str) -> None:
        """Copies a file within the bucket, then deletes it under its old name. FileNotFoundError if
        there is none."""
        with translated(self.uri(target)):
            place = {"Bucket": self._bucket, "Key": self._name(source)}
            try:
                self._client.copy(place, self._bucket, self._name(target), Config=COPY)
            except ClientError as error:
                if code_of(error) in ("404", "NoSuchKey"):
                    raise FileNotFoundError(self.uri(source)) from error
                raise
        self.delete([source])

    def delete(self, keys: list[str]) -> None:
        """Deletes files; those that are not there are none."""
        for start in range(0, len(keys), DELETED_AT_ONCE):
            some = [{"Key": self._name(key)} for key in keys[start : start + DELETED_AT_ONCE]]
            with translated(self.uri(keys[start])):
                done = self._client.delete_objects(
                    Bucket=self._bucket, Delete={"Objects": some, "Quiet": True}
                )
            for failed in done.get("Errors", []):
                raise StoreError(f"{failed['Key']} cannot be deleted: {failed['Message']}")

    def folders(self, key: str) -> list[str]:
        """Names of the folders right below `key`, sorted."""
        pages = self._pages(self._below(key), Delimiter="/")
        found = [one["Prefix"] for page in pages for one in page.get("CommonPrefixes", [])]
        return sorted(name.rstrip("/").rpartition("/")[2] for name in found)

    def files(self, key: str) -> list[str]:
        """Keys of the files right below `key`, sorted."""
        pages = self._pages(self._below(key), Delimiter="/")
        return [entry.key for page in pages for entry in self._entries(page)]

    def walk(self, key: str) -> Iterator[Entry]:
        """All files below `key`, sorted by key."""
        for page in self._pages(self._below(key)):
            yield from self._entries(page)

    def storage_options(self) -> dict[str, str]:
        """The endpoint and the credentials of this moment, as delta-rs and Polars take them."""
        with translated(self.url):
            credentials = self._session.get_credentials()
            if credentials is None:
                raise StoreError(f"{self.url}: no credentials; see README, 'On S3'")
            frozen = credentials.get_frozen_credentials()
        endpoint = self._client.meta.endpoint_url
        options = {
            "aws_access_key_id": frozen.access_key,
            "aws_secret_access_key": frozen.secret_key,
            "aws_session_token": frozen.token,
            "aws_region": self._client.meta.region_name or "us-east-1",
            "aws_endpoint_url": endpoint,
            "aws_allow_http": str(endpoint.startswith("http://")).lower(),
            "aws_conditional_put": "etag",
        }
        return {name: value for name, value in options.items() if value}

    def _below(self, key: str) -> str:
        return f"{self.uri(key)}/" if key else f"{S3}{self._bucket}/{self._prefix}"

    def _name(self, key: str) -> str:
        return self.uri(key).removeprefix(f"{S3}{self._bucket}/")

    def _get(self, key: str) -> tuple[bytes, str] | None:
        """Content and ETag."""
        with translated(self.uri(key)):
            try:
                return self._read(key)
            except ClientError as error:
                if code_of(error) == "NoSuchKey":
                    return None
                raise

    def _range(self, key: str, first: int, last: int) -> bytes:
        with translated(self.uri(key)):
            return self._read(key, Range=f"bytes={first}-{last}")[0]

    def _read(self, key: str, **part: str) -> tuple[bytes, str]:
        """Content and ETag. botocore tries requests again, but not their answers' bodies."""
        tries = 0
        while True:
            tries += 1
            found = self._client.get_object(Bucket=self._bucket, Key=self._name(key), **part)
            try:
                return found["Body"].read(), found["ETag"]
            except BROKEN_OFF:
                if tries == BODIES:
                    raise

    def _put(self, key: str, content: bytes, condition: dict[str, str]) -> None:
        self._client.put_object(Bucket=self._bucket, Key=self._name(key), Body=content, **condition)

    def _send(self, key: str, path: Path) -> None:
        """A file of any size; it is there when its last request was answered."""
        if path.stat().st_size <= PART_BYTES:
            self._put(key, path.read_bytes(), {"IfNoneMatch": "*"})
            return
        place = {"Bucket": self._bucket, "Key": self._name(key)}
        upload = {**place, "UploadId": self._client.create_multipart_upload(**place)["UploadId"]}

        def send(number: int) -> dict[str, Any]:
            with path.open("rb") as file:
                file.seek((number - 1) * PART_BYTES)
                part = self._client.upload_part(
                    **upload, PartNumber=number, Body=file.read(PART_BYTES)
                )
            return {"PartNumber": number, "ETag": part["ETag"]}

        try:
            count = -(-path.stat().st_size // PART_BYTES)
            with ThreadPoolExecutor(PARTS_AT_ONCE) as beside:
                parts = list(beside.map(send, range(1, count + 1)))
            self._client.complete_multipart_upload(
                **upload, MultipartUpload={"Parts": parts}, IfNoneMatch="*"
            )
        except (ClientError, BotoCoreError, OSError) as error:
            self._forget(upload)
            if not self._was_sent(key, path, error):
                raise

    def _was_sent(self, key: str, path: Path, error: Exception) -> bool:
        """Whether an upload that is not there any more was completed, and we did not hear it."""
        gone = isinstance(error, ClientError) and code_of(error) == "NoSuchUpload"
        return gone and self._same(key, path)

    def _forget(self, upload: dict[str, str]) -> None:
        """Ends an upload, so that its parts do not cost for ever; where even that fails, a rule of
        the bucket has to (README, 'On S3')."""
        try:
            self._client.abort_multipart_upload(**upload)
        except (ClientError, BotoCoreError):
            return

    def _conditional(
        self, key: str, write: Callable[[], None], content: bytes | None = None
    ) -> bool:
        """Writes under a condition; False if it does not hold.

        A refusal may be the echo of our own success, whose answer was lost: where a request was
        sent more than once, `content`, if it is given, tells.
        """
        with translated(self.uri(key)):
            for conflicts in range(CONFLICTS + 1):
                try:
                    write()
                    return True
                except ClientError as error:
                    code = code_of(error)
                    if code == "ConditionalRequestConflict" and conflicts < CONFLICTS:
                        continue
                    if code not in ("PreconditionFailed", "NoSuchKey"):
                        raise
                    return may_have_happened(error) and self.get(key) == content is not None
        return False

    def _same(self, key: str, path: Path) -> bool:
        if self.size(key) != path.stat().st_size:
            return False
        with self.open(key) as file:
            return sha256(file) == file_sha256(path)

    def _pages(self, uri: str, **how: Any) -> Iterator[dict[str, Any]]:
        prefix = uri.removeprefix(f"{S3}{self._bucket}/")
        with translated(uri):
            pages = self._client.get_paginator("list_objects_v2")
            yield from pages.paginate(Bucket=self._bucket, Prefix=prefix, **how)

    def _entries(self, page: dict[str, Any]) -> Iterator[Entry]:
        for one in page.get("Contents", []):
            key = one["Key"].removeprefix(self._prefix)
            if key.endswith("/"):
                continue  # what consoles, and SeaweedFS for a while, have for an empty folder
            yield Entry(key, one["Size"], one["LastModified"].timestamp())
