"""What an attempt has spent: tokens, and the time of its replicas. Kept in the store, so that a
budget counts over all attempts, whatever ended them."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from infra.messages import Seen
from infra.store import Store
from schemas.errors import StoreError, StoreUnavailableError

SAVE_S = 5.0
"""A driver that is killed has spent so much more than its meter says."""


@dataclass(frozen=True)
class Spent:
    """Of one attempt, or of many together."""

    tokens: int = 0
    """Generated ones, also of samples that were cancelled or lost."""
    replica_s: float = 0.0
    """From each replica's start to its end."""
    gpu_hours: float = 0.0
    drawing_s: float = 0.0
    """Of the replicas, since each was ready."""

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(
            self.tokens + other.tokens,
            self.replica_s + other.replica_s,
            self.gpu_hours + other.gpu_hours,
            self.drawing_s + other.drawing_s,
        )


@dataclass
class _Replica:
    started_at: float
    ready_at: float | None = None
    ended_at: float | None = None
    tokens: int = 0


class Meter:
    """Of the attempt at work. Times are of one monotonic clock."""

    def __init__(
        self, store: Store, pool: str, attempt: str, recipe: str, teacher: str, gpus: int
    ) -> None:
        self._store = store
        self._key = _key(pool, attempt)
        self._about = {"recipe": recipe, "teacher": teacher}
        self._gpus = gpus
        self._replicas: dict[str, _Replica] = {}
        self._delivered = 0
        self._saved: bytes | None = None
        self._saved_at = 0.0

    def started(self, replica: str, now: float) -> None:
        """From now on it costs."""
        self._replicas[replica] = _Replica(now)

    def ended(self, replica: str, now: float) -> None:
        """It costs no more; one that was never started did not."""
        if replica in self._replicas:
            self._replicas[replica].ended_at = now

    def saw(self, replicas: Mapping[str, Seen], delivered: int, now: float) -> None:
        """What replicas last said of themselves, and the tokens of everything that the attempt has
        delivered: more than that was generated."""
        self._delivered = delivered
        for name, seen in replicas.items():
            if name in self._replicas:
                own = self._replicas[name]
                own.tokens = max(own.tokens, seen.beat.generated)
                own.ready_at = own.ready_at or now

    def spent(self, now: float) -> Spent:
        """Until now."""
        ends = {name: own.ended_at or now for name, own in self._replicas.items()}
        replica_s = sum(ends[name] - own.started_at for name, own in self._replicas.items())
        return Spent(
            tokens=max(self._delivered, sum(own.tokens for own in self._replicas.values())),
            replica_s=replica_s,
            gpu_hours=self._gpus * replica_s / 3600,
            drawing_s=sum(
                ends[name] - own.ready_at
                for name, own in self._replicas.items()
                if own.ready_at is not None
            ),
        )

    def save(self, now: float, *, last: bool = False) -> None:
        """Writes it down every few seconds, and at the `last`; while the store is out, later."""
        if now - self._saved_at < SAVE_S and not last:
            return
        content = json.dumps(self._about | asdict(self.spent(now)), sort_keys=True).encode()
        try:
            if not self._store.replace_if(self._key, content, expected=self._saved):
                # An earlier save of ours, of which we did not hear that it went through: the lease
                # says that nobody else writes it.
                self._saved = self._store.get(self._key)
                if not self._store.replace_if(self._key, content, expected=self._saved):
                    return
        except StoreUnavailableError:
            return
        self._saved, self._saved_at = content, now


def spent_by(store: Store, pool: str, **about: str) -> dict[str, Spent]:
    """Of each attempt on a pool of this `recipe`, or with this `teacher`. StoreError for a meter
    that cannot be read."""
    found = {}
    for attempt in store.folders(f"pools/{pool}/attempts"):
        if (metered := spent_in(store, pool, attempt)) is not None:
            own, spent = metered
            if about.items() <= own.items():
                found[attempt] = spent
    return found


def spent_in(store: Store, pool: str, attempt: str) -> tuple[dict[str, str], Spent] | None:
    """What an attempt's meter is about (`recipe`, `teacher`) and what it says; null without one.
    StoreError for a meter that cannot be read."""
    content = store.get(_key(pool, attempt))
    if content is None:
        return None
    try:
        entry = json.loads(content)
        return {name: entry.pop(name) for name in ("recipe", "teacher")}, Spent(**entry)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(f"{_key(pool, attempt)}: is no meter: {error}") from error


def _key(pool: str, attempt: str) -> str:
    return f"pools/{pool}/attempts/{attempt}/meter.json"
