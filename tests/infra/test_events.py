"""What happened can be read again, in order, whatever the store did meanwhile."""

from pathlib import Path
from typing import Any

import pytest

from infra.events import EventLog, EventTail, events_root, read_events
from infra.folder_store import FolderStore
from schemas.errors import StoreError

POOL, ATTEMPT = "p", "a000001"


def log_in(root: Path) -> EventLog:
    return EventLog(FolderStore(root), POOL, ATTEMPT)


def read(root: Path) -> list[dict[str, Any]]:
    return read_events(FolderStore(root), POOL, ATTEMPT)


def names(root: Path) -> list[str]:
    return [event["event"] for event in read(root)]


def folder(root: Path) -> Path:
    return root / events_root(POOL, ATTEMPT)


def test_events_come_back_in_order_with_their_facts(tmp_path: Path) -> None:
    log = log_in(tmp_path)
    log.add("started", replica="r0.1", samples=3, path=Path("x"), nothing=None)
    log.add("died", reason="é\nsecond line")
    log.flush()
    log.add("ended")
    log.flush()
    first, second, third = read(tmp_path)
    assert first.pop("at").endswith("+00:00")
    assert first == {"event": "started", "replica": "r0.1", "samples": 3, "path": "x"}
    assert second["reason"] == "é\nsecond line"
    assert third["event"] == "ended"


def test_an_attempt_without_events_has_none(tmp_path: Path) -> None:
    log_in(tmp_path).flush()
    assert read(tmp_path) == []
    assert list(tmp_path.iterdir()) == [], "nothing to say, nothing written"


def test_what_is_written_is_not_written_again(tmp_path: Path) -> None:
    log = log_in(tmp_path)
    log.add("once")
    log.flush()
    log.flush()
    assert names(tmp_path) == ["once"]
    assert [path.name for path in folder(tmp_path).iterdir()] == ["000001.jsonl"]


def test_numbers_go_on_behind_the_files_that_are_there(tmp_path: Path) -> None:
    for number in range(3):
        log = log_in(tmp_path)
        log.add(f"of driver {number}")
        log.flush()
        log.add(f"more of driver {number}")
        log.flush()
    assert names(tmp_path)[::2] == [f"of driver {number}" for number in range(3)]
    assert len(list(folder(tmp_path).iterdir())) == 6


def test_a_torn_file_is_named(tmp_path: Path) -> None:
    log = log_in(tmp_path)
    log.add("first")
    log.add("second")
    log.flush()
    (path,) = folder(tmp_path).iterdir()
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(StoreError, match=r"000001\.jsonl:2: is not JSON"):
        read(tmp_path)


def test_while_nothing_can_be_written_events_wait(tmp_path: Path) -> None:
    root = tmp_path / "store"
    root.write_text("no folder")
    log = log_in(root)
    log.add("before")
    log.flush()
    log.add("after")
    root.unlink()
    root.mkdir()
    log.flush()
    assert names(root) == ["before", "after"]


def test_while_the_store_is_away_nothing_is_written_in_its_place(tmp_path: Path) -> None:
    root, away = tmp_path / "store", tmp_path / "away"
    root.mkdir()
    log = log_in(root)
    log.add("before")
    log.flush()
    root.rename(away)
    log.add("meanwhile")
    log.flush()
    assert not root.exists(), "what is written there would be hidden when the store is back"
    away.rename(root)
    log.flush()
    assert names(root) == ["before", "meanwhile"]


def tail_of(root: Path) -> EventTail:
    return EventTail(FolderStore(root), POOL, ATTEMPT)


def test_a_tail_tells_each_event_once(tmp_path: Path) -> None:
    tail = tail_of(tmp_path)
    assert tail.new(lambda: False) == []
    log = log_in(tmp_path)
    for name in ("first", "second", "third"):
        log.add(name)
        log.flush()
        assert [event["event"] for event in tail.new(lambda: False)] == [name]
    assert tail.new(lambda: False) == []
    late = tail_of(tmp_path)
    assert [e["event"] for e in late.new(lambda: False)] == ["first", "second", "third"]


def test_a_tail_can_be_stopped_and_goes_on(tmp_path: Path) -> None:
    log = log_in(tmp_path)
    for number in range(100):
        log.add(str(number))
        log.flush()
    tail = tail_of(tmp_path)
    begun = tail.new(lambda: True)
    assert 0 < len(begun) < 100
    assert tail.left == 100 - len(begun)
    rest = tail.new(lambda: False)
    assert [event["event"] for event in begun + rest] == [str(number) for number in range(100)]
    assert tail.left == 0


def test_a_tail_names_torn_lines_and_tells_the_others(tmp_path: Path) -> None:
    log = log_in(tmp_path)
    log.add("first")
    log.add("second")
    log.flush()
    (path,) = folder(tmp_path).iterdir()
    path.write_bytes(path.read_bytes()[:-5] + b"\n[1]\n")
    tail = tail_of(tmp_path)
    assert [event["event"] for event in tail.new(lambda: False)] == ["first"]
    assert [line.rpartition("/")[2] for line in tail.torn] == ["000001.jsonl:2", "000001.jsonl:3"]
