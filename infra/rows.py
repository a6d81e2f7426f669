"""Rows of jsonl, json, csv and parquet files, one after the other, each with where it stands."""

import csv
import glob
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any, BinaryIO, Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from infra.checksum import CHUNK_BYTES, sha256
from infra.store import S3, locate, open_uri
from schemas.errors import RecipeError

SUFFIXES = (".jsonl", ".json", ".csv", ".parquet")
WILD: Final = re.compile(r"[*?\[]")
PATTERN: Final = re.compile(r"\*\*/|\*\*|\*|\?|\[[^]]+\]|[^*?\[]+|\[")
"""Pieces of a glob."""


class Row(NamedTuple):
    """One row, and where to find it in an error message."""

    where: str
    values: dict[str, Any]


def find_files(path: str) -> list[str]:
    """The files that a path, folder or glob names, here or in a bucket, sorted; RecipeError if
    there are none, StoreError where a bucket refuses."""
    if "://" in path and not path.startswith(S3):
        raise RecipeError(f"{path}: files are read from here and from s3://; download it first")
    found = _in_bucket(path) if path.startswith(S3) else _here(path)
    if not found:
        looked = "" if path.startswith(S3) else f" (looked from {Path.cwd()})"
        raise RecipeError(f"{path}: no such file{looked}")
    for file in found:
        if (suffix := PurePath(file).suffix) not in SUFFIXES:
            raise RecipeError(f"{file}: cannot read {suffix!r}; known: {', '.join(SUFFIXES)}")
    return sorted(found)


def _here(path: str) -> list[str]:
    given = Path(path)
    if given.is_dir():
        return [str(p) for p in given.rglob("*") if p.suffix in SUFFIXES]
    if given.is_file():
        return [str(given)]
    return [p for p in glob.glob(path, recursive=True) if Path(p).is_file()]


def _in_bucket(path: str) -> list[str]:
    store, key = locate(path.rstrip("/"))
    if key and store.size(key) is not None:
        return [store.uri(key)]
    wild = WILD.search(key)
    if wild is None:
        below = (entry.key for entry in store.walk(key))
        return [store.uri(name) for name in below if PurePath(name).suffix in SUFFIXES]
    try:
        matches = re.compile(_expression(key))
    except re.error as error:
        raise RecipeError(f"{path}: is no pattern: {error}") from error
    folder = key[: wild.start()].rpartition("/")[0]
    return [store.uri(e.key) for e in store.walk(folder) if matches.fullmatch(e.key)]


def _expression(pattern: str) -> str:
    """A glob as a regular expression: a star ends at a slash, two do not."""
    signs = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(
        signs.get(piece)
        or (piece.replace("[!", "[^") if len(piece) > 1 and piece[0] == "[" else re.escape(piece))
        for piece in PATTERN.findall(pattern)
    )


def _open(file: str) -> BinaryIO:
    """One of the files that were found. FileNotFoundError where it is gone, and what else reading a
    store raises."""
    return open_uri(file) if file.startswith(S3) else Path(file).open("rb")


def file_digests(path: str) -> Iterator[tuple[str, str]]:
    """The files that it names, as `find_files`, and the SHA-256 of each. OSError for one that
    cannot be read."""
    for file in find_files(path):
        with _open(file) as source:
            yield file, sha256(source)


def read_rows(file: str) -> Iterator[Row]:
    """The rows of a file, read as they are asked for; RecipeError names the line that is wrong."""
    readers = {".jsonl": _jsonl, ".json": _json, ".csv": _csv, ".parquet": _parquet}
    try:
        with _open(file) as source:
            yield from readers[PurePath(file).suffix](file, source)
    except (OSError, UnicodeDecodeError, csv.Error, pa.ArrowException) as error:
        raise RecipeError(f"{file}: cannot be read: {error}") from error


def _text(source: BinaryIO, newline: str | None = None) -> io.TextIOWrapper:
    buffered: Any = source
    if isinstance(source, io.RawIOBase):
        buffered = io.BufferedReader(source, CHUNK_BYTES)
    return io.TextIOWrapper(buffered, encoding="utf-8", newline=newline)


def _jsonl(file: str, source: BinaryIO) -> Iterator[Row]:
    for number, line in enumerate(_text(source), 1):
        if line.strip():
            where = f"{file}:{number}"
            yield _object(where, _parse(where, line))


def _json(file: str, source: BinaryIO) -> Iterator[Row]:
    rows = _parse(file, _text(source).read())
    if not isinstance(rows, list):
        raise RecipeError(f"{file}: must hold a list of objects")
    for number, row in enumerate(rows):
        yield _object(f"{file}[{number}]", row)


def _csv(file: str, source: BinaryIO) -> Iterator[Row]:
    reader = csv.DictReader(_text(source, newline=""), strict=True)
    for row in reader:
        yield Row(f"{file}:{reader.line_num}", {k: v for k, v in row.items() if k is not None})


def _parquet(file: str, source: BinaryIO) -> Iterator[Row]:
    number = 0
    for batch in pq.ParquetFile(source, pre_buffer=False).iter_batches(1024, use_threads=False):
        for values in batch.to_pylist():
            yield Row(f"{file} row {number}", values)
            number += 1


def _parse(where: str, text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise RecipeError(f"{where}: not JSON: {error}") from error


def _object(where: str, value: Any) -> Row:
    if not isinstance(value, dict):
        raise RecipeError(f"{where}: must be an object, not {type(value).__name__}")
    return Row(where, value)
