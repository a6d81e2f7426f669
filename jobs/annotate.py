"""Annotate: scores for samples that exist already, from a file into a file, a batch at a time."""

import os
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from types import TracebackType

from filters.rules import scorer_columns
from filters.scorer import Response, Scorer
from filters.scorers import build_scorers
from infra.rows import Row, find_files, read_rows
from jobs.annotated_file import SUFFIXES, Columns, write_annotated
from jobs.evaluation import evaluation_questions
from jobs.guarded import guarded
from jobs.progress import ProgressDisplay
from jobs.prompts import reference_text
from jobs.tell import Told, table
from schemas.errors import RecipeError
from schemas.recipe import EvaluationSet
from schemas.score import FALSE, TRUE, Score

Counts = Counter[tuple[str, str, str]]
"""Of rows by scorer, verdict and reason."""

BATCH = 256
NEEDED = ("prompt", "response")


def annotate(
    source: str, names: Sequence[str], target: str, evaluation: Sequence[str] = ()
) -> Told:
    """Writes `target` with the input's columns and the scorers' columns; returns the counts.

    `evaluation` are evaluation sets, each a PATH or PATH:FIELD. RecipeError for a file without the
    columns that are needed, or without rows. An existing target is replaced only when the new one
    is complete.
    """
    output = Path(target)
    if output.suffix not in SUFFIXES:
        raise RecipeError(f"-o {target}: must end in {' or '.join(SUFFIXES)}")
    questions = evaluation_questions([_evaluation_set(text) for text in evaluation])
    scorers = build_scorers(names, (lambda: questions) if evaluation else None)
    rows = (row for file in find_files(source) for row in read_rows(file))
    with ProgressDisplay() as display, _Annotator(scorers) as annotator:
        write_annotated(output, _shown(annotator, rows, display), scorers)
    return annotator.told(output)


def _evaluation_set(text: str) -> EvaluationSet:
    path, colon, field = text.rpartition(":")
    if not colon or "/" in field or Path(text).exists():
        return EvaluationSet(path=text)
    return EvaluationSet(path=path, field=field)


def _shown(
    annotator: "_Annotator", rows: Iterator[Row], display: ProgressDisplay
) -> Iterator[list[Columns]]:
    for batch in annotator.annotated(rows):
        yield batch
        display.show(f"{annotator.rows:,} rows, {annotator.rate:,.0f} rows/s")
    if not annotator.rows:
        raise RecipeError("the input has no rows")


class _Annotator:
    """Scores batches of rows on all processors."""

    def __init__(self, scorers: dict[str, Scorer]) -> None:
        self._threads = len(os.sched_getaffinity(0))
        self._pool = ThreadPoolExecutor(self._threads)
        self._judges = {
            name: guarded(each, self._threads, sandbox_must_be=False)
            for name, each in scorers.items()
        }
        self._columns = {name: list(scorer_columns(each)) for name, each in scorers.items()}
        self._started = time.monotonic()
        self._counts: Counts = Counter()
        self.rows = 0

    @property
    def rate(self) -> float:
        """Rows a second."""
        return self.rows / (time.monotonic() - self._started)

    def __enter__(self) -> "_Annotator":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown(cancel_futures=True)
        for judge in self._judges.values():
            judge.close()

    def annotated(self, rows: Iterator[Row]) -> Iterator[list[Columns]]:
        """The rows' columns and those of their scores, in order, a few batches ahead."""
        running: deque[Future[tuple[list[Columns], Counts]]] = deque()
        while True:
            while len(running) <= self._threads and (batch := list(islice(rows, BATCH))):
                running.append(self._pool.submit(self._score, batch))
            if not running:
                return
            columns, counts = running.popleft().result()
            self._counts.update(counts)
            self.rows += len(columns)
            yield columns

    def _score(self, batch: list[Row]) -> tuple[list[Columns], Counts]:
        responses = [self._response(row) for row in batch]
        annotated: list[Columns] = [dict(row.values) for row in batch]
        counts: Counts = Counter()
        for name, judge in self._judges.items():
            for columns, score in zip(annotated, judge(responses), strict=True):
                counts[name, score.verdict or "", score.reason or ""] += 1
                columns |= _score_columns(name, self._columns[name], score)
        return annotated, counts

    def _response(self, row: Row) -> Response:
        for name in NEEDED:
            if not isinstance(row.values.get(name), str):
                has = ", ".join(row.values)
                raise RecipeError(f"{row.where}: needs a text in the column {name!r}; it has {has}")
        added = {column for columns in self._columns.values() for column in columns}
        if clash := added & row.values.keys():
            raise RecipeError(f"{row.where}: already has the columns {sorted(clash)}")
        reference, finish = row.values.get("reference"), row.values.get("finish_reason")
        tests = row.values.get("tests")
        return Response.of_text(
            row.values["response"],
            prompt=row.values["prompt"],
            reference=reference_text(reference if tests is None else tests),
            finish_reason=None if finish is None else str(finish),
            thinking_open=False,
        )

    def told(self, output: Path) -> Told:
        """How often each scorer gave which verdict for which reason."""
        counts = sorted(self._counts.items())
        lines = [(*what, f"{n:,}", f"{n / self.rows:.1%}") for what, n in counts]
        counted = table(lines, ("scorer", "verdict", "reason", "rows", "share"), words=3)
        text = f"{counted}\n\n{self.rows:,} rows, {self.rate:,.0f} rows/s, in {output}"
        data = [
            {"scorer": scorer, "verdict": verdict or None, "reason": reason or None, "rows": n}
            for (scorer, verdict, reason), n in counts
        ]
        return text, {"rows": self.rows, "rate": self.rate, "counts": data, "output": str(output)}


def _score_columns(name: str, columns: list[str], score: Score) -> Columns:
    correct = {TRUE: True, FALSE: False}.get(score.verdict or "")
    facts = {**score.values, "reason": score.reason, "verdict": score.verdict, "correct": correct}
    return {column: facts.get(column.removeprefix(f"{name}.")) for column in columns}
