"""The file that annotate writes, jsonl or parquet, whole or not at all."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from filters.rules import scorer_columns
from filters.scorer import Scorer
from schemas.errors import RecipeError

Columns = dict[str, Any]
SUFFIXES = (".jsonl", ".parquet")


def write_annotated(
    target: Path, batches: Iterator[list[Columns]], scorers: dict[str, Scorer]
) -> None:
    """Replaces `target` when the new one is complete; RecipeError for rows that do not fit in one
    table, where it is parquet."""
    temporary = target.with_name(f".{target.name}.partial")
    try:
        if target.suffix == ".jsonl":
            _write_jsonl(temporary, batches)
        else:
            _write_parquet(temporary, batches, _score_schema(scorers))
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _score_schema(scorers: dict[str, Scorer]) -> pa.Schema:
    columns = {name: kind for s in scorers.values() for name, kind in scorer_columns(s).items()}
    empty: pa.Table = pl.DataFrame(schema=columns).to_arrow(compat_level=pl.CompatLevel.oldest())
    return pa.schema([field.with_type(_plain_text(field.type)) for field in empty.schema])


def _plain_text(kind: pa.DataType) -> pa.DataType:
    return pa.string() if pa.types.is_large_string(kind) else kind


def _write_jsonl(path: Path, batches: Iterator[list[Columns]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row in chain.from_iterable(batches):
            file.write(json.dumps(row, ensure_ascii=True, default=str) + "\n")


def _write_parquet(path: Path, batches: Iterator[list[Columns]], scores: pa.Schema) -> None:
    """The columns are those of the first batch and the scorers'."""
    first = next(batches)
    schema = _schema(first, scores)
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        start = 0
        for batch in chain([first], batches):
            writer.write_table(_as_table(batch, schema, start))
            start += len(batch)


def _schema(batch: list[Columns], scores: pa.Schema) -> pa.Schema:
    """Types of the input's columns as far as the first batch tells; one of nulls alone is text."""
    names = dict.fromkeys(name for row in batch for name in row if name not in scores.names)
    with _fitting(batch, 0):
        found = [(name, pa.array([row.get(name) for row in batch]).type) for name in names]
    fields = [
        (name, pa.string()) if pa.types.is_null(kind) else (name, kind) for name, kind in found
    ]
    return pa.schema([*fields, *scores])


def _as_table(batch: list[Columns], schema: pa.Schema, start: int) -> pa.Table:
    with _fitting(batch, start):
        if unknown := {name for row in batch for name in row} - set(schema.names):
            raise pa.ArrowInvalid(f"new columns {sorted(unknown)}")
        return pa.Table.from_pylist(batch, schema=schema)


@contextmanager
def _fitting(batch: list[Columns], start: int) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, UnicodeEncodeError) as error:
        raise RecipeError(
            f"rows {start} to {start + len(batch) - 1} (from 0) do not fit in one parquet table, "
            f"whose columns are those of the first rows: {error}; write jsonl instead"
        ) from error
