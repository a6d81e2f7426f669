"""How far a run is, noted in its event log every few seconds, for whoever watches it."""

from collections import Counter
from math import inf

from infra.events import EventLog
from infra.messages import Progress
from infra.meter import Spent

EVERY_S = 15.0
LONGEST_S = 60.0
OF_ELAPSED = 1 / 240
"""Between two notes of a long run, so that a week has some ten thousand of them: each is a file."""
COUNTS = ("drawn", "failed", "cancelled", "judged", "kept")


class ProgressEvents:
    """Writes `progress` and `replica_ready`. Counts go on where another coordinator takes over;
    what one that died committed after the last look is not in them."""

    def __init__(self, events: EventLog) -> None:
        self._events = events
        self._counts: Counter[str] = Counter()
        self._ready: set[str] = set()
        self._began: float | None = None
        self._noted_at = -inf

    def saw(self, progress: Progress, last: Progress, spent: Spent, now: float) -> None:
        """What the coordinator says now, and said at the `last` look; what the attempt has spent.
        Noted if it is time, and always at the end."""
        for name in COUNTS:
            self._counts[name] += getattr(progress, name) - getattr(last, name)
        for name in sorted(progress.replicas.keys() - self._ready):
            self._ready.add(name)
            self._events.add("replica_ready", replica=name)
        self._began = self._began or now
        every = min(LONGEST_S, max(EVERY_S, (now - self._began) * OF_ELAPSED))
        if now - self._noted_at < every and not (progress.finished or progress.drained):
            return
        self._noted_at = now
        self._events.add(
            "progress",
            prompts=progress.prompts,
            settled=progress.settled,
            parked=progress.parked,
            in_flight=progress.in_flight,
            waiting_for_scores=progress.waiting_for_scores,
            replicas=len(progress.replicas),
            tokens=spent.tokens,
            gpu_hours=round(spent.gpu_hours, 4),
            **{name: self._counts[name] for name in COUNTS},
        )
