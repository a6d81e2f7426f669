"""What happened in an attempt, as JSON lines: when, to whom, why."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from infra.store import Store
from schemas.errors import StoreError, StoreUnavailableError

TAIL_THREADS = 8
TAIL_FILES = 64
"""At once: a long attempt has thousands, and a bucket takes 10 ms for each."""


class EventLog:
    """Collects events and writes them as `events/<n>.jsonl`, a new file each time."""

    def __init__(self, store: Store, pool: str, attempt: str) -> None:
        self._store = store
        self._root = events_root(pool, attempt)
        self._number = 0
        self._events: list[dict[str, Any]] = []

    def add(self, event: str, **facts: Any) -> None:
        """Notes an event; `facts` with null are left out."""
        known = {name: value for name, value in facts.items() if value is not None}
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._events.append({"at": at, "event": event, **known})

    def flush(self) -> None:
        """Writes what is new. While the store is out, events wait."""
        if not self._events:
            return
        lines = "".join(f"{json.dumps(event, default=str)}\n" for event in self._events)
        try:
            while not self._store.put_if_absent(
                f"{self._root}/{self._number + 1:06d}.jsonl", lines.encode()
            ):
                self._number += 1
        except StoreUnavailableError:
            return
        self._number += 1
        self._events = []


class EventTail:
    """The events of an attempt as they come: each file is read once; after the first look without a
    listing, by their numbers."""

    def __init__(self, store: Store, pool: str, attempt: str) -> None:
        self._store = store
        self._root = events_root(pool, attempt)
        self._waiting: list[str] = []
        self._number: int | None = None
        self.torn: list[str] = []
        """Lines that are not JSON; what they told is missing."""

    def new(self, until: Callable[[], bool]) -> list[dict[str, Any]]:
        """Those that came since the last call, in order; stops early, after some files, once
        `until` holds."""
        if self._number is None:
            self._waiting = self._store.files(self._root)
            last = self._waiting[-1] if self._waiting else "0."
            self._number = int(last.rpartition("/")[2].partition(".")[0])
        events: list[dict[str, Any]] = []
        with ThreadPoolExecutor(TAIL_THREADS) as threads:
            while self._waiting:
                names, later = self._waiting[:TAIL_FILES], self._waiting[TAIL_FILES:]
                for name, content in zip(names, threads.map(self._store.get, names), strict=True):
                    events += self._parsed(name, content or b"")
                self._waiting = later
                if until():
                    return events
        while True:
            name = f"{self._root}/{self._number + 1:06d}.jsonl"
            content = self._store.get(name)
            if content is None:
                return events
            self._number += 1
            events += self._parsed(name, content)

    @property
    def left(self) -> int:
        """Files that are known of and not read yet."""
        return len(self._waiting)

    def _parsed(self, name: str, content: bytes) -> list[dict[str, Any]]:
        events = []
        for number, line in enumerate(content.splitlines(), 1):
            event = _event(line)
            if event is None:
                self.torn.append(f"{name}:{number}")
            else:
                events.append(event)
        return events


def _event(line: bytes) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    known = isinstance(event, dict) and {"at", "event"} <= event.keys()
    return event if known else None


def events_root(pool: str, attempt: str) -> str:
    """Where an attempt's events lie in the store."""
    return f"pools/{pool}/attempts/{attempt}/events"


def read_events(store: Store, pool: str, attempt: str) -> list[dict[str, Any]]:
    """All events of an attempt, in order. StoreError for a torn file."""
    events = []
    for name in store.files(events_root(pool, attempt)):
        for number, line in enumerate((store.get(name) or b"").splitlines(), 1):
            try:
                events.append(json.loads(line))
            except ValueError as error:
                raise StoreError(f"{name}:{number}: is not JSON: {error}") from error
    return events
