"""The scheduling core: which sample is drawn next, by whom, and when a prompt is settled.

Pure Python: no I/O, no Ray, no clock. It sees prompts as numbers, samples as (prompt, index) keys,
and verdicts as bits; never a text, never a score. Production, simulation and tests drive this
same object. Only prompts in work take memory: an untouched and a settled one are five bytes.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from infra.sampling import eligible_prefix, launch_limit
from infra.suspects import Suspects
from schemas.recipe import SampleCounts

TRANSIENT_TRIES = 3
UNTOUCHED, OPEN, SETTLED = range(3)


class Key(NamedTuple):
    """A sample: the prompt's number in this run and the sample's index."""

    prompt: int
    sample_index: int


class Bits(NamedTuple):
    """A prompt's samples, as bit sets over sample indexes."""

    done: int = 0
    judged: int = 0
    kept: int = 0


class Lease(NamedTuple):
    """A sample given to a holder to draw; `tries` counts from 1."""

    key: Key
    tries: int
    poisoned: bool = False
    """Not to be drawn: its prompt kills engines. The holder delivers it as failed."""


@dataclass(slots=True)
class _Prompt:
    """What is known of one prompt, as bit sets over sample indexes."""

    leased: int = 0
    done: int = 0
    judged: int = 0
    kept: int = 0
    waiting: int = 0
    """To be drawn again."""
    queued: bool = False

    @property
    def taken(self) -> int:
        """Neither to be launched nor drawn again."""
        return self.leased | self.done | self.waiting


