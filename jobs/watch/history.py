"""What the events of an attempt say: how it stands, its replicas, how fast it was and is."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any

POINTS = 120
"""Of the chart: a run of any length is shown in so many steps at most."""
TOLD = 40
"""Newest events that are shown."""
ENDED = "attempt_ended"
INTERRUPTED = "Interrupted: "


@dataclass
class Replica:
    """One start of an engine."""

    name: str
    state: str
    """`starting`, `working`, `left`, `given_back`, `died`, `quarantined`, or, where the attempt
    ended before it, `ended`."""
    since: str
    started: str
    reason: str = ""


@dataclass
class History:
    """Takes events one after the other. Twice the same one changes nothing."""

    started: str | None = None
    ended: str | None = None
    reason: str | None = None
    """Why it ended, if not because all was done."""
    trouble: dict[str, Any] | None = None
    """What the run waits for, such as a store that is out: `since`, `reason`."""
    draining: bool = False
    limit: str | None = None
    """The budget that was reached."""
    mean_tokens_per_s: float | None = None
    """Of the whole run, once all prompts are settled."""
    progress: dict[str, Any] | None = None
    """The newest note of how far it is."""
    replicas: dict[str, Replica] = field(default_factory=dict)
    told: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=TOLD))
    """The newest events, but for notes of progress."""
    _notes: list[tuple[float, int, int]] = field(default_factory=list)
    """Seconds since 1970, tokens and samples."""

    def add(self, event: Mapping[str, Any]) -> None:
        """The next event."""
        name, at = str(event["event"]), str(event["at"])
        reason = str(event.get("reason", ""))
        if name == "progress":
            self._note(event, at)
            return
        self.told.append(dict(event))
        if name == "attempt_started":
            self.started = at
        elif name == ENDED:
            self.ended, self.reason = at, reason or None
            self.trouble = None
            for replica in self.replicas.values():
                if replica.state in ("starting", "working"):
                    replica.state, replica.since = "ended", at
        elif name == "trouble":
            self.trouble = {"since": at, "reason": reason}
        elif name == "trouble_over":
            self.trouble = None
        elif name == "settled" and event.get("working_s"):
            self.mean_tokens_per_s = round(event.get("tokens", 0) / event["working_s"], 2)
        elif name == "draining":
            self.draining = True
        elif name == "budget_reached":
            self.limit = reason
        elif "replica" in event:
            self._replica(name, str(event["replica"]), at, event)

    def _note(self, event: Mapping[str, Any], at: str) -> None:
        self.progress = dict(event)
        note = (seconds(at), int(event.get("tokens", 0)), int(event.get("drawn", 0)))
        if not self._notes or note[0] > self._notes[-1][0]:
            self._notes.append(note)

    def _replica(self, event: str, name: str, at: str, facts: Mapping[str, Any]) -> None:
        if event == "replica_started":
            self.replicas.setdefault(name, Replica(name, "starting", at, at))
            return
        replica = self.replicas.setdefault(name, Replica(name, "working", at, at))
        if event == "replica_ready" and replica.state == "starting":
            replica.state, replica.since = "working", at
        elif event == "replica_left":
            given = facts.get("handed_over")
            replica.state, replica.since = "given_back" if given else "left", at
            replica.reason = (
                f"{given:,} half drawn samples went on elsewhere" if given else "nothing left to do"
            )
        elif event in ("replica_died", "replica_quarantined"):
            replica.state, replica.since = event.removeprefix("replica_"), at
            replica.reason = str(facts.get("reason", ""))
        elif event == "samples_requeued" and facts.get("samples"):
            again = f"{facts['samples']:,} samples are drawn again"
            replica.reason = f"{replica.reason}; {again}" if replica.reason else again

    def throughput(self) -> list[dict[str, float]]:
        """Steps of the attempt: until when (`at`, seconds since 1970) from the one before, with
        tokens and samples a second."""
        return rates(self._notes, POINTS)

    def listed(self) -> list[dict[str, Any]]:
        """Replicas that can still work first, then the others, the last gone before those."""
        alive = [r for r in self.replicas.values() if r.state in ("working", "starting")]
        gone = [r for r in self.replicas.values() if r.state not in ("working", "starting")]
        gone.sort(key=lambda replica: replica.since, reverse=True)
        return [asdict(replica) for replica in [*alive, *gone]]


def rates(notes: Sequence[tuple[float, int, int]], points: int) -> list[dict[str, float]]:
    """At most so many steps between notes, each with its mean rates."""
    stride = max(1, -(-(len(notes) - 1) // points))
    # From the newest note backwards, so that the last step is always a whole one.
    picked = notes[::-1][::stride][::-1]
    if picked and picked[0] != notes[0]:
        picked = [notes[0], *picked]
    steps = []
    for (before, tokens, drawn), (at, tokens_then, drawn_then) in pairwise(picked):
        steps.append(
            {
                "from": before,
                "at": at,
                "tokens_per_s": round(max(0, tokens_then - tokens) / (at - before), 2),
                "samples_per_s": round(max(0, drawn_then - drawn) / (at - before), 4),
            }
        )
    return steps


def seconds(at: str) -> float:
    """Since 1970, of an event's time."""
    return datetime.fromisoformat(at).timestamp()
