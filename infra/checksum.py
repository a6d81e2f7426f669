"""Checksums of files of any size."""

import hashlib
from pathlib import Path
from typing import BinaryIO, Final

CHUNK_BYTES: Final = 8 * 2**20
"""Of a bucket, a request each."""


def file_sha256(path: Path) -> str:
    """Hex SHA-256 of a file of this machine."""
    with path.open("rb") as file:
        return sha256(file)


def sha256(file: BinaryIO) -> str:
    """Hex SHA-256 of what is left to read."""
    digest = hashlib.sha256()
    while chunk := file.read(CHUNK_BYTES):
        digest.update(chunk)
    return digest.hexdigest()
