"""How far a run is stands in its event log, seldom enough, whatever happens to its coordinator."""

from pathlib import Path
from typing import Any

import pytest

from infra.events import EventLog, read_events
from infra.folder_store import FolderStore
from infra.messages import Beat, Progress, Seen
from infra.meter import Spent
from jobs.progress_events import EVERY_S, LONGEST_S, ProgressEvents

AT_WORK = {"r0.1": Seen(Beat(0, 0, 0.0), 1, 0)}


@pytest.fixture
def log(tmp_path: Path) -> EventLog:
    return EventLog(FolderStore(tmp_path), "p", "a000001")


def noted(log: EventLog, tmp_path: Path, event: str = "progress") -> list[dict[str, Any]]:
    log.flush()
    return [e for e in read_events(FolderStore(tmp_path), "p", "a000001") if e["event"] == event]


def test_progress_is_noted_at_once_then_seldom_and_at_the_end(
    log: EventLog, tmp_path: Path
) -> None:
    events = ProgressEvents(log)
    last = Progress()
    for second in range(31):
        now = Progress(drawn=second, prompts=9, replicas=AT_WORK)
        events.saw(now, last, Spent(tokens=10 * second), 1000.0 + second)
        last = now
    events.saw(Progress(drawn=40, finished=True), last, Spent(tokens=400), 1031.0)
    notes = noted(log, tmp_path)
    assert [note["drawn"] for note in notes] == [0, int(EVERY_S), int(2 * EVERY_S), 40]
    assert notes[-1]["tokens"] == 400


def test_a_long_run_notes_less_often_but_every_minute(log: EventLog, tmp_path: Path) -> None:
    events, day = ProgressEvents(log), 24 * 3600
    for second in range(0, day, 5):
        events.saw(Progress(), Progress(), Spent(), 1.0 + second)
    count = len(noted(log, tmp_path))
    assert day / LONGEST_S <= count < 2 * day / LONGEST_S


def test_counts_go_on_behind_a_coordinator_that_died(log: EventLog, tmp_path: Path) -> None:
    events = ProgressEvents(log)
    first = Progress(drawn=5, kept=2, replicas=AT_WORK)
    events.saw(first, Progress(), Spent(), 1.0)
    events.saw(Progress(drawn=3, kept=1, replicas=AT_WORK), Progress(), Spent(), 100.0)
    assert [(n["drawn"], n["kept"]) for n in noted(log, tmp_path)] == [(5, 2), (8, 3)]
    assert len(noted(log, tmp_path, "replica_ready")) == 1, "it was ready before"
