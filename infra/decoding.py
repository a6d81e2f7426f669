"""How an engine decodes under the step-time model: sequences on a clock of tokens.

All that run advance alike, so that an event costs the logarithm of their number, however long they
are. Simulations in virtual time (`infra/virtual_time.py`) and the simulated engine in real time
(`infra/engines/real_time.py`) drive this same object.
"""

import heapq
from collections import OrderedDict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from infra.step_time import StepTime

FREE_SHARE = 0.1
"""So much of the free cache stays free when a sequence begins; it is to stay for a while."""
CLOSE = 1e-3
"""A sequence that lacks so few tokens is at its end. After millions of seconds no clock is exact
enough for less, and an event that never comes would be waited for again and again."""
PREFIXES = 4096
"""So many prompts stay in the prefix cache."""

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Request(Generic[K]):
    """A sample to be decoded."""

    key: K
    tokens: int
    """Of the whole sample."""
    prompt: Hashable
    """What siblings share."""
    prompt_tokens: int
    begun: float = 0.0
    """Tokens that it brings from elsewhere."""


@dataclass(slots=True)
class _Sequence(Generic[K]):
    request: Request[K]
    has: float
    """Tokens when it began to decode, or that it waits with."""
    began: float | None = None
    """The tick at which it did; null while it waits."""


class Decoder(Generic[K]):
    """Decodes requests, as many at once as there are slots; the others wait, first come, first
    served. Whoever drives it advances it to each `next_event` and asks what `ended` there."""

    def __init__(self, step: StepTime) -> None:
        self.step = step
        self.now = 0.0
        """Seconds; in the future while a prefill is going on."""
        self._tick = 0.0
        """Steps so far: what every running sequence has made since it began."""
        self._kv = 0.0
        self._running: list[tuple[float, K]] = []
        """A heap by the tick at which each ends."""
        self._sequences: dict[K, _Sequence[K]] = {}
        self._waiting: OrderedDict[K, None] = OrderedDict()
        self._prefilled: OrderedDict[Hashable, None] = OrderedDict()

    @property
    def held(self) -> int:
        """Sequences that run or wait."""
        return len(self._sequences)

    @property
    def running(self) -> int:
        """Sequences in slots."""
        return len(self._running)

    def has(self, key: K) -> float:
        """Tokens of a sequence so far, with those that it brought."""
        sequence = self._sequences[key]
        return sequence.has + (0 if sequence.began is None else self._tick - sequence.began)

    def made(self, key: K) -> float:
        """Tokens that were decoded here for a sequence."""
        return self.has(key) - self._sequences[key].request.begun

    def made_by_all(self) -> float:
        """Tokens that were decoded here for all that are here."""
        return sum(self.made(key) for key in self._sequences)

    def advance(self, now: float) -> None:
        """Decodes until then, which must not be after the next event."""
        if now <= self.now:
            return
        if self._running:
            steps = self.step.decoded(now - self.now, len(self._running), self._kv)
            self._tick += steps
            self._kv += steps * len(self._running)
        self.now = now

    def next_event(self) -> float | None:
        """When the next sequence ends, or the cache is full, if nothing is added before."""
        if not self._running:
            return None
        steps = max(0.0, self._running[0][0] - self._tick)
        if len(self._running) > 1:
            full = (self.step.kv_tokens - self._kv) / len(self._running)
            steps = min(steps, max(0.0, full))
        return self.now + self.step.decode_s(steps, len(self._running), self._kv)

    def add(self, request: Request[K]) -> None:
        """Begins a sequence, or has it wait; all others wait for its prefill."""
        self._sequences[request.key] = _Sequence(request, request.begun)
        self._waiting[request.key] = None
        self._begin()

    def ended(self) -> list[Request[K]]:
        """Takes out the sequences that are at their end; others begin in their slots."""
        requests = []
        while self._running and self._running[0][0] <= self._tick + CLOSE:
            _, key = heapq.heappop(self._running)
            requests.append(self._remove(key).request)
        self._preempt()
        self._begin()
        return requests

    def cancel(self, keys: Iterable[K]) -> float:
        """Ends sequences before their end, if they are here; returns how many tokens were made for
        them."""
        gone = self._sequences.keys() & set(keys)
        made = sum(self.made(key) for key in gone)
        self._running = [entry for entry in self._running if entry[1] not in gone]
        heapq.heapify(self._running)
        for key in gone:
            self._waiting.pop(key, None)
            self._remove(key)
        self._begin()
        return made

    def clear(self) -> float:
        """Loses everything; returns how many tokens were made for it."""
        return self.cancel([*self._sequences])

    def hand_over(self) -> dict[K, float]:
        """Takes everything out; returns how many tokens each sequence has."""
        has = {key: self.has(key) for key in self._sequences}
        self.clear()
        return has

    def _begin(self) -> None:
        while self._waiting:
            key = next(iter(self._waiting))
            sequence = self._sequences[key]
            cached = sequence.request.prompt_tokens + sequence.has
            if not self._has_room(cached):
                return
            del self._waiting[key]
            self.now += self._prefill(sequence) * self.step.per_prefill_token_s
            self._kv += cached
            sequence.began = self._tick
            lacks = sequence.request.tokens - sequence.has
            heapq.heappush(self._running, (self._tick + lacks, key))

    def _has_room(self, tokens: float) -> bool:
        if not self._running:
            return True
        free = self.step.kv_tokens - self._kv
        return len(self._running) < self.step.slots and tokens < (1 - FREE_SHARE) * free

    def _prefill(self, sequence: _Sequence[K]) -> float:
        """Tokens to be computed before a sequence decodes: its own, and its prompt's unless a
        sibling was here."""
        prompt = sequence.request.prompt
        shared = prompt in self._prefilled
        self._prefilled[prompt] = None
        self._prefilled.move_to_end(prompt)
        if len(self._prefilled) > PREFIXES:
            self._prefilled.popitem(last=False)
        return sequence.has + (0 if shared else sequence.request.prompt_tokens)

    def _preempt(self) -> None:
        """Takes the youngest sequences out of a full cache. They are the first to begin again, by
        computing all of their tokens anew, as in vLLM."""
        while len(self._running) > 1 and self._is_full():
            entry = max(self._running, key=lambda entry: self._sequences[entry[1]].began or 0.0)
            self._running.remove(entry)
            heapq.heapify(self._running)
            key = entry[1]
            has = self.has(key)
            sequence = self._remove(key)
            self._sequences[key] = _Sequence(sequence.request, has)
            self._waiting[key] = None
            self._waiting.move_to_end(key, last=False)

    def _is_full(self) -> bool:
        return self._kv >= self.step.kv_tokens - CLOSE * len(self._running)

    def _remove(self, key: K) -> _Sequence[K]:
        has = self.has(key)
        sequence = self._sequences.pop(key)
        if sequence.began is not None:
            self._kv = max(0.0, self._kv - sequence.request.prompt_tokens - has)
        return sequence
