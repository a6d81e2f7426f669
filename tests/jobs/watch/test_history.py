"""A run of any length becomes a picture of so many steps, without a token more or less."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from jobs.watch.history import POINTS, TOLD, History, rates

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def note(second: int, tokens: int, drawn: int) -> dict[str, object]:
    at = (BEGAN + timedelta(seconds=second)).isoformat(timespec="milliseconds")
    return {"event": "progress", "at": at, "tokens": tokens, "drawn": drawn}


@pytest.mark.parametrize("notes", [2, 3, POINTS, POINTS + 1, POINTS + 2, 7 * POINTS + 5, 10_000])
def test_steps_are_few_join_and_add_up_to_the_whole(notes: int) -> None:
    history = History()
    for i in range(notes):
        history.add(note(15 * i, 15 * i * i, i))
    steps = history.throughput()
    assert len(steps) <= POINTS + 1
    assert all(before["at"] == after["from"] for before, after in pairwise(steps))
    tokens = sum(step["tokens_per_s"] * (step["at"] - step["from"]) for step in steps)
    assert tokens == pytest.approx(15 * (notes - 1) ** 2, rel=1e-3)
    last = steps[-1]
    assert last["at"] - last["from"] == 15 * max(1, -(-(notes - 1) // POINTS))


def test_one_note_is_no_rate_yet() -> None:
    assert rates([], POINTS) == rates([(1.0, 2, 3)], POINTS) == []


def test_an_event_that_is_told_twice_changes_nothing() -> None:
    history = History()
    events = [note(0, 0, 0), note(15, 150, 3), note(15, 150, 3), note(30, 300, 6)]
    for event in events:
        history.add(event)
    assert [step["tokens_per_s"] for step in history.throughput()] == [10, 10]


def test_only_the_newest_events_are_kept() -> None:
    history = History()
    for i in range(3 * TOLD):
        history.add({"event": "merged", "at": note(i, 0, 0)["at"], "rows": i})
    assert [event["rows"] for event in history.told] == [*range(2 * TOLD, 3 * TOLD)]
