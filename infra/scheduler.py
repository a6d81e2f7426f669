"""The scheduling core: which sample is drawn next, by whom, and when a prompt is settled.

Pure Python: no I/O, no Ray, no clock. It sees prompts as numbers, samples as (prompt, index) keys,
and verdicts as bits; never a text, never a score. Production, simulation and tests drive this
same object. Only prompts in work take memory: an untouched and a settled one are five bytes.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from infra.leases import Leases
from infra.pacing import REMEMBERED, Pacing
from infra.sampling import Bits, eligible_prefix
from infra.suspects import Suspects
from schemas.recipe import SampleCounts

TRANSIENT_TRIES = 3
UNTOUCHED, OPEN, SETTLED = range(3)


class Key(NamedTuple):
    """A sample: the prompt's number in this run and the sample's index."""

    prompt: int
    sample_index: int


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
    """Leases samples of the prompts that are not settled, siblings next to each other.

    `sources` has the number of each prompt's source; without it they are all of one.
    """

    def __init__(
        self, counts: SampleCounts, prompts: int, sources: NDArray[np.uint16] | None = None
    ) -> None:
        self.counts = counts
        self.prompts = prompts
        self.settled = 0
        self._pacing = Pacing(counts, np.zeros(prompts, np.uint16) if sources is None else sources)
        self._prefix = lru_cache(REMEMBERED)(partial(eligible_prefix, counts=counts))
        self._state = bytearray(prompts)
        self._open: dict[int, _Prompt] = {}
        """Those in work, and settled ones that somebody still draws."""
        self._before: Sequence[Bits] = (Bits(),)
        self._before_of = np.zeros(prompts, np.uint32)
        self._cursor = 0
        self._low = 0
        self._ready: deque[int] = deque()
        self._again: deque[Key] = deque()
        self._leases: Leases[Key] = Leases()
        self._surplus: dict[str, set[Key]] = {}
        self._failures: dict[Key, int] = {}
        self._suspects: Suspects[Key] = Suspects()
        self._poisoned: set[int] = set()

    def restore(self, before: Sequence[Bits], before_of: NDArray[np.uint32]) -> None:
        """What is known of the prompts from earlier schedulers, of which most went like many
        others: `before_of` has, for each prompt, its number in `before`."""
        self._before, self._before_of = before, before_of
        settled = [self._prefix(bits.judged, bits.kept).settled for bits in before]
        states = np.where(settled, np.uint8(SETTLED), np.uint8(UNTOUCHED))[before_of]
        self._state = bytearray(states.tobytes())
        self.settled = int((states == SETTLED).sum())
        self._pacing.restore(before, before_of)

    @property
    def all_settled(self) -> bool:
        """Nothing is left to draw, and nothing to judge that matters."""
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
        return len(self._leases)

    @property
    def idle(self) -> bool:
        """There is nothing to lease now; verdicts and failures may change that."""
        return not (self._again or self._suspects.waiting) and self._next_prompt() is None

    def held(self, holder: str) -> int:
        """How many samples it has."""
        return len(self._leases.held_by(holder))

    def lease(self, holder: str, count: int) -> list[Lease]:
        """Up to `count` samples for `holder`: first those to be drawn again, then prompt by
        prompt, so that siblings share their prompt's prefix in the engine's cache."""
        granted: list[Lease] = []
        held = self._leases.held_by(holder)
        while len(granted) < count and (key := self._suspects.next_for(held)) is not None:
            self._grant_again(holder, key, granted)
        if self._suspects.must_be_alone(held):
            return granted
        while len(granted) < count and self._again:
            self._grant_again(holder, self._again.popleft(), granted)
        while len(granted) < count and (number := self._next_prompt()) is not None:
            room = count - len(granted)
            indexes = self._launchable(number)
            granted += [self._grant(holder, Key(number, index)) for index in indexes[:room]]
            if len(indexes) <= room:
                self._ready.popleft()
                self._open[number].queued = False
        return granted

    def surplus(self, holder: str) -> list[Key]:
        """Samples of `holder` that are not needed any more, to be cancelled; each is told once.
        Higher indexes than what is eligible, only: to cancel what runs long would choose what
        ends soon."""
        return sorted(self._surplus.pop(holder, ()))

    def cancelled(self, holder: str, keys: Iterable[Key]) -> None:
        """The holder does not draw them any more; those that are needed still are drawn by
        others. What is done already stays done."""
        for key in keys:
            if self.accepts(holder, key):
                self._drop_lease(key)
                self._requeue(key)

    def adopt(self, holder: str, keys: Iterable[Key]) -> list[Key]:
        """Gives `holder` the leases that it says it has, from a predecessor of this scheduler or
        from this one, and takes back those of which it never heard; returns those that it cannot
        have, because they are done, not needed or somebody else's by now."""
        keys = list(keys)
        for key in sorted(set(self._leases.held_by(holder)).difference(keys)):
            self._drop_lease(key)
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
        return self._leases.holder(key) == holder

    def delivered(self, holder: str, key: Key) -> None:
        """The sample is durable; `holder` must have its lease. Its verdict comes later."""
        assert self.accepts(holder, key)
        self._open[key.prompt].done |= _bit(key)
        self._failures.pop(key, None)
        self._suspects.cleared(key)
        self._drop_lease(key)

    def judged(self, key: Key, *, kept: bool) -> None:
        """The sample's verdict; one for a prompt that is settled, or a second one for the same
        key, changes nothing."""
        if self._state[key.prompt] == UNTOUCHED:
            self._touch(key.prompt)
        prompt = self._open.get(key.prompt)
        if self._state[key.prompt] == SETTLED or prompt is None or prompt.judged & _bit(key):
            return
        before = prompt.judged
        prompt.judged |= _bit(key)
        prompt.kept |= _bit(key) if kept else 0
        self._pacing.judged(key.prompt, before, prompt.judged, prompt.kept)
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
        self._drop_lease(key)
        self._requeue(key)
        return True

    def lost(self, holder: str, *, engine_died: bool = False) -> int:
        """The holder is gone: its samples are drawn again and no try is counted against them.

        Where its engine died by itself, one of them may have killed it: they become suspects, and
        a sample that kills engines alone is poisoned, with all of its prompt.
        """
        keys = sorted(self._leases.held_by(holder))
        for key in keys:
            self._drop_lease(key)
        if engine_died:
            self._poisoned |= {key.prompt for key in self._suspects.died(keys)}
        for key in keys:
            self._requeue(key)
        return len(keys)

    def _next_prompt(self) -> int | None:
        """The prompt whose samples are leased next: one in work, or else an untouched one."""
        while True:
            while self._ready and self._state[self._ready[0]] != OPEN:
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
        return self._state[key.prompt] == OPEN and not self._open[key.prompt].taken & _bit(key)

    def _grant_again(self, holder: str, key: Key, granted: list[Lease]) -> None:
        if self._state[key.prompt] != OPEN:
            self._suspects.cleared(key)
            return
        self._open[key.prompt].waiting &= ~_bit(key)
        if self._wanted(key):
            granted.append(self._grant(holder, key))

    def _grant(self, holder: str, key: Key) -> Lease:
        self._open[key.prompt].leased |= _bit(key)
        self._leases.grant(holder, key)
        return Lease(key, self._failures.get(key, 0) + 1, key.prompt in self._poisoned)

    def _drop_lease(self, key: Key) -> None:
        prompt = self._open[key.prompt]
        prompt.leased &= ~_bit(key)
        if self._state[key.prompt] == SETTLED:
            self._surplus.get(str(self._leases.holder(key)), set()).discard(key)
            if not prompt.leased:
                del self._open[key.prompt]
        self._leases.drop(key)

    def _launchable(self, number: int) -> list[int]:
        prompt = self._open[number]
        limit = self._pacing.launch_limit(number, prompt.judged, prompt.kept)
        free = ~prompt.taken
        return [index for index in range(limit) if free >> index & 1]

    def _advance(self, number: int) -> None:
        """Settles the prompt or queues what it may draw now."""
        prompt = self._open[number]
        if not self._prefix(prompt.judged, prompt.kept).settled:
            self._queue(number)
            return
        self._state[number] = SETTLED
        self.settled += 1
        self._poisoned.discard(number)
        for index in range(prompt.leased.bit_length()):
            if prompt.leased >> index & 1:
                key = Key(number, index)
                self._surplus.setdefault(str(self._leases.holder(key)), set()).add(key)
        if not prompt.leased:
            del self._open[number]

    def _queue(self, number: int) -> None:
        prompt = self._open[number]
        if not prompt.queued and self._launchable(number):
            prompt.queued = True
            self._ready.append(number)


def _bit(key: Key) -> int:
    return 1 << key.sample_index
