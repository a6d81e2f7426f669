"""The scheduling core: which sample is drawn next, by whom, and when a prompt is settled.

Pure Python: no I/O, no Ray, no clock. It sees prompts as numbers, samples as (prompt, index) keys,
and verdicts as bits; never a text, never a score. Production, simulation and tests drive this
same object. Only prompts in work take memory (`infra/prompt_states.py`).
"""

from collections import deque
from collections.abc import Iterable, Sequence
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from infra.allowance import Allowance
from infra.goal import Goal
from infra.leases import Leases
from infra.pacing import REMEMBERED, Pacing
from infra.prompt_states import PromptStates, State
from infra.sampling import Bits, eligible_prefix
from infra.suspects import Suspects
from infra.target import Target

TRANSIENT_TRIES = 3


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


class Scheduler:
    """Leases samples of the prompts that are not settled, siblings next to each other.

    `sources` has the number of each prompt's source; without it they are all of one.
    """

    def __init__(self, goal: Goal, prompts: int, sources: NDArray[np.uint16] | None = None) -> None:
        self._goal = goal
        self._prompts = PromptStates(prompts)
        own = np.zeros(prompts, np.uint16) if sources is None else sources
        self._pacing = Pacing(goal.need, goal.policy, goal.rows, own)
        self._prefix = lru_cache(REMEMBERED)(partial(eligible_prefix, need=goal.need))
        self._target = None if goal.target is None else Target(goal.target, np.full(prompts, -1))
        self.allowance = Allowance(goal.tokens_per_sample)
        self._ready: deque[int] = deque()
        self._again: deque[Key] = deque()
        self._leases: Leases[Key] = Leases()
        self._failures: dict[Key, int] = {}
        self._suspects: Suspects[Key] = Suspects()
        self._poisoned: set[int] = set()

    def restore(self, before: Sequence[Bits], before_of: NDArray[np.uint32]) -> None:
        """What is known of the prompts from earlier schedulers, of which most went like many
        others: `before_of` has, for each prompt, its number in `before`."""
        self._prompts.restore(before, before_of, self._is_settled)
        self._pacing.restore(before, before_of)
        if self._goal.target is not None:
            rows = [self._goal.rows_of(bits) if self._is_settled(bits) else -1 for bits in before]
            self._target = Target(self._goal.target, np.array(rows, np.int64)[before_of])

    @property
    def prompts(self) -> int:
        """How many there are."""
        return self._prompts.count

    @property
    def settled(self) -> int:
        """How many need nothing more."""
        return self._prompts.settled

    @property
    def parked(self) -> int:
        """How many are put off, since others bring more for what is left of the budget."""
        return self._prompts.parked

    @property
    def finished(self) -> bool:
        """Nothing is left to draw, or there is enough, or nothing more can be paid for."""
        if self.settled == self.prompts or (self._target is not None and self._target.reached):
            return True
        return self.unaffordable

    @property
    def unaffordable(self) -> bool:
        """What is left of the budget is not enough for one sample more, and none is under way."""
        return self.allowance.closed and not self.in_flight

    @property
    def settled_below(self) -> int:
        """All prompts below this number are settled."""
        return self._prompts.settled_below

    @property
    def in_flight(self) -> int:
        """Leased samples."""
        return len(self._leases)

    @property
    def idle(self) -> bool:
        """There is nothing to lease now; verdicts and failures may change that."""
        if self.allowance.room(self.in_flight) == 0:
            return True
        return not (self._again or self._suspects.waiting) and self._next_prompt() is None

    def held(self, holder: str) -> int:
        """How many samples it has."""
        return len(self._leases.held_by(holder))

    def lease(self, holder: str, count: int) -> list[Lease]:
        """Up to `count` samples for `holder`: first those to be drawn again, then prompt by
        prompt, so that siblings share their prompt's prefix in the engine's cache."""
        granted: list[Lease] = []
        held = self._leases.held_by(holder)
        room = self.allowance.room(self.in_flight)
        count = count if room is None else min(count, room)
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
                self._prompts.open[number].queued = False
        return granted

    def surplus(self, holder: str) -> list[Key]:
        """Samples of `holder` that are not needed any more, to be cancelled; each is told once.
        Higher indexes than what is eligible, only: to cancel what runs long would choose what
        ends soon."""
        return sorted(self._leases.take_unwanted(holder))

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
            if self._prompts.state(key.prompt) in (State.UNTOUCHED, State.PARKED):
                self._touch(key.prompt)
            if self._wanted(key):
                self._grant(holder, key)
            elif not self.accepts(holder, key):
                refused.append(key)
        return refused

    def accepts(self, holder: str, key: Key) -> bool:
        """Whether `holder` may deliver `key`: it holds the lease and nobody delivered before."""
        return self._leases.holder(key) == holder

    def delivered(self, holder: str, key: Key, tokens: int = 0) -> None:
        """The sample is durable, with so many tokens; `holder` must have its lease. Its verdict
        comes later."""
        assert self.accepts(holder, key)
        self._prompts.open[key.prompt].done |= _bit(key)
        self._failures.pop(key, None)
        self._suspects.cleared(key)
        self._drop_lease(key)
        self.allowance.drawn(tokens)

    def judged(self, key: Key, *, kept: bool, wrong: bool = False) -> None:
        """The sample's verdict; one for a prompt that is settled, or a second one for the same
        key, changes nothing."""
        if self._prompts.state(key.prompt) == State.UNTOUCHED:
            self._touch(key.prompt)
        prompt = self._prompts.open.get(key.prompt)
        settled = self._prompts.state(key.prompt) == State.SETTLED
        if settled or prompt is None or prompt.judged & _bit(key):
            return
        before = prompt.judged
        prompt.judged |= _bit(key)
        prompt.kept |= _bit(key) if kept else 0
        prompt.wrong |= _bit(key) if wrong else 0
        self._pacing.judged(key.prompt, before, prompt.bits)
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
        """The prompt whose samples are leased next: one in work, or else an untouched one, or the
        best of those that were put off."""
        while True:
            while self._ready and self._prompts.state(self._ready[0]) != State.OPEN:
                self._ready.popleft()
            if self._ready:
                return self._ready[0]
            number = self._prompts.next_untouched()
            if self._target is not None and not self._target.needs_more(
                self.prompts if number is None else number, self._prompts.working
            ):
                return None
            if number is not None and self._is_put_off(number, self._prompts.before(number)):
                self._prompts.park(number, self._pacing.source(number))
                continue
            if number is None:
                number = self._prompts.next_parked(self._pacing.gain)
            if number is None:
                return None
            self._touch(number)

    def _touch(self, number: int) -> None:
        """Begins to work on an untouched prompt, or on one that was put off."""
        self._prompts.touch(number)
        self._queue(number)

    def _is_put_off(self, number: int, bits: Bits) -> bool:
        """Whether a budget brings more where it is spent on others. Not where a target is to be
        reached, which counts prompts in their order."""
        limited = self.allowance.limited and self._target is None
        return limited and self._pacing.is_worse_than_untouched(number, bits)

    def _is_settled(self, bits: Bits) -> bool:
        return self._prefix(bits.judged, bits.kept, bits.wrong).settled

    def _requeue(self, key: Key) -> None:
        """To be drawn again: a suspect when there is an engine that it may join."""
        if not self._wanted(key):
            self._suspects.cleared(key)
            return
        self._prompts.open[key.prompt].waiting |= _bit(key)
        if key.prompt in self._poisoned:
            self._suspects.cleared(key)
        if key in self._suspects:
            self._suspects.wait(key)
        else:
            self._again.append(key)

    def _wanted(self, key: Key) -> bool:
        return self._prompts.state(key.prompt) == State.OPEN and not self._prompts.open[
            key.prompt
        ].taken & _bit(key)

    def _grant_again(self, holder: str, key: Key, granted: list[Lease]) -> None:
        if self._prompts.state(key.prompt) != State.OPEN:
            self._suspects.cleared(key)
            return
        self._prompts.open[key.prompt].waiting &= ~_bit(key)
        if self._wanted(key):
            granted.append(self._grant(holder, key))

    def _grant(self, holder: str, key: Key) -> Lease:
        self._prompts.open[key.prompt].leased |= _bit(key)
        self._leases.grant(holder, key)
        return Lease(key, self._failures.get(key, 0) + 1, key.prompt in self._poisoned)

    def _drop_lease(self, key: Key) -> None:
        prompt = self._prompts.open[key.prompt]
        prompt.leased &= ~_bit(key)
        if self._prompts.state(key.prompt) == State.SETTLED and not prompt.leased:
            del self._prompts.open[key.prompt]
        self._leases.drop(key)

    def _launchable(self, number: int) -> list[int]:
        prompt = self._prompts.open[number]
        limit = self._pacing.launch_limit(number, prompt.judged, prompt.kept, prompt.wrong)
        free = ~prompt.taken
        return [index for index in range(limit) if free >> index & 1]

    def _advance(self, number: int) -> None:
        """Settles the prompt, puts it off, or queues what it may draw now."""
        prompt = self._prompts.open[number]
        bits = prompt.bits
        if self._is_settled(bits):
            self._settle(number, bits)
        elif prompt.quiet and not prompt.queued and self._is_put_off(number, bits):
            self._prompts.park(number, self._pacing.source(number))
        else:
            self._queue(number)

    def _settle(self, number: int, bits: Bits) -> None:
        leased = self._prompts.open[number].leased
        self._prompts.settle(number)
        self._poisoned.discard(number)
        if self._target is not None:
            self._target.settled(number, self._goal.rows_of(bits))
        for index in range(leased.bit_length()):
            if leased >> index & 1:
                self._leases.unwanted(Key(number, index))
        if not leased:
            del self._prompts.open[number]

    def _queue(self, number: int) -> None:
        prompt = self._prompts.open[number]
        if not prompt.queued and self._launchable(number):
            prompt.queued = True
            self._ready.append(number)


def _bit(key: Key) -> int:
    return 1 << key.sample_index
