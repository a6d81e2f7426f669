"""What the scorers of text say of texts with labels, and how fast they are.

    python -m benchmarks.labelled_texts

False accepts: something is wrong and the scorer says nothing, or another thing. False rejects: it
finds something in what is in order.
"""

import time
from collections import Counter, defaultdict

from benchmarks.leaks import made
from filters.scorer import Response
from filters.scorers import build_scorers
from jobs.guarded import guarded
from tests.filters.labelled.texts import HOSTILE, QUESTIONS, Labelled, labelled

SCORERS = build_scorers(
    ("control", "format", "language", "leaks", "pii", "refusal", "repetition", "signature"),
    lambda: {**QUESTIONS, "made up": made(5_000, 0)},
)
BATCH = 64
"""Rows that a scorer worker gives a scorer at once."""
CHARS = 2400
"""About 500 tokens."""


def outcomes() -> dict[str, list[tuple[Labelled, str | None]]]:
    """Of each scorer: its texts, and what it says."""
    found = defaultdict(list)
    for one in labelled():
        found[one.scorer].append((one, SCORERS[one.scorer](one.response).reason))
    return found


def print_labels() -> None:
    for scorer, said in sorted(outcomes().items()):
        wrong = [one for one, _ in said if one.reason is not None]
        accepted = [(one, reason) for one, reason in said if one.reason and reason != one.reason]
        rejected = [(one, reason) for one, reason in said if one.reason is None and reason]
        print(
            f"{scorer}: {len(said)} texts; false accepts {len(accepted)} of {len(wrong)}, "
            f"false rejects {len(rejected)} of {len(said) - len(wrong)}"
        )
        for kind, count in Counter(
            (one.kind, reason) for one, reason in accepted + rejected
        ).items():
            print(f"    {kind[0]}: {kind[1]}, {count} times")


def print_speed() -> None:
    clean = [one.response for one in labelled() if one.kind in ("english", "formulas", "chinese")]
    rows = [
        Response(one.prompt, (one.reasoning or "")[:CHARS], one.answer, "stop")
        for one in clean
        if len(one.reasoning or "") >= CHARS // 2
    ]
    total = 0.0
    for name, scorer in SCORERS.items():
        score = guarded(scorer)
        score(rows)
        started = time.perf_counter()
        for _ in range(5):
            for start in range(0, len(rows), BATCH):
                score(rows[start : start + BATCH])
        seconds = (time.perf_counter() - started) / 5 / len(rows)
        total += seconds
        print(f"{name}: {1 / seconds:,.0f} rows/s")
    chars = sum(len(row.reasoning or "") for row in rows) / len(rows)
    print(f"all: {1 / total:,.0f} rows/s on one processor, {chars:,.0f} characters a row")


def print_slowest() -> None:
    """Of one row, of any text there is, also of a megabyte that is made to be slow."""
    rows = [("labelled", one.response) for one in labelled()]
    rows += [(kind, Response("q", text, text, "stop")) for kind, text in HOSTILE.items()]
    for name, scorer in SCORERS.items():
        times = []
        for kind, row in rows:
            started = time.perf_counter()
            scorer(row)
            times.append((time.perf_counter() - started, kind, len(row.answer)))
        seconds, kind, chars = max(times)
        longest = max(seconds for seconds, kind, _ in times if kind == "labelled")
        print(
            f"{name}: at most {longest * 1000:.1f} ms on a labelled text, {seconds * 1000:,.0f} ms "
            f"on {kind!r} ({chars:,} characters, twice)"
        )


if __name__ == "__main__":
    print_labels()
    print_speed()
    print_slowest()