class Scheduler:
    """Leases samples of the prompts that are not settled, siblings next to each other."""

    def __init__(self, counts: SampleCounts, prompts: int) -> None:
        self.counts = counts
        self.prompts = prompts
        self.settled = 0
        self._state = bytearray(prompts)
        self._open: dict[int, _Prompt] = {}
        self._before: Sequence[Bits] = (Bits(),)
        self._before_of = np.zeros(prompts, np.uint32)
        self._cursor = 0
        self._low = 0
        self._ready: deque[int] = deque()
        self._again: deque[Key] = deque()
        self._holders: dict[str, set[Key]] = {}
        self._holder_of: dict[Key, str] = {}
        self._failures: dict[Key, int] = {}
        self._suspects: Suspects[Key] = Suspects()
        self._poisoned: set[int] = set()

    def restore(self, before: Sequence[Bits], before_of: NDArray[np.uint32]) -> None:
        """What is known of the prompts from earlier schedulers, of which most went like many
        others: `before_of` has, for each prompt, its number in `before`."""
        self._before, self._before_of = before, before_of
        settled = [eligible_prefix(b.judged, b.kept, self.counts).settled for b in before]
        states = np.where(settled, np.uint8(SETTLED), np.uint8(UNTOUCHED))[before_of]
        self._state = bytearray(states.tobytes())
        self.settled = int((states == SETTLED).sum())

    @property
    def all_settled(self) -> bool:
        """Nothing is left to draw or to judge."""
        return self.settled == self.prompts

    @property
    def settled_below(self) -> int:
        """All prompts below this number are settled."""
        while self._low < self.prompts and self._state[self._low] == SETTLED:
            self._low += 1
        return self._low

    @property
    def in_flight(self) -> int:
        """Leased samples."""
        return len(self._holder_of)

    def lease(self, holder: str, count: int) -> list[Lease]:
        """Up to `count` samples for `holder`: first those to be drawn again, then prompt by
        prompt, so that siblings share their prompt's prefix in the engine's cache."""
        granted: list[Lease] = []
        held = self._holders.setdefault(holder, set())
        while len(granted) < count and (key := self._suspects.next_for(held)) is not None:
            self._grant_again(holder, key, granted)
        if self._suspects.must_be_alone(held):
            return granted
        while len(granted) < count and self._again:
            self._grant_again(holder, self._again.popleft(), granted)
        while len(granted) < count and (number := self._next_prompt()) is not None:
            room = count - len(granted)
            indexes = self._launchable(self._open[number])
            granted += [self._grant(holder, Key(number, index)) for index in indexes[:room]]
            if len(indexes) <= room:
                self._ready.popleft()
                self._open[number].queued = False
        return granted

    def _next_prompt(self) -> int | None:
        """The prompt whose samples are leased next: one in work, or else an untouched one."""
        while True:
            while self._ready and self._ready[0] not in self._open:
                self._ready.popleft()
            if self._ready:
                return self._ready[0]
            while self._cursor < self.prompts and self._state[self._cursor] != UNTOUCHED:
                self._cursor += 1
            if self._cursor == self.prompts:
                return None
            self._touch(self._cursor)

    def _touch(self, number: int) -> None:
        """Begins to work on an untouched prompt."""
        before = self._before[self._before_of[number]]
        self._state[number] = OPEN
        self._open[number] = _Prompt(done=before.done, judged=before.judged, kept=before.kept)
        self._queue(number)

    def adopt(self, holder: str, keys: Iterable[Key]) -> list[Key]:
        """Gives `holder` the leases that it says it has, from a predecessor of this scheduler or
        from this one, and takes back those of which it never heard; returns those that it cannot
        have, because they are done or somebody else's by now."""
        keys = list(keys)
        for key in sorted(self._holders.get(holder, set()).difference(keys)):
            self._drop_lease(holder, key)
            self._requeue(key)
        refused = []
        for key in keys:
            if self._state[key.prompt] == UNTOUCHED:
                self._touch(key.prompt)
            if self._wanted(key):
                self._grant(holder, key)
            elif not self.accepts(holder, key):
                refused.append(key)
        return refused

    def accepts(self, holder: str, key: Key) -> bool:
        """Whether `holder` may deliver `key`: it holds the lease and nobody delivered before."""
        return self._holder_of.get(key) == holder

    def delivered(self, holder: str, key: Key) -> None:
        """The sample is durable. Its verdict comes later."""
        self._drop_lease(holder, key)
        self._failures.pop(key, None)
        self._suspects.cleared(key)
        self._open[key.prompt].done |= _bit(key)

    def judged(self, key: Key, *, kept: bool) -> None:
        """The sample's verdict; a second one for the same key is passed over."""
        if self._state[key.prompt] == UNTOUCHED:
            self._touch(key.prompt)
        prompt = self._open.get(key.prompt)
        if prompt is None or prompt.judged & _bit(key):
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

    def lost(self, holder: str, *, engine_died: bool = False) -> int:
        """The holder is gone: its samples are drawn again and no try is counted against them.

        Where its engine died by itself, one of them may have killed it: they become suspects, and
        a sample that kills engines alone is poisoned, with all of its prompt.
        """
        keys = sorted(self._holders.pop(holder, ()))
        for key in keys:
            del self._holder_of[key]
            self._open[key.prompt].leased &= ~_bit(key)
        if engine_died:
            self._poisoned |= {key.prompt for key in self._suspects.died(keys)}
        for key in keys:
            self._requeue(key)
        return len(keys)

    def _requeue(self, key: Key) -> None:
        """To be drawn again: a suspect when there is an engine that it may join."""
        if not self._wanted(key):
            self._suspects.cleared(key)
            return
        self._open[key.prompt].waiting |= _bit(key)
        if key.prompt in self._poisoned:
            self._suspects.cleared(key)
        if key in self._suspects:
            self._suspects.wait(key)
        else:
            self._again.append(key)

    def _wanted(self, key: Key) -> bool:
        prompt = self._open.get(key.prompt)
        return prompt is not None and not prompt.taken & _bit(key)

    def _grant_again(self, holder: str, key: Key, granted: list[Lease]) -> None:
        prompt = self._open.get(key.prompt)
        if prompt is None:
            return
        prompt.waiting &= ~_bit(key)
        if self._wanted(key):
            granted.append(self._grant(holder, key))

    def _grant(self, holder: str, key: Key) -> Lease:
        self._open[key.prompt].leased |= _bit(key)
        self._holders.setdefault(holder, set()).add(key)
        self._holder_of[key] = holder
        return Lease(key, self._failures.get(key, 0) + 1, key.prompt in self._poisoned)

    def _drop_lease(self, holder: str, key: Key) -> None:
        self._holders[holder].discard(key)
        self._holder_of.pop(key, None)
        self._open[key.prompt].leased &= ~_bit(key)

    def _launchable(self, prompt: _Prompt) -> list[int]:
        limit = launch_limit(prompt.judged, prompt.kept, self.counts)
        return [i for i in range(limit) if not prompt.taken >> i & 1]

    def _advance(self, number: int) -> None:
        """Settles the prompt or queues what it may draw now."""
        prompt = self._open[number]
        if eligible_prefix(prompt.judged, prompt.kept, self.counts).settled:
            self._state[number] = SETTLED
            self.settled += 1
            del self._open[number]
            self._poisoned.discard(number)
        else:
            self._queue(number)

    def _queue(self, number: int) -> None:
        prompt = self._open[number]
        if not prompt.queued and self._launchable(prompt):
            prompt.queued = True
            self._ready.append(number)


def _bit(key: Key) -> int:
    return 1 << key.sample_index
