"""Rescore: a share of a version's rows, scored again by the scorers of its recipe.

A row has the texts without the blank space around them, and not how the thinking was opened. What
depends on that is not compared, and is said to be so.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import pyarrow as pa

from filters.scorer import Response, Scorer, scorer_id
from filters.scorers import build_scorers, scorers_of
from infra.parquet import open_parquet
from infra.version import Version
from jobs.evaluation import evaluation_questions
from jobs.guarded import Guarded, guarded
from jobs.verify_rows import NAMED, Show
from schemas.errors import RecipeError, SandboxError
from schemas.prompt import Prompt
from schemas.recipe import EvaluationSet
from schemas.score import Score

OUTPUT: Final = "sft"
ROWS: Final = 64
"""Read at once: long samples have a megabyte each."""
COLUMNS: Final = [
    "id",
    "domain",
    "messages",
    "reasoning",
    "response",
    "reference_answer",
    "reference_from",
    "finish_reason",
    "scores",
]
NOT_FROM_ROWS: Final = {
    "format": ("missing_open", "longest_paragraph"),
    "repetition": ("tail_ratio", "tail_period", "tail_repeats", "reason"),
}
"""Fields that also depend on what a row does not have."""

Difference = tuple[str, str, str, Any, Any]
"""id, scorer, field, what the row says, what is found now."""


@dataclass
class Rescored:
    """What came of it."""

    rows: int = 0
    unanswered: int = 0
    """Rows without an answer: whether their thinking was closed is not in them."""
    differences: list[Difference] = field(default_factory=list)
    """The first few of each field."""
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Of all, by scorer and field."""
    impossible: dict[str, str] = field(default_factory=dict)
    """Scorers that cannot be asked here, and why."""
    skipped: list[str] = field(default_factory=list)
    """Fields that are not compared."""
    other: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Scorers that are others now: their identities, in the manifest and now."""

    def problems(self) -> Iterator[str]:
        """The differences."""
        for (scorer, name), count in sorted(self.counts.items()):
            some = [d for d in self.differences if d[1:3] == (scorer, name)]
            said = ", ".join(f"{d[0]} ({d[3]!r}, now {d[4]!r})" for d in some)
            now = " (which is another scorer now)" if scorer in self.other else ""
            more = ", …" if count > len(some) else ""
            yield f"{scorer}.{name}{now} differs in {count:,} of {self.rows:,} rows: {said}{more}"

    def remarks(self) -> Iterator[str]:
        """What is not compared, and why."""
        for name, why in sorted(self.impossible.items()):
            yield f"{name} was not asked: {why}"
        for name, (then, now) in sorted(self.other.items()):
            yield f"{name} is another scorer now: {now}; in the manifest it is {then}"
        if self.skipped:
            yield f"not compared, since rows lack what they depend on: {', '.join(self.skipped)}"
        if self.unanswered:
            yield f"{self.unanswered:,} rows without an answer: their samples are not in them whole"

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        counts = {f"{scorer}.{name}": n for (scorer, name), n in sorted(self.counts.items())}
        return {"rows": self.rows, "differences": counts, "remarks": list(self.remarks())}


def rescore(version: Version, share: float, show: Show) -> Rescored:
    """Scores about this share of the rows again, the same ones every time."""
    done = Rescored()
    by_domain = version.manifest.recipe["scorers"]
    scorers = dict(_scorers(version, done))
    with ExitStack() as stack:
        judges = _judges(scorers, done, stack)
        for rows in _chosen(version, share):
            done.rows += len(rows)
            answered = [row for row in rows if row["response"]]
            done.unanswered += len(rows) - len(answered)
            for name, judge in judges.items():
                asked = [r for r in answered if name in scorers_of(by_domain, r["domain"])]
                scores = judge([_response(row) for row in asked])
                for row, score in zip(asked, scores, strict=True):
                    _compare(done, scorers[name], row, score)
            show(f"{done.rows:,} rows scored again")
    return done


def _scorers(version: Version, done: Rescored) -> Iterator[tuple[str, Scorer]]:
    """Those of the manifest that can be made here."""
    recipe = version.manifest.recipe
    sets = [EvaluationSet(**one) for one in recipe.get("decontaminate", [])]
    questions = partial(evaluation_questions, sets) if sets else None
    for name, then in version.manifest.scorers.items():
        try:
            scorer = build_scorers([name], questions)[name]
            now = scorer_id(scorer)
        except RecipeError as error:
            done.impossible[name] = str(error)
            continue
        if now != then:
            done.other[name] = (then, now)
        done.skipped += [f"{name}.{one}" for one in NOT_FROM_ROWS.get(name, ())]
        yield name, scorer


def _judges(scorers: Mapping[str, Scorer], done: Rescored, stack: ExitStack) -> dict[str, Guarded]:
    judges = {}
    for name, scorer in scorers.items():
        try:
            judges[name] = stack.enter_context(closing(guarded(scorer)))
        except SandboxError as error:
            done.impossible[name] = str(error)
    return judges


def _chosen(version: Version, share: float) -> Iterator[list[dict[str, Any]]]:
    """The rows of the share, some at a time."""
    files = (file for file in version.manifest.files if file.path.startswith(f"{OUTPUT}/"))
    for file in sorted(files, key=lambda file: file.path):
        with open_parquet(version.uri(file)) as part:
            for batch in part.iter_batches(ROWS, columns=COLUMNS, use_threads=False):
                mask = pa.array([_is_chosen(one, share) for one in batch["id"].to_pylist()])
                if rows := batch.filter(mask).to_pylist():
                    yield rows


def _is_chosen(row_id: str, share: float) -> bool:
    return int.from_bytes(hashlib.sha256(row_id.encode()).digest()[:8]) < share * 2**64


def _response(row: Mapping[str, Any]) -> Response:
    """What the scorers of the run have seen, as far as the row has it."""
    *before, _ = row["messages"]
    prompt = Prompt("", "", tuple(before), None, row["domain"], None, None)
    return Response(
        prompt=prompt.question,
        said_before=prompt.said_before,
        reasoning=row["reasoning"],
        answer=row["response"],
        finish_reason=row["finish_reason"],
        reference=row["reference_answer"] if row["reference_from"] == "prompt" else None,
    )


def _compare(done: Rescored, scorer: Scorer, row: Mapping[str, Any], score: Score) -> None:
    now = {**score.values, "reason": score.reason, "verdict": score.verdict}
    for name, value in row["scores"][scorer.name].items():
        if name not in NOT_FROM_ROWS.get(scorer.name, ()) and value != now.get(name):
            done.counts[scorer.name, name] += 1
            if done.counts[scorer.name, name] <= NAMED:
                done.differences.append((row["id"], scorer.name, name, value, now.get(name)))
