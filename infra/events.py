"""What happened in an attempt, as JSON lines: when, to whom, why."""

import json
from datetime import UTC, datetime
from typing import Any

from infra.store import Store
from schemas.errors import StoreError, StoreUnavailableError


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
