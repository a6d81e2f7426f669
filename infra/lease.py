"""One writer a pool, one refresh a dataset: a lease in the store, changed by compare-and-swap, kept
alive by beats.

No clock of one machine is ever compared with that of another: a newcomer watches whether the beats
of the holder go on, by its own monotonic clock. The wall-clock time in a lease is only shown.
"""

import json
import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from infra.store import Store
from schemas.errors import BusyError, StoreError, StoreUnavailableError

BEAT_S = 2.0
SILENT_S = 10.0
"""A holder that does not beat for so long is taken over. What it still delivers is refused: its
epoch has been succeeded."""
WATCH_S = 0.25


@dataclass(frozen=True)
class Held:
    """What one process at a time may hold."""

    key: str
    """Of its lease in the store."""
    name: str
    """In messages."""
    execution: str
    """What holds it is called; its first letter begins the names: the seventh is `a000007`."""


def writing(pool: str) -> Held:
    """The right to write to a pool."""
    return Held(f"pools/{pool}/writer.json", f"pool {pool}", "attempt")


def refreshing(dataset: str) -> Held:
    """The right to refresh a dataset."""
    return Held(f"datasets/{dataset}/refresh.json", f"dataset {dataset}", "refresh")


@dataclass(frozen=True)
class Holder:
    """The content of a lease."""

    epoch: int
    attempt: str
    recipe: str
    host: str
    pid: int
    process: str
    """What tells this process from any other with its number, on this machine or elsewhere."""
    since: str
    beats: int = 0
    released: bool = False

    def to_json(self) -> bytes:
        """As it is stored."""
        return json.dumps(asdict(self), sort_keys=True).encode()

    def gone(self) -> bool:
        """It says so itself, or it was a process of this machine that no longer exists."""
        return self.released or (
            self.process.startswith(_machine()) and self.process != _process(self.pid)
        )


class WriterLease:
    """The right to what is held. Use `acquire`; `release` it at the end."""

    def __init__(self, store: Store, held: Held, holder: Holder) -> None:
        self._store = store
        self._held = held
        self._holder = holder
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._beat_on, daemon=True, name="writer-lease")
        self.lost: BusyError | None = None
        """Set once somebody else has taken over."""
        self._thread.start()

    @classmethod
    def acquire(
        cls,
        store: Store,
        held: Held,
        recipe: str,
        *,
        silent_s: float = SILENT_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> "WriterLease":
        """Takes the next epoch; BusyError names who holds it, if somebody is at work."""
        before = store.get(held.key)
        if before is not None:
            before = _wait_for_silence(store, held, before, silent_s, clock)
        epoch = 1 + (_parse(held, before).epoch if before else 0)
        holder = Holder(
            epoch=epoch,
            attempt=f"{held.execution[0]}{epoch:06d}",
            recipe=recipe,
            host=socket.gethostname(),
            pid=os.getpid(),
            process=_process(os.getpid()),
            since=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        if not store.replace_if(held.key, holder.to_json(), expected=before):
            raise _busy(held, _parse(held, store.get(held.key) or b"{}"))
        return cls(store, held, holder)

    @property
    def attempt(self) -> str:
        """The name of this execution: that of its first epoch."""
        return self._holder.attempt

    @property
    def epoch(self) -> int:
        """The newest epoch."""
        return self._holder.epoch

    def advance(self) -> int:
        """The next epoch, for a coordinator that follows one that died; BusyError if what was
        held is somebody else's by now."""
        return self._change(lambda holder: replace(holder, epoch=holder.epoch + 1)).epoch

    def check(self) -> None:
        """Raises the BusyError of a lease that was lost."""
        if self.lost is not None:
            raise self.lost

    def release(self) -> None:
        """Lets the next writer start at once."""
        self._stopped.set()
        self._thread.join()
        if self.lost is None:
            try:
                self._change(lambda holder: replace(holder, released=True))
            except StoreError:
                return  # the next writer finds out by itself

    def _change(self, change: Callable[[Holder], Holder]) -> Holder:
        """Swaps the lease; StoreUnavailableError where the store is out, BusyError where it is
        lost."""
        key = self._held.key
        with self._lock:
            self.check()
            holder = change(self._holder)
            while not self._store.replace_if(
                key, holder.to_json(), expected=self._holder.to_json()
            ):
                content = self._store.get(key)
                if content is None:
                    # The store is out. Had somebody deleted it, the epoch would still protect us.
                    raise StoreUnavailableError(f"{key} is not there")
                found = _parse(self._held, content)
                if (found.attempt, found.process) != (holder.attempt, holder.process):
                    self.lost = _busy(self._held, found)
                    raise self.lost
                # An earlier change of ours, of which we did not hear that it went through.
                self._holder = found
                holder = change(found)
            self._holder = holder
            return holder

    def _beat_on(self) -> None:
        while not self._stopped.wait(BEAT_S):
            try:
                self._change(lambda holder: replace(holder, beats=holder.beats + 1))
            except BusyError:
                return
            except StoreError:
                continue  # the store is out; whoever finds it first is the writer


def holder(store: Store, held: Held) -> Holder | None:
    """Who holds it, or held it last; null where nobody ever did."""
    content = store.get(held.key)
    return None if content is None else _parse(held, content)


def _wait_for_silence(
    store: Store, held: Held, seen: bytes, silent_s: float, clock: Callable[[], float]
) -> bytes:
    """The lease of a holder that is gone; BusyError as soon as it is seen to beat."""
    holder = _parse(held, seen)
    started = clock()
    while not holder.gone() and clock() - started < silent_s:
        time.sleep(WATCH_S)
        now = store.get(held.key) or seen
        if now != seen:
            holder = _parse(held, now)
            if not holder.released:
                raise _busy(held, holder)
            seen = now
    return seen


def _parse(held: Held, content: bytes) -> Holder:
    try:
        return Holder(**json.loads(content))
    except (ValueError, TypeError) as error:
        raise BusyError(
            f"{held.name}: its lease {held.key} is not one of this version ({error}); if no other "
            "run is at work there, delete that file"
        ) from error


def _busy(held: Held, holder: Holder) -> BusyError:
    return BusyError(
        f"{held.name} is held by {held.execution} {holder.attempt} of recipe "
        f"{holder.recipe!r} since {holder.since} (process {holder.pid} on {holder.host}); try "
        "again when it is done"
    )


def _machine() -> str:
    """Tells this machine, since its last start, from any other; containers are machines too."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    namespace = Path("/proc/self/ns/pid")
    known = boot.read_text().strip() if boot.exists() else socket.gethostname()
    return f"{known}/{os.readlink(namespace) if namespace.exists() else ''}/"


def _process(pid: int) -> str:
    """Tells a process from an earlier one with the same number by when it started."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return f"{_machine()}{pid}/gone"
    fields = stat.rpartition(")")[2].split()
    # A zombie has ended; where nobody waits for its children, as in many containers, it stays.
    return f"{_machine()}{pid}/{'gone' if fields[0] in 'ZX' else fields[19]}"
