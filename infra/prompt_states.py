"""Where every prompt stands: untouched, open, parked or settled.

Only open prompts take memory; any other is a byte for its state and a number for what is known of
it, since most prompts went like many others.
"""

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from infra.sampling import Bits


class State(IntEnum):
    """Where a prompt stands."""

    UNTOUCHED = 0
    OPEN = 1
    PARKED = 2
    """Put off: its samples would bring less than those of others."""
    SETTLED = 3


@dataclass(slots=True)
class OpenPrompt:
    """What is known of a prompt in work, as bit sets over sample indexes."""

    leased: int = 0
    done: int = 0
    judged: int = 0
    kept: int = 0
    wrong: int = 0
    waiting: int = 0
    """To be drawn again."""
    queued: bool = False

    @property
    def taken(self) -> int:
        """Neither to be launched nor drawn again."""
        return self.leased | self.done | self.waiting

    @property
    def quiet(self) -> bool:
        """Nothing is under way that would say more of it."""
        return not self.leased | self.waiting and self.done == self.judged

    @property
    def bits(self) -> Bits:
        """What is known for good."""
        return Bits(self.done, self.judged, self.kept, self.wrong)


class PromptStates:
    """Prompts by number; each is looked at in turn, and parked ones when those are through."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.working = 0
        self.parked = 0
        self.settled = 0
        self.open: dict[int, OpenPrompt] = {}
        """Those in work, and settled ones that somebody still draws."""
        self._state = bytearray(count)
        self._before: list[Bits] = [Bits()]
        self._before_of = np.zeros(count, np.uint32)
        self._numbers: dict[Bits, int] = {}
        self._cursor = 0
        self._low = 0
        self._put_off: dict[tuple[int, int], array[int]] = {}
        """Parked prompts by source and what is known of them."""

    def restore(
        self,
        before: Sequence[Bits],
        before_of: NDArray[np.uint32],
        is_settled: Callable[[Bits], bool],
    ) -> None:
        """What is known from earlier times: of each prompt, its number in `before`."""
        self._before, self._before_of = list(before), before_of.copy()
        settled = np.array([is_settled(bits) for bits in before], np.bool_)
        states = np.where(settled, np.uint8(State.SETTLED), np.uint8(State.UNTOUCHED))[before_of]
        self._state = bytearray(states.tobytes())
        self.settled = int((states == State.SETTLED).sum())

    def state(self, number: int) -> int:
        """Its `State`."""
        return self._state[number]

    def before(self, number: int) -> Bits:
        """What is known of one that is not open."""
        return self._before[int(self._before_of[number])]

    @property
    def settled_below(self) -> int:
        """All prompts below this number are settled."""
        while self._low < self.count and self._state[self._low] == State.SETTLED:
            self._low += 1
        return self._low

    def next_untouched(self) -> int | None:
        """The first one that nobody has begun."""
        while self._cursor < self.count and self._state[self._cursor] != State.UNTOUCHED:
            self._cursor += 1
        return self._cursor if self._cursor < self.count else None

    def touch(self, number: int) -> OpenPrompt:
        """Begins to work on one that is untouched or parked."""
        if self._state[number] == State.PARKED:
            self.parked -= 1
        self._state[number] = State.OPEN
        self.working += 1
        before = self.before(number)
        prompt = self.open[number] = OpenPrompt(
            done=before.done, judged=before.judged, kept=before.kept, wrong=before.wrong
        )
        return prompt

    def settle(self, number: int) -> None:
        """Nothing more is needed of an open one."""
        self._state[number] = State.SETTLED
        self.working -= 1
        self.settled += 1

    def park(self, number: int, source: int) -> None:
        """Puts an open or untouched one off until it is asked for."""
        if self._state[number] == State.OPEN:
            bits = self.open.pop(number).bits
            self.working -= 1
            self._before_of[number] = self._number_of(bits)
        self._state[number] = State.PARKED
        self.parked += 1
        key = source, int(self._before_of[number])
        self._put_off.setdefault(key, array("I")).append(number)

    def next_parked(self, gain: Callable[[int, Bits], float]) -> int | None:
        """The one that brings most by `gain` of its source and what is known of it."""
        while self._put_off:
            best = max(self._put_off, key=lambda key: gain(key[0], self._before[key[1]]))
            numbers = self._put_off[best]
            while numbers and self._state[numbers[-1]] != State.PARKED:
                numbers.pop()  # somebody who has drawn of it all the time has come back
            if numbers:
                return numbers.pop()
            del self._put_off[best]
        return None

    def _number_of(self, bits: Bits) -> int:
        if not self._numbers:
            self._numbers = {known: number for number, known in enumerate(self._before)}
        if bits not in self._numbers:
            self._numbers[bits] = len(self._before)
            self._before.append(bits)
        return self._numbers[bits]
