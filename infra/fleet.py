"""The fleet: which replica is started, when, and which one is given up. Pure, with a given clock.

A replica slot is asked for (its placement group waits for room), started when it is placed, and
works when its engine is ready. One that dies comes back under a new name, `<slot>.<start>`: the
name is its epoch, and whatever an earlier one still delivers is refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import NamedTuple

from infra.messages import Seen

STAGGER_S = 1.0
"""Between two starts: weights are read by one engine after the other, and hosts do not run out of
memory by loading them all at once. Until the first engine is ready it starts alone."""
BACKOFF_S = (0.0, 1.0, 5.0, 30.0)
"""Before a slot is started again after so many failures in a row."""
FAILED_STARTS = 3
"""So many in a row, and the slot is quarantined."""
FAILED_FIRST_STARTS = 2
"""The same before any engine was ever ready: then the recipe is to blame, as a rule."""
DEATHS = 6
"""So many in a row without one sample delivered, and the slot is quarantined. More than the four
that it takes to find a poisoned sample (infra/suspects.py)."""
SILENT_S = 60.0
"""A replica that does not beat for so long is given up."""


class State(Enum):
    """Where a slot stands."""

    IDLE = auto()
    PLACING = auto()
    STARTING = auto()
    WORKING = auto()
    LEFT = auto()
    QUARANTINED = auto()


@dataclass
class _Slot:
    number: int
    starts: int = 0
    state: State = State.IDLE
    since: float = 0.0
    placed: bool = False
    not_before: float = 0.0
    failed_starts: int = 0
    deaths: int = 0
    """At work, since it last delivered a sample."""
    reason: str = ""
    seen: Seen | None = None
    seen_at: float = 0.0
    moved_at: float = 0.0
    """When it last made a token, or had nothing to do."""

    @property
    def name(self) -> str:
        return f"r{self.number}.{self.starts}"

    def enter(self, state: State, now: float) -> None:
        self.state, self.since = state, now


class Overdue(NamedTuple):
    """Why a replica is to be killed."""

    reason: str
    hung: bool
    """Its engine makes no tokens any more, perhaps because of what it draws."""


@dataclass
class Fleet:
    """Decides; somebody else acts and says what happened. All times are of one monotonic clock."""

    size: int
    start_s: float
    stall_s: float
    _slots: list[_Slot] = field(default_factory=list)
    _started_at: float | None = None
    _ever_ready: bool = False

    def __post_init__(self) -> None:
        self._slots = [_Slot(number) for number in range(self.size)]

    @property
    def able(self) -> int:
        """Slots that work, or may yet."""
        return sum(slot.state is not State.QUARANTINED for slot in self._slots)

    @property
    def quarantined(self) -> dict[str, str]:
        """Slots that were given up, with the reason of their last failure."""
        return {f"r{s.number}": s.reason for s in self._slots if s.state is State.QUARANTINED}

    @property
    def working(self) -> list[str]:
        """Replicas whose engines are ready."""
        return [slot.name for slot in self._slots if slot.state is State.WORKING]

    def to_place(self, now: float) -> list[str]:
        """Replicas whose placement is to be asked for now."""
        due = [s for s in self._slots if s.state is State.IDLE and now >= s.not_before]
        for slot in due:
            slot.starts += 1
            slot.placed = False
            slot.enter(State.PLACING, now)
        return [slot.name for slot in due]

    def placed(self, name: str) -> None:
        """There is room for it."""
        self._slot(name).placed = True

    def to_start(self, now: float) -> list[str]:
        """Replicas whose engines are to be started now."""
        waiting = [s for s in self._slots if s.state is State.PLACING and s.placed]
        starting = any(s.state is State.STARTING for s in self._slots)
        if not waiting or (starting and not self._ever_ready):
            return []
        if self._started_at is not None and starting and now - self._started_at < STAGGER_S:
            return []
        self._started_at = now
        waiting[0].enter(State.STARTING, now)
        return [waiting[0].name]

    def saw(self, seen: Mapping[str, Seen], now: float) -> None:
        """What the replicas last said of themselves."""
        for name, news in seen.items():
            slot = self._slot(name)
            if slot.name != name:
                continue
            if slot.state is State.STARTING:
                slot.failed_starts = 0
                self._ever_ready = True
                slot.enter(State.WORKING, now)
                slot.seen, slot.seen_at, slot.moved_at = news, now, now
            elif slot.state is State.WORKING and slot.seen is not None:
                if news.beats != slot.seen.beats:
                    slot.seen_at = now
                moved = (news.beat.tokens, news.delivered) != (
                    slot.seen.beat.tokens,
                    slot.seen.delivered,
                )
                if moved or not news.beat.held:
                    slot.moved_at = now
                slot.seen = news

    def resume(self, now: float) -> None:
        """Nobody was watched for a while; all clocks of the working begin anew. There is work
        (again): where everybody has left, all come back."""
        for slot in self._slots:
            slot.since = slot.seen_at = slot.moved_at = now
        if all(slot.state in (State.LEFT, State.QUARANTINED) for slot in self._slots):
            for slot in self._slots:
                if slot.state is State.LEFT:
                    slot.enter(State.IDLE, now)

    def overdue(self, now: float) -> dict[str, "Overdue"]:
        """Replicas to be killed."""
        found = {}
        for slot in self._slots:
            if slot.state is State.STARTING and now - slot.since > self.start_s:
                reason = f"slow start: not ready after {self.start_s:.0f} s"
                found[slot.name] = Overdue(reason, hung=False)
            elif slot.state is State.WORKING and slot.seen is not None:
                if now - slot.seen_at > SILENT_S:
                    reason = f"silent: no beat for {SILENT_S:.0f} s"
                    found[slot.name] = Overdue(reason, hung=False)
                elif now - slot.moved_at > self.stall_s:
                    found[slot.name] = Overdue(
                        f"hung: no token for {self.stall_s:.0f} s while it held "
                        f"{slot.seen.beat.held} samples",
                        hung=True,
                    )
        return found

    def died(self, name: str, reason: str, now: float, *, delivered: bool = False) -> bool:
        """It is gone, after it had `delivered` samples or not, and comes back after a while; True:
        not any more, the slot is quarantined."""
        slot = self._slot(name)
        slot.reason = reason
        if slot.state is State.WORKING:
            slot.deaths = 1 if delivered else slot.deaths + 1
        else:
            slot.failed_starts += 1
        starts = FAILED_STARTS if self._ever_ready else FAILED_FIRST_STARTS
        if slot.deaths >= DEATHS or slot.failed_starts >= starts:
            slot.enter(State.QUARANTINED, now)
            return True
        failures = max(slot.deaths, slot.failed_starts)
        slot.not_before = now + BACKOFF_S[min(failures, len(BACKOFF_S)) - 1]
        slot.enter(State.IDLE, now)
        return False

    def left(self, name: str, now: float) -> None:
        """It had nothing left to do."""
        self._slot(name).enter(State.LEFT, now)

    def _slot(self, name: str) -> _Slot:
        return self._slots[int(name[1:].partition(".")[0])]
