"""Annotate: scores for samples that exist already, from a file into a file, a batch at a time."""

import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from filters.rules import scorer_columns
from filters.scorer import Response, Scorer
from filters.scorers import build_scorers
from infra.rows import Row, find_files, read_rows
from jobs.judge import guarded
from jobs.tell import Told, table
from schemas.errors import RecipeError
from schemas.score import FALSE, TRUE, Score

BATCH = 256
NEEDED = ("prompt", "response")


def annotate(source: str, names: Sequence[str], target: str) -> Told:
    """Writes `target` with the input's columns and the scorers' columns; returns the counts.

    RecipeError for a file without the columns that are needed. An existing target is replaced
    only when the new one is complete.
    """
    output = Path(target)
    if output.suffix not in (".jsonl", ".parquet"):
        raise RecipeError(f"-o {target}: must end in .jsonl or .parquet")
    scorers = build_scorers(names)
    counts: Counter[tuple[str, str]] = Counter()
    started = time.monotonic()
    temporary = output.with_name(f".{output.name}.partial")
    scored = _scored(source, scorers, counts)
    try:
        if output.suffix == ".jsonl":
            rows = _write_jsonl(temporary, scored)
        else:
            rows = _write_parquet(temporary, scored, _score_schema(scorers))
        temporary.replace(output)
    finally:
        temporary.unlink(missing_ok=True)
    seconds = time.monotonic() - started
    return _told(counts, rows, seconds, output)


def _scored(
    source: str, scorers: dict[str, Scorer], counts: Counter[tuple[str, str]]
) -> Iterator[dict[str, Any]]:
    judges = {name: guarded(scorer) for name, scorer in scorers.items()}
    columns = {name: list(scorer_columns(scorer)) for name, scorer in scorers.items()}
    taken = {column for names in columns.values() for column in names}
    try:
        for file in find_files(source):
            for row in read_rows(file):
                if clash := taken & row.values.keys():
                    raise RecipeError(f"{row.where}: already has the columns {sorted(clash)}")
                response = _response(row)
                out = dict(row.values)
                for name, judge in judges.items():
                    score = judge(response)
                    counts[name, score.verdict or score.reason or "ok"] += 1
                    out |= _columns(name, columns[name], score)
                yield out
    finally:
        for judge in judges.values():
            judge.close()


def _response(row: Row) -> Response:
    for name in NEEDED:
        if not isinstance(row.values.get(name), str):
            raise RecipeError(
                f"{row.where}: needs a text in the column {name!r}; it has {', '.join(row.values)}"
            )
    reference, finish = row.values.get("reference"), row.values.get("finish_reason")
    return Response.of_text(
        row.values["response"],
        prompt=row.values["prompt"],
        reference=None if reference is None else str(reference),
        finish_reason=None if finish is None else str(finish),
        thinking_open=False,
    )


def _columns(name: str, columns: list[str], score: Score) -> dict[str, Any]:
    correct = {TRUE: True, FALSE: False}.get(score.verdict or "")
    facts = {**score.values, "reason": score.reason, "verdict": score.verdict, "correct": correct}
    return {column: facts.get(column.removeprefix(f"{name}.")) for column in columns}


def _score_schema(scorers: dict[str, Scorer]) -> pa.Schema:
    columns = {name: kind for s in scorers.values() for name, kind in scorer_columns(s).items()}
    empty: pa.Table = pl.DataFrame(schema=columns).to_arrow(compat_level=pl.CompatLevel.oldest())
    return pa.schema([field.with_type(_plain_text(field.type)) for field in empty.schema])


def _plain_text(kind: pa.DataType) -> pa.DataType:
    return pa.string() if pa.types.is_large_string(kind) else kind


def _write_jsonl(path: Path, rows: Iterator[dict[str, Any]]) -> int:
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=True, default=str) + "\n")
            count += 1
    return count


def _write_parquet(path: Path, rows: Iterator[dict[str, Any]], scores: pa.Schema) -> int:
    """The columns are those of the first batch and the scorers'."""
    writer: pq.ParquetWriter | None = None
    count = 0
    try:
        for batch in _batches(rows):
            if writer is None:
                schema = _input_schema(batch, scores)
                writer = pq.ParquetWriter(path, schema, compression="zstd")
            writer.write_table(_as_table(batch, writer.schema, count))
            count += len(batch)
    finally:
        if writer is not None:
            writer.close()
    if writer is None:
        raise RecipeError("the input has no rows")
    return count


def _input_schema(batch: list[dict[str, Any]], scores: pa.Schema) -> pa.Schema:
    """Types of the input's columns as far as the first batch tells; one of nulls alone is text."""
    names = dict.fromkeys(name for row in batch for name in row if name not in scores.names)
    found = pa.schema([(name, pa.array([row.get(name) for row in batch]).type) for name in names])
    fields = [f.with_type(pa.string()) if pa.types.is_null(f.type) else f for f in found]
    return pa.schema([*fields, *scores])


def _as_table(batch: list[dict[str, Any]], schema: pa.Schema, start: int) -> pa.Table:
    unknown = {name for row in batch for name in row} - set(schema.names)
    try:
        if unknown:
            raise pa.ArrowInvalid(f"new columns {sorted(unknown)}")
        return pa.Table.from_pylist(batch, schema=schema)
    except pa.ArrowException as error:
        raise RecipeError(
            f"rows {start} to {start + len(batch)} do not fit the columns of the first {BATCH}: "
            f"{error}; write jsonl instead"
        ) from error


def _batches(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _told(counts: Counter[tuple[str, str]], rows: int, seconds: float, output: Path) -> Told:
    lines = [(f"{name}: {what}", f"{n:,}") for (name, what), n in sorted(counts.items())]
    rate = rows / seconds if seconds else 0.0
    counted = table(lines, ("verdict or reason", "rows"))
    text = f"{counted}\n\n{rows:,} rows, {rate:,.0f} rows/s, in {output}"
    nested: dict[str, dict[str, int]] = {}
    for (name, what), n in counts.items():
        nested.setdefault(name, {})[what] = n
    return text, {"rows": rows, "seconds": seconds, "counts": nested, "output": str(output)}
