"""The record of each refresh of a dataset: what it began with, how it ended, what that rests on.

`datasets/<name>/refreshes/r000007/begun.json` is written at its start, `ended.json` at its end. One
without an end was killed, or told to stop: the next one goes on with it, within the same budget.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any, Self

from infra.meter import Spent
from infra.store import Store
from schemas.errors import StoreError


@dataclass(frozen=True)
class Begun:
    """How a refresh began."""

    at: str
    """Wall-clock time, which is only shown."""
    spent: Spent
    """What all attempts of the recipe had spent then, or when the one began that it goes on
    with."""
    accepted: str | None = None
    """Identity of a recipe for which somebody has accepted that much is bought again; also if that
    was said to the one that it goes on with."""
    goes_on_with: str | None = None
    """A refresh before, which did not end."""

    @classmethod
    def of(cls, values: dict[str, Any]) -> Self:
        """From JSON values."""
        return cls(**{**values, "spent": Spent(**values["spent"])})


@dataclass(frozen=True)
class Ended:
    """How it ended."""

    at: str
    """Wall-clock time, which is only shown."""
    told: dict[str, Any]
    """What it printed, as JSON values."""
    newest: str | None
    """The newest version then."""
    grounds: str | None
    """Identity of all that the result rests on, where nothing was left to be done; else null."""


@dataclass(frozen=True)
class Record:
    """Of one refresh."""

    refresh: str
    """Its name, that of its lease."""
    begun: Begun
    ended: Ended | None


def last_record(store: Store, dataset: str) -> Record | None:
    """Of the newest refresh; null before the first. StoreError for one that cannot be read."""
    names = store.folders(f"datasets/{dataset}/refreshes")
    if not names:
        return None
    begun, ended = (_key(dataset, names[-1], what) for what in ("begun", "ended"))
    try:
        end = store.get(ended)
        return Record(
            names[-1],
            Begun.of(json.loads(store.get(begun) or b"")),
            None if end is None else Ended(**json.loads(end)),
        )
    except (ValueError, TypeError, KeyError) as error:
        raise StoreError(
            f"{begun}, or ended.json beside it, is no record of a refresh of this version "
            f"({error}); delete that folder, and the next refresh looks at everything anew"
        ) from error


def write_begun(store: Store, dataset: str, refresh: str, begun: Begun) -> None:
    """Once, at the start."""
    _write(store, _key(dataset, refresh, "begun"), begun)


def write_ended(store: Store, dataset: str, refresh: str, ended: Ended) -> None:
    """Once, at the end."""
    _write(store, _key(dataset, refresh, "ended"), ended)


def _write(store: Store, key: str, facts: Begun | Ended) -> None:
    store.put_if_absent(key, json.dumps(asdict(facts), indent=2).encode())


def _key(dataset: str, refresh: str, what: str) -> str:
    return f"datasets/{dataset}/refreshes/{refresh}/{what}.json"
