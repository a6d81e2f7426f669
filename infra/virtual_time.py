"""Discrete events in virtual time, around the production scheduling core.

Hours of a large run take seconds: an engine is a clock of tokens (`infra/decoding.py`), and the
core is the one of `infra/coordinator.py`, asked as replicas ask it. Left out: calls and files,
whose time is part of `verdict_s`, and speculative decoding.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from math import ceil, inf
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from infra.consolidation import Load, to_give_back
from infra.decoding import Decoder, Request
from infra.goal import Goal
from infra.replica import requests_at_once
from infra.scheduler import Key, Scheduler
from infra.step_time import StepTime

VERDICTS_EVERY_S = 5.0


@dataclass(frozen=True)
class Workload:
    """What would come of every sample, by prompt and sample index."""

    tokens: NDArray[np.int64]
    """(prompts, max): the length of each."""
    kept: NDArray[np.bool_]
    """(prompts, max): whether the rules keep it."""
    prompt_tokens: int = 0


class Outage(NamedTuple):
    """A replica that is lost, and its successor, which is ready some time later."""

    at_s: float
    replica: int
    restart_s: float = 120.0


@dataclass
class Replica:
    """An engine with the samples that it has leased."""

    name: str
    engine: Decoder[Key]
    arrived: float | None = None
    plan: int = 0
    """Events of earlier plans are void."""

    @property
    def room(self) -> int:
        """How many samples it leases now."""
        return requests_at_once(self.engine.step.slots) - self.engine.held


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
    last_end_s: float = 0.0
    """When the last sample came to its end."""
    end_s: float = 0.0
    """When all prompts were settled."""
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
        budget: float = inf,
    ) -> None:
        """`budget` is in tokens."""
        self.scheduler = Scheduler(goal, len(workload.tokens))
        self.outcome = Outcome()
        self.drawn: NDArray[np.bool_] = np.zeros(workload.tokens.shape, np.bool_)
        """(prompts, max): the samples that were drawn to their end."""
        self._budget = budget
        self.scheduler.allowance.set(budget)
        self._workload = workload
        self._verdict_s = verdict_s
        self._replicas = [Replica(f"r{number}", Decoder(step)) for number in range(len(arrivals))]
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
        replica.arrived = now
        replica.engine = Decoder(replica.engine.step)
        replica.engine.advance(now)
        self._fill(number)

    def _leave(self, replica: Replica, now: float) -> None:
        assert replica.arrived is not None
        self.outcome.paid_s += now - replica.arrived
        self.outcome.wasted_tokens += replica.engine.clear()
        replica.arrived = None

    def _lose(self, now: float, outage: Outage) -> None:
        replica = self._replicas[outage.replica]
        if replica.arrived is None:
            return
        replica.engine.advance(now)
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
            replica.engine.add(
                Request(
                    key,
                    int(self._workload.tokens[key]),
                    key.prompt,
                    self._workload.prompt_tokens,
                    self._has.get(key, 0.0),
                )
            )
        if len(leases) < room:
            self._hungry.add(number)
        else:
            self._hungry.discard(number)
        self._plan(number)

    def _plan(self, number: int) -> None:
        replica = self._replicas[number]
        replica.plan += 1
        if (at := replica.engine.next_event()) is not None:
            self._at(at, self._step, number, replica.plan)

    def _feed(self, now: float) -> None:
        """Gives out what there is; where there is nothing, replicas are given back."""
        self._share(now)
        while self._hungry and self.scheduler.idle and self._give_back(now):
            self._share(now)

    def _share(self, now: float) -> None:
        """Gives what there is to those that wait for it, the emptiest first."""
        engines = [replica.engine for replica in self._replicas]
        for number in sorted(self._hungry, key=lambda number: engines[number].held):
            engines[number].advance(now)
            before = engines[number].held
            self._fill(number)
            if engines[number].held == before:
                return

    def _give_back(self, now: float) -> bool:
        """The emptiest replica leaves, if the others have room for what it holds."""
        loads = {
            replica.name: Load(self.scheduler.held(replica.name), replica.engine.step.slots)
            for replica in self._replicas
            if replica.arrived is not None
        }
        name = to_give_back(loads)
        if name is None:
            return False
        number = next(n for n, replica in enumerate(self._replicas) if replica.name == name)
        replica = self._replicas[number]
        replica.engine.advance(now)
        self._has |= replica.engine.hand_over()
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
        replica.engine.advance(now)
        ended = replica.engine.ended()
        for request in ended:
            self.scheduler.delivered(replica.name, request.key, request.tokens)
            self.outcome.tokens += request.tokens
            self.drawn[request.key] = True
            self.outcome.last_end_s = now
        self.outcome.drawn += len(ended)
        self.outcome.decisions += len(ended)
        self._fill(number)
        if number in self._hungry:
            self._feed(now)
        # Verdicts come in groups, as samples are flushed in files.
        due = VERDICTS_EVERY_S * ceil((now + self._verdict_s) / VERDICTS_EVERY_S)
        if due not in self._verdicts:
            self._at(due, self._judge)
        self._verdicts.setdefault(due, []).extend(request.key for request in ended)

    def _spend(self, now: float) -> None:
        """Looks how much of the budget is left; where nothing is, all that runs is ended."""
        spent = self.outcome.tokens + self.outcome.wasted_tokens
        for replica in self._replicas:
            replica.engine.advance(now)
            spent += replica.engine.made_by_all()
        self.scheduler.allowance.set(self._budget - spent)
        if self.scheduler.allowance.overdrawn:
            for replica in self._replicas:
                if replica.arrived is not None:
                    self.scheduler.lost(replica.name)
                    self._leave(replica, now)

    def _judge(self, now: float) -> None:
        keys = self._verdicts.pop(now)
        for key in keys:
            self.scheduler.judged(key, kept=bool(self._workload.kept[key]))
        self.outcome.decisions += len(keys)
        if self._budget < inf:
            self._spend(now)
        for number, replica in enumerate(self._replicas):
            if surplus := self.scheduler.surplus(replica.name):
                replica.engine.advance(now)
                self.outcome.wasted_tokens += replica.engine.cancel(surplus)
                self.outcome.cancelled += len(surplus)
                self.scheduler.cancelled(replica.name, surplus)
                self._fill(number)
        self._feed(now)
