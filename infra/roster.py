"""The replicas that a coordinator knows: who is at work, and what each last said."""

import time
from collections import Counter
from collections.abc import Iterable

from infra.messages import Beat, Seen


class Roster:
    """Replicas by name; a name that is gone never comes back."""

    def __init__(self) -> None:
        self.at_work: dict[str, Seen] = {}
        self.missing: set[str] = set()
        """Those that work, and have not said yet what they hold."""
        self._gone: set[str] = set()
        self._handed_over: Counter[str] = Counter()
        self._first_joined: float | None = None

    @property
    def working_s(self) -> float:
        """Seconds since the first one joined."""
        return 0.0 if self._first_joined is None else time.monotonic() - self._first_joined

    def expect(self, replicas: Iterable[str]) -> None:
        """These will join with what they hold."""
        self.missing = set(replicas) - self._gone

    def is_gone(self, replica: str) -> bool:
        """Nobody watches over it any more."""
        return replica in self._gone

    def joined(self, replica: str) -> None:
        """It is at work."""
        self.missing.discard(replica)
        self.at_work.setdefault(replica, Seen(Beat(0, 0, 0.0), 0, 0))
        self._first_joined = self._first_joined or time.monotonic()

    def beat(self, replica: str, beat: Beat) -> bool:
        """It says how it is; whether it is at work."""
        seen = self.at_work.get(replica)
        if seen is not None:
            self.at_work[replica] = Seen(beat, seen.beats + 1, seen.delivered)
        return seen is not None

    def delivered(self, replica: str, samples: int) -> None:
        """So many samples of it are durable."""
        if (seen := self.at_work.get(replica)) is not None:
            self.at_work[replica] = seen._replace(delivered=seen.delivered + samples)

    def handed_over(self, replica: str, samples: int) -> None:
        """It has left so many half drawn samples to others."""
        self._handed_over[replica] += samples

    def lost(self, replica: str) -> tuple[int, int]:
        """It is gone; how many samples it has delivered, and handed over."""
        seen = self.at_work.pop(replica, None)
        self._gone.add(replica)
        self.missing.discard(replica)
        return 0 if seen is None else seen.delivered, self._handed_over[replica]
