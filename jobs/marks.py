"""Marks: what `gc` has found to be garbage, and when, by the clock of the store.

This machine's clock may be a day ahead of the store's. What is compared are times that the store
itself has given to files.
"""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from infra.store import Store
from jobs.garbage import Garbage
from schemas.errors import StoreError

FOLDER: Final = "gc"
MARKS: Final = f"{FOLDER}/marks.json"
CLOCK: Final = f"{FOLDER}/clock.json"
FORMAT: Final = 1


@dataclass(frozen=True)
class Mark:
    """Of one piece of garbage: when it was found, and how it was then."""

    at: float
    files: int
    bytes: int
    modified: float

    def holds(self, garbage: Garbage) -> bool:
        """Whether nothing was added to it or written since; some of it may be gone, where a sweep
        has begun."""
        return (
            garbage.modified <= self.modified
            and len(garbage.files) <= self.files
            and garbage.bytes <= self.bytes
        )


def store_time(store: Store) -> float:
    """What time it is, by the clock of the store: when a file that is written now was written."""
    nonce = json.dumps({"nonce": secrets.token_hex(8)}).encode()
    # If another one was faster, its file is as new.
    store.replace_if(CLOCK, nonce, expected=store.get(CLOCK))
    return next(entry.modified for entry in store.walk(FOLDER) if entry.key == CLOCK)


def read_marks(content: bytes | None) -> dict[str, Mark]:
    """StoreError for marks that nobody can read, or of a newer format."""
    if content is None:
        return {}
    try:
        known = json.loads(content)
        if known["format"] > FORMAT:
            raise StoreError(f"{MARKS} has the newer format {known['format']}: use a newer version")
        return {key: Mark(**mark) for key, mark in known["marks"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(
            f"{MARKS} is damaged ({error}); delete it, and everything waits for a day again"
        ) from error


def write_marks(store: Store, garbage: Sequence[Garbage], now: float) -> dict[str, Mark]:
    """Marks this garbage and nothing else; returns the marks of before. What was marked then, and
    has not been touched since, keeps its mark."""
    while True:
        content = store.get(MARKS)
        before = read_marks(content)
        marks = {one.key: asdict(marked(one, before, now)) for one in garbage}
        fresh = json.dumps({"format": FORMAT, "marks": marks}, indent=1).encode()
        if store.replace_if(MARKS, fresh, expected=content):
            return before


def marked(garbage: Garbage, before: Mapping[str, Mark], now: float) -> Mark:
    """Its mark: the old one, if that holds, else one of now."""
    old = before.get(garbage.key)
    # One from after now was made before the store's clock was set back.
    if old is not None and old.holds(garbage) and old.at <= now:
        return old
    return Mark(now, len(garbage.files), garbage.bytes, garbage.modified)
