"""Discrete events in virtual time, around the production scheduling core.

Hours of a large run take seconds: a replica is a heap of sequences on a clock of tokens, since all
that run in it advance alike, and the core is the one of `infra/coordinator.py`, asked as replicas
ask it. Left out: calls and files, whose time is part of `verdict_s`, and speculative decoding.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from math import ceil
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from infra.consolidation import Load, to_give_back
from infra.goal import Goal
from infra.scheduler import Key, Scheduler
from infra.step_time import StepTime

VERDICTS_EVERY_S = 5.0
FREE_SHARE = 0.1
"""So much of the free cache stays free when a sequence comes back; it is to stay for a while."""


@dataclass(frozen=True)
class Workload:
    """What would come of every sample, by prompt and sample index."""

    tokens: NDArray[np.int64]
    """(prompts, max): the length of each."""
    kept: NDArray[np.bool_]
    """(prompts, max): whether the rules keep it."""
    prompt_tokens: int = 200


class Outage(NamedTuple):
    """A replica that is lost, and its successor, which is ready some time later."""

    at_s: float
    replica: int
    restart_s: float = 120.0


@dataclass
class Replica:
    """An engine that decodes: `_running` is ordered by the tick at which a sequence ends."""

    name: str
    step: StepTime
    now: float = 0.0
    arrived: float | None = None
    paid_s: float = 0.0
    plan: int = 0
    """Events of earlier plans are void."""
    _tick: float = 0.0
    _kv: float = 0.0
    _running: list[tuple[float, Key]] = field(default_factory=list)
    _began: dict[Key, tuple[float, int]] = field(default_factory=dict)
    """The tick at which each sequence began, and what was prefilled for it."""

    _preempted: list[tuple[Key, float, int]] = field(default_factory=list)
    """Sequences that wait for room in the cache: the tokens that they lack, and those they have."""

    @property
    def room(self) -> int:
        """Free slots; none while sequences wait for room in the cache."""
        return 0 if self._preempted else self.step.slots - len(self._running)

    @property
    def running(self) -> int:
        """Sequences in work."""
        return len(self._running)

    def advance(self, now: float) -> None:
        """Decodes until then."""
        if now > self.now:
            steps = self.step.decoded(now - self.now, len(self._running), self._kv)
            self._tick += steps
            self._kv += steps * len(self._running)
            self.now = now

    def add(self, key: Key, tokens: float, prefill: int) -> None:
        """Begins a sequence; the others wait for its prefill."""
        self.now += prefill * self.step.per_prefill_token_s
        self._kv += prefill
        self._began[key] = self._tick, prefill
        heapq.heappush(self._running, (self._tick + tokens, key))

    def next_event(self) -> float | None:
        """When the next sequence ends, or the cache is full, if nothing is added before."""
        if not self._running:
            return None
        steps = max(0.0, self._running[0][0] - self._tick)
        if len(self._running) > 1:
            full = (self.step.kv_tokens - self._kv) / len(self._running)
            steps = min(steps, max(0.0, full))
        return self.now + self.step.decode_s(steps, len(self._running), self._kv)

    def fit_cache(self) -> None:
        """Takes the youngest sequences out of a full cache, and back where there is room: as vLLM
        does, by computing all of their tokens anew."""
        while len(self._running) > 1 and self._kv >= self.step.kv_tokens - 1e-6:
            end, key = max(self._running, key=lambda entry: self._began[entry[1]])
            began, prefill = self._began[key]
            has = prefill + round(self._tick - began)
            self._preempted.append((key, end - self._tick, has))
            self._running.remove((end, key))
            heapq.heapify(self._running)
            self._remove(key)
        while self._preempted and self._fits(self._preempted[-1][2]):
            key, lacks, has = self._preempted.pop()
            self.add(key, lacks, has)

    def _fits(self, tokens: int) -> bool:
        if not self._running:
            return True
        free = self.step.kv_tokens - self._kv
        return len(self._running) < self.step.slots and tokens + FREE_SHARE * free < free

    def ended(self) -> list[Key]:
        """Takes out the sequences that are at their end."""
        keys = []
        while self._running and self._running[0][0] <= self._tick + 1e-6:
            keys.append(self._remove(heapq.heappop(self._running)[1]))
        return keys

    def hand_over(self) -> dict[Key, float]:
        """Takes everything out; returns how many tokens each has that was begun here."""
        has = {key: self._tick - began for key, (began, _) in self._began.items()}
        has |= {key: 0.0 for key, *_ in self._preempted}
        self.clear()
        return has

    def cancel(self, keys: Sequence[Key]) -> float:
        """Ends sequences before their end; returns how many tokens they had."""
        self._preempted = [entry for entry in self._preempted if entry[0] not in keys]
        gone = self._began.keys() & set(keys)
        tokens = sum(self._tick - self._began[key][0] for key in gone)
        self._running = [entry for entry in self._running if entry[1] not in gone]
        heapq.heapify(self._running)
        for key in gone:
            self._remove(key)
        return tokens

    def clear(self) -> float:
        """Loses everything; returns how many tokens that were."""
        self._preempted = []
        return self.cancel([*self._began])

    def _remove(self, key: Key) -> Key:
        began, prefill = self._began.pop(key)
        self._kv = max(0.0, self._kv - prefill - (self._tick - began))
        return key


@dataclass
class Outcome:
    """What a simulated run came to."""

    tokens: int = 0
    """Of the samples that were drawn to their end."""
    wasted_tokens: float = 0.0
    """Of those that were cancelled or lost."""
    drawn: int = 0
    cancelled: int = 0
    handed_over: int = 0
    """Left to another replica half drawn."""
    paid_s: float = 0.0
    """Of all replicas, from their arrival to their leave."""
    end_s: float = 0.0
    decisions: int = 0
    """Leases, deliveries, verdicts and cancellations."""


class Run:
    """One run of a workload on replicas that arrive, are lost, and are paid for."""

    def __init__(
        self,
        workload: Workload,
        goal: Goal,
        step: StepTime,
        arrivals: Sequence[float],
        *,
        verdict_s: float = 20.0,
        outages: Sequence[Outage] = (),
    ) -> None:
        self.scheduler = Scheduler(goal, len(workload.tokens))
        self.outcome = Outcome()
        self._workload = workload
        self._verdict_s = verdict_s
        self._replicas = [Replica(f"r{number}", step) for number in range(len(arrivals))]
        self._seen: set[int] = set()
        """Prompts that have been prefilled somewhere."""
        self._has: dict[Key, float] = {}
        """Tokens of samples that were begun elsewhere."""
        self._hungry: set[int] = set()
        self._verdicts: dict[float, list[Key]] = {}
        self._events: list[tuple[float, int, Any, tuple[Any, ...]]] = []
        self._order = count()
        for number, at in enumerate(arrivals):
            self._at(at, self._arrive, number)
        for outage in outages:
            self._at(outage.at_s, self._lose, outage)

    def play(self) -> Outcome:
        """To the end."""
        while not self.scheduler.finished:
            now, _, act, arguments = heapq.heappop(self._events)
            act(now, *arguments)
        self.outcome.end_s = now
        for replica in self._replicas:
            if replica.arrived is not None:
                self._leave(replica, now)
        return self.outcome

    def _at(self, time: float, act: Any, *arguments: Any) -> None:
        heapq.heappush(self._events, (time, next(self._order), act, arguments))

    def _arrive(self, now: float, number: int) -> None:
        replica = self._replicas[number]
        replica.now = replica.arrived = now
        self._fill(number)

    def _leave(self, replica: Replica, now: float) -> None:
        assert replica.arrived is not None
        self.outcome.paid_s += now - replica.arrived
        self.outcome.wasted_tokens += replica.clear()
        replica.arrived = None

    def _lose(self, now: float, outage: Outage) -> None:
        replica = self._replicas[outage.replica]
        if replica.arrived is None:
            return
        replica.advance(now)
        self.scheduler.lost(replica.name)
        self._leave(replica, now)
        replica.plan += 1
        self._hungry.discard(outage.replica)
        self._at(now + outage.restart_s, self._arrive, outage.replica)
        self._feed(now)

    def _fill(self, number: int) -> None:
        """Fills free slots, and plans the next end."""
        replica = self._replicas[number]
        room = replica.room
        leases = self.scheduler.lease(replica.name, room)
        self.outcome.decisions += len(leases)
        for key, *_ in leases:
            has = self._has.get(key, 0.0)
            first = key.prompt not in self._seen
            prefill = self._workload.prompt_tokens if first or has else 0
            self._seen.add(key.prompt)
            replica.add(key, int(self._workload.tokens[key]) - has, prefill + round(has))
        if len(leases) < room:
            self._hungry.add(number)
        else:
            self._hungry.discard(number)
        self._plan(number)

    def _plan(self, number: int) -> None:
        replica = self._replicas[number]
        replica.plan += 1
        if (at := replica.next_event()) is not None:
            self._at(at, self._step, number, replica.plan)

    def _feed(self, now: float) -> None:
        """Gives out what there is; where there is nothing, replicas are given back."""
        self._share(now)
        while self._hungry and self.scheduler.idle and self._give_back(now):
            self._share(now)

    def _share(self, now: float) -> None:
        """Gives what there is to those that wait for it, the emptiest first."""
        replicas = self._replicas
        for number in sorted(self._hungry, key=lambda number: replicas[number].running):
            replicas[number].advance(now)
            before = replicas[number].running
            self._fill(number)
            if replicas[number].running == before:
                return

    def _give_back(self, now: float) -> bool:
        """The emptiest replica leaves, if the others have room for what it holds."""
        loads = {
            replica.name: Load(self.scheduler.held(replica.name), replica.step.slots)
            for replica in self._replicas
            if replica.arrived is not None
        }
        name = to_give_back(loads)
        if name is None:
            return False
        number = next(n for n, replica in enumerate(self._replicas) if replica.name == name)
        replica = self._replicas[number]
        replica.advance(now)
        for key, has in replica.hand_over().items():
            self._has[key] = self._has.get(key, 0.0) + has
        self.outcome.handed_over += self.scheduler.held(name)
        self.scheduler.lost(name)
        self._leave(replica, now)
        replica.plan += 1
        self._hungry.discard(number)
        return True

    def _step(self, now: float, number: int, plan: int) -> None:
        replica = self._replicas[number]
        if plan != replica.plan:
            return
        replica.advance(now)
        ended = replica.ended()
        replica.fit_cache()
        for key in ended:
            tokens = int(self._workload.tokens[key])
            self.scheduler.delivered(replica.name, key, tokens)
            self.outcome.tokens += tokens
        self.outcome.drawn += len(ended)
        self.outcome.decisions += len(ended)
        self._fill(number)
        if number in self._hungry:
            self._feed(now)
        # Verdicts come in groups, as samples are flushed in files.
        due = VERDICTS_EVERY_S * ceil((now + self._verdict_s) / VERDICTS_EVERY_S)
        if due not in self._verdicts:
            self._at(due, self._judge)
        self._verdicts.setdefault(due, []).extend(ended)

    def _judge(self, now: float) -> None:
        keys = self._verdicts.pop(now)
        for key in keys:
            self.scheduler.judged(key, kept=bool(self._workload.kept[key]))
        self.outcome.decisions += len(keys)
        for number, replica in enumerate(self._replicas):
            if surplus := self.scheduler.surplus(replica.name):
                replica.advance(now)
                self.outcome.wasted_tokens += replica.cancel(surplus)
                self.outcome.cancelled += len(surplus)
                self.scheduler.cancelled(replica.name, surplus)
                self._fill(number)
        self._feed(now)
