"""The scheduling core: which sample is drawn next, by whom, and when a prompt is settled.

Pure Python: no I/O, no Ray, no clock. It sees prompts as numbers, samples as (prompt, index) keys,
and verdicts as bits; never a text, never a score. Production, simulation and tests drive this
same object.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from infra.sampling import eligible_prefix, launch_limit
from schemas.recipe import SampleCounts

TRANSIENT_TRIES = 3


class Key(NamedTuple):
    """A sample: the prompt's number in this run and the sample's index."""

    prompt: int
    sample_index: int


class Lease(NamedTuple):
    """A sample given to a holder to draw; `tries` counts from 1."""

    key: Key
    tries: int


@dataclass(slots=True)
class _Prompt:
    """What is known of one prompt, as bit sets over sample indexes."""

    leased: int = 0
    done: int = 0
    judged: int = 0
    kept: int = 0
    waiting: int = 0
    """To be drawn again."""
    settled: bool = False
    queued: bool = False

    @property
    def taken(self) -> int:
        """Neither to be launched nor drawn again."""
        return self.leased | self.done | self.waiting


@dataclass
class Scheduler:
    """Leases samples of the prompts that are not settled, siblings next to each other."""

    counts: SampleCounts
    _prompts: list[_Prompt] = field(default_factory=list)
    _ready: deque[int] = field(default_factory=deque)
    _again: deque[Key] = field(default_factory=deque)
    _holders: dict[str, set[Key]] = field(default_factory=dict)
    _holder_of: dict[Key, str] = field(default_factory=dict)
    _failures: dict[Key, int] = field(default_factory=dict)
    settled: int = 0

    def add(self, done: int = 0, judged: int = 0, kept: int = 0) -> int:
        """Adds a prompt with what is known of it from before; returns its number."""
        self._prompts.append(_Prompt(done=done, judged=judged, kept=kept))
        number = len(self._prompts) - 1
        self._advance(number)
        return number

    @property
    def prompts(self) -> int:
        """Prompts added."""
        return len(self._prompts)

    @property
    def all_settled(self) -> bool:
        """Nothing is left to draw or to judge."""
        return self.settled == len(self._prompts)

    @property
    def in_flight(self) -> int:
        """Leased samples."""
        return len(self._holder_of)

    def lease(self, holder: str, count: int) -> list[Lease]:
        """Up to `count` samples for `holder`: first those to be drawn again, then prompt by
        prompt, so that siblings share their prompt's prefix in the engine's cache."""
        granted: list[Lease] = []
        while len(granted) < count and self._again:
            key = self._again.popleft()
            self._prompts[key.prompt].waiting &= ~_bit(key)
            if self._wanted(key):
                granted.append(self._grant(holder, key))
        while len(granted) < count and self._ready:
            number = self._ready[0]
            indexes = self._launchable(number)
            for index in indexes[: count - len(granted)]:
                granted.append(self._grant(holder, Key(number, index)))
            if not self._launchable(number):
                self._ready.popleft()
                self._prompts[number].queued = False
        return granted

    def accepts(self, holder: str, key: Key) -> bool:
        """Whether `holder` may deliver `key`: it holds the lease and nobody delivered before."""
        return self._holder_of.get(key) == holder

    def delivered(self, holder: str, key: Key) -> None:
        """The sample is durable. Its verdict comes later."""
        self._drop_lease(holder, key)
        self._failures.pop(key, None)
        self._prompts[key.prompt].done |= _bit(key)

    def judged(self, key: Key, *, kept: bool) -> None:
        """The sample's verdict; a second one for the same key is passed over."""
        prompt = self._prompts[key.prompt]
        if prompt.judged & _bit(key):
            return
        prompt.judged |= _bit(key)
        prompt.kept |= _bit(key) if kept else 0
        self._advance(key.prompt)

    def failed(self, holder: str, key: Key) -> bool:
        """A try ended in a transient error. True: it is drawn again; False: its tries are used up
        and the holder, which keeps the lease, delivers it as failed. A holder that lost the lease
        meanwhile changes nothing."""
        if not self.accepts(holder, key):
            return True
        failures = self._failures.get(key, 0) + 1
        if failures >= TRANSIENT_TRIES:
            return False
        self._failures[key] = failures
        self._drop_lease(holder, key)
        self._requeue(key)
        return True

    def lost(self, holder: str) -> int:
        """The holder is gone: its samples are drawn again and no try is counted against them."""
        keys = sorted(self._holders.pop(holder, ()))
        for key in keys:
            del self._holder_of[key]
            self._prompts[key.prompt].leased &= ~_bit(key)
            self._requeue(key)
        return len(keys)

    def _requeue(self, key: Key) -> None:
        if self._wanted(key):
            self._prompts[key.prompt].waiting |= _bit(key)
            self._again.append(key)

    def _wanted(self, key: Key) -> bool:
        prompt = self._prompts[key.prompt]
        return not prompt.settled and not prompt.taken & _bit(key)

    def _grant(self, holder: str, key: Key) -> Lease:
        self._prompts[key.prompt].leased |= _bit(key)
        self._holders.setdefault(holder, set()).add(key)
        self._holder_of[key] = holder
        return Lease(key, self._failures.get(key, 0) + 1)

    def _drop_lease(self, holder: str, key: Key) -> None:
        self._holders[holder].discard(key)
        self._holder_of.pop(key, None)
        self._prompts[key.prompt].leased &= ~_bit(key)

    def _launchable(self, number: int) -> list[int]:
        prompt = self._prompts[number]
        if prompt.settled:
            return []
        limit = launch_limit(prompt.judged, prompt.kept, self.counts)
        return [i for i in range(limit) if not prompt.taken >> i & 1]

    def _advance(self, number: int) -> None:
        """Settles the prompt or queues what it may draw now."""
        prompt = self._prompts[number]
        if prompt.settled:
            return
        prefix = eligible_prefix(prompt.judged, prompt.kept, self.counts)
        if prefix.settled:
            prompt.settled = True
            self.settled += 1
        elif not prompt.queued and self._launchable(number):
            prompt.queued = True
            self._ready.append(number)


def _bit(key: Key) -> int:
    return 1 << key.sample_index
