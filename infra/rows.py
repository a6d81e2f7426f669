"""Rows of jsonl, json, csv and parquet files, one after the other, each with where it stands."""

import csv
import glob
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.errors import RecipeError

SUFFIXES = (".jsonl", ".json", ".csv", ".parquet")


class Row(NamedTuple):
    """One row, and where to find it in an error message."""

    where: str
    values: dict[str, Any]


def find_files(path: str) -> list[Path]:
    """The files that a path, folder or glob names, sorted; RecipeError if there are none."""
    if "://" in path:
        raise RecipeError(f"{path}: only local files are read so far; download it first")
    given = Path(path)
    if given.is_dir():
        found = [p for p in given.rglob("*") if p.suffix in SUFFIXES]
    elif given.is_file():
        found = [given]
    else:
        found = [Path(p) for p in glob.glob(path, recursive=True) if Path(p).is_file()]
    if not found:
        raise RecipeError(f"{path}: no such file (looked from {Path.cwd()})")
    for file in found:
        if file.suffix not in SUFFIXES:
            raise RecipeError(f"{file}: cannot read {file.suffix!r}; known: {', '.join(SUFFIXES)}")
    return sorted(found)


def read_rows(file: Path) -> Iterator[Row]:
    """The rows of a file, read as they are asked for; RecipeError names the line that is wrong."""
    readers = {".jsonl": _jsonl, ".json": _json, ".csv": _csv, ".parquet": _parquet}
    try:
        yield from readers[file.suffix](file)
    except (OSError, UnicodeDecodeError, csv.Error, pa.ArrowException) as error:
        raise RecipeError(f"{file}: cannot be read: {error}") from error


def _jsonl(file: Path) -> Iterator[Row]:
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                where = f"{file}:{number}"
                yield _object(where, _parse(where, line))


def _json(file: Path) -> Iterator[Row]:
    rows = _parse(str(file), file.read_text(encoding="utf-8"))
    if not isinstance(rows, list):
        raise RecipeError(f"{file}: must hold a list of objects")
    for number, row in enumerate(rows):
        yield _object(f"{file}[{number}]", row)


def _csv(file: Path) -> Iterator[Row]:
    with file.open(encoding="utf-8", newline="") as lines:
        reader = csv.DictReader(lines, strict=True)
        for row in reader:
            yield Row(f"{file}:{reader.line_num}", {k: v for k, v in row.items() if k is not None})


def _parquet(file: Path) -> Iterator[Row]:
    number = 0
    for batch in pq.ParquetFile(file).iter_batches(batch_size=1024):
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
