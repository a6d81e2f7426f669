"""Looks at an attempt in the store, when somebody asks; reads what is new, and writes nothing."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import inf
from typing import Any

from pydantic import ValidationError

from infra.events import EventTail
from infra.lease import SILENT_S, Holder, holder, writing
from infra.meter import Spent, spent_by, spent_in
from infra.pool import Pool
from infra.store import Store
from jobs.recipe import Job
from jobs.watch.feed import Facts, feed
from jobs.watch.history import History
from jobs.watch.prompt_index import PromptIndex
from jobs.watch.shown import Shown
from jobs.watch.tally import Tally
from schemas.errors import StillhouseError, StoreUnavailableError, VersionError
from schemas.recipe import Recipe

EVERY_S = 3.0
"""Between two looks, however many pages ask."""
NO_ATTEMPT = "no attempt has been made on this pool yet; this page shows the first one"
LOOK_S = 2.0
"""A look that takes longer goes on at the next one."""


@dataclass
class _Attempt:
    """What was read of it so far."""

    name: str
    events: EventTail
    index: PromptIndex
    history: History = field(default_factory=History)
    recipe: Recipe | None = None
    tally: Tally | None = None
    shown: Shown | None = None
    before: Spent = field(default_factory=Spent)
    notes: tuple[str, ...] = ()


class Watcher:
    """Of one attempt, or of the newest one of a pool, whichever that is. One look at a time."""

    def __init__(
        self,
        store: Store,
        pool: str,
        attempt: str | None = None,
        *,
        every_s: float = EVERY_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._pool = pool
        self._asked = attempt
        self._every_s = every_s
        self._clock = clock
        self._lock = threading.Lock()
        self._looked_at = -inf
        self._attempt: _Attempt | None = None
        self._holder: Holder | None = None
        self._beaten_at = 0.0
        self._beaten = ""
        self._good: dict[str, Any] | None = None
        self._stale: dict[str, str] | None = None

    def feed(self) -> dict[str, Any]:
        """What is known now, `stale` with since when and why if nothing new can be read. While
        another thread looks, or just has looked, it is what was known before."""
        if self._lock.acquire(blocking=self._good is None):
            try:
                if self._clock() - self._looked_at >= self._every_s:
                    self._try()
                    self._looked_at = self._clock()
            finally:
                self._lock.release()
        known = self._good or self._nothing("nothing could be read yet")
        return {**known, "stale": self._stale}

    def _try(self) -> None:
        try:
            self._good = self._look()
            self._stale = None
        except (StillhouseError, OSError) as error:
            since = self._stale["since"] if self._stale else _now()
            self._stale = {"since": since, "reason": str(error)}

    def _nothing(self, what: str) -> dict[str, Any]:
        """Of a pool of which no attempt is known, in these words."""
        return {
            "pool": self._pool,
            "store": self._store.url,
            "attempt": None,
            "state": {"name": "waiting", "since": None, "started": None, "what": what},
        }

    def _look(self) -> dict[str, Any]:
        attempts = self._store.folders(f"pools/{self._pool}/attempts")
        if not attempts and self._attempt is not None:
            raise StoreUnavailableError(f"the store {self._store.url} is not there now")
        if self._asked is not None and self._asked not in attempts:
            raise VersionError(f"pool {self._pool!r} has no attempt {self._asked!r}")
        if not attempts:
            return self._nothing(NO_ATTEMPT)
        name = self._asked or attempts[-1]
        if self._attempt is None or self._attempt.name != name:
            self._attempt = self._begin(name)
        return feed(self._facts(self._attempt, tuple(a for a in attempts if a > name)))

    def _begin(self, name: str) -> _Attempt:
        events = EventTail(self._store, self._pool, name)
        pool = Pool(self._store.uri(f"pools/{self._pool}"))
        return _Attempt(name, events, PromptIndex(pool))

    def _facts(self, one: _Attempt, newer: tuple[str, ...]) -> Facts:
        # The lease first: one that is given back has told its end before.
        alive, silent_since = self._heartbeat(one.name)
        deadline = self._clock() + LOOK_S

        def until() -> bool:
            return self._clock() >= deadline

        for event in one.events.new(until):
            one.history.add(event)
        self._open(one)
        notes, left = [*one.notes], one.events.left
        notes += [f"{line} is not JSON; what it told is missing" for line in one.events.torn]
        if one.tally is not None:
            one.tally.look(until)
            notes += [f"{file}: {reason}" for file, reason in one.tally.findings]
            left += one.tally.left
        metered = spent_in(self._store, self._pool, one.name)
        return Facts(
            pool=self._pool,
            store=self._store.url,
            attempt=one.name,
            newer=newer,
            history=one.history,
            tally=one.tally or Tally(None, one.index, one.name),
            recipe=one.recipe,
            spent=Spent() if metered is None else metered[1],
            before=one.before,
            alive=alive,
            silent_since=silent_since,
            newest=one.shown.of(one.tally.newest) if one.shown and one.tally else {},
            notes=tuple(notes),
            left=left,
        )

    def _open(self, one: _Attempt) -> None:
        """Reads the attempt's recipe, once, as soon as it is there."""
        if one.tally is not None:
            return
        content = self._store.get(f"pools/{self._pool}/attempts/{one.name}/recipe.json")
        if content is None and one.history.started is None:
            return
        job = None
        try:
            one.recipe = Recipe.model_validate(json.loads(content or b"{}"))
            job = Job.of(one.recipe)
            job.scorer_ids  # noqa: B018  reads evaluation sets, if a scorer compares with them
        except (ValidationError, ValueError) as error:
            one.notes = (f"the attempt's recipe is not one of this version: {_brief(error)}",)
        except StillhouseError as error:
            job = None
            one.notes = (f"samples cannot be judged here: {error}",)
        one.tally = Tally(job, one.index, one.name)
        one.shown = Shown(one.index, job.scorers if job else ())
        if one.recipe is not None:
            spent = spent_by(self._store, self._pool, recipe=one.recipe.name)
            one.before = sum((s for a, s in spent.items() if a != one.name), start=Spent())

    def _heartbeat(self, attempt: str) -> tuple[bool, str | None]:
        """Whether somebody holds the pool for the attempt, and since when without a beat."""
        held = holder(self._store, writing(self._pool))
        if held is None and self._holder is not None:
            raise StoreUnavailableError(f"the store {self._store.url} is not there now")
        now = self._clock()
        if held != self._holder:
            self._holder, self._beaten_at, self._beaten = held, now, _now()
        if held is None or held.attempt != attempt or held.gone():
            return False, None
        return True, self._beaten if now - self._beaten_at > SILENT_S else None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _brief(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
