"""A replica: one engine in a Ray actor that pulls work, draws samples and delivers them.

It asks for work when it has free slots, so a slot is filled again the moment a sample ends.
Reading, rendering, hashing, serialising and writing happen in threads, off the loop that feeds the
engine; `Beat.loop_lag_s` shows it.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Sequence
from typing import Any

from infra.begun import write_begun
from infra.engines.simulated import SimulatedEngine
from infra.engines.vllm import VllmEngine
from infra.link import Link
from infra.loop_lag import LoopLag
from infra.messages import Beat, Drawn, Grant, Place, Work
from infra.patience import Patience
from infra.revision import assert_same_code
from infra.sample_row import Finished, Ready, assert_longer, prepare, sample_row
from infra.scheduler import Key
from infra.settings import ReplicaSettings
from infra.spool import Batch, Files, Spool
from schemas.arrow import SAMPLES
from schemas.errors import RequestError
from schemas.ports import ABORTED, Begun, Completion, Engine, EngineFacts

BEAT_S = 1.0
LONG_POLL_S = 10.0
PREFETCH_SHARE = 8
"""One sample waits in the engine for so many slots, so that a free slot never waits for a call."""
HUNGRY_FLUSH_S = 1.0
HUNGRY_FLUSH_SHARE = 10
"""With free slots and no work for them the buffer is flushed so much sooner: its verdicts may be
what everyone is waiting for."""
HUNGRY_S = 0.1
"""A lease that is not answered for so long is one for which there is no work."""
INTERRUPT_S = 1.0
"""After so long a request that still runs is interrupted again."""
BACKLOG_FILES = 4
"""With so much unwritten, because the store is out, no more is drawn: memory is bounded."""

log = logging.getLogger(__name__)


def requests_at_once(slots: int) -> int:
    """How many samples a replica has in an engine with so many slots."""
    return slots + max(1, slots // PREFETCH_SHARE)


class Replica:
    """Runs until there is nothing left to draw; raises EngineError when its engine dies."""

    def __init__(self, name: str, settings: ReplicaSettings) -> None:
        self._name = name
        self._settings = settings
        self._engine: Engine = _engine(settings)
        self._link = Link(settings.coordinator, self._rejoin)
        self._held: dict[Key, Work] = {}
        """What it has leased and not delivered. A key may be leased again before the answer comes
        that ends its first lease, so each key stands with the lease that is meant."""
        self._running: dict[Key, asyncio.Task[None]] = {}
        self._spool: Spool[Finished] = Spool(settings.flush)
        self._files = Files(settings.samples, SAMPLES, f"{settings.attempt}-{name}")
        self._patience = Patience(settings.flush.patience_seconds)
        self._flushing: asyncio.Task[None] | None = None
        self._hungry_flush_s = min(HUNGRY_FLUSH_S, settings.flush.seconds / HUNGRY_FLUSH_SHARE)
        self._leasing: asyncio.Task[Grant] | None = None
        self._asked_at: float | None = None
        """Since when it has asked for work and got none."""
        self._wake = asyncio.Event()
        """Set when a sample ended or work has come."""
        self._lag = LoopLag()
        self._leaving = False
        self._handing_over = False
        self._interrupted: list[tuple[Key, Completion]] = []

    async def run(self) -> None:
        """Starts the engine, pulls work until there is none, flushes, and closes."""
        assert_same_code(self._settings.code)
        self._facts: EngineFacts = await self._engine.start()
        self._beside = [
            asyncio.create_task(self._lag.measure()),
            asyncio.create_task(self._beat_on()),
        ]
        try:
            await self._work()
        finally:
            for task in self._beside:
                task.cancel()
            self._engine.close()

    async def _work(self) -> None:
        try:
            while not self._leaving:
                self._raise_dead()
                await self._step()
            if self._handing_over:
                await self._hand_over()
        finally:
            # Also when something fails: what is finished is paid for.
            await self._stop_drawing()
            await self._flush()

    async def _rejoin(self, coordinator: Any) -> None:
        """Tells a coordinator what this replica holds; what it may not hold is given up."""
        refused = await coordinator.join.remote(self._name, sorted(self._held))
        for key in refused:
            self._held.pop(key, None)
            if key in self._running:
                self._running.pop(key).cancel()

    async def _beat_on(self) -> None:
        while True:
            beat = Beat(
                held=len(self._held),
                tokens=self._engine.tokens(),
                loop_lag_s=self._lag.take(),
                trouble=self._patience.trouble,
                slots=self._facts.slots,
                generated=self._engine.generated(),
            )
            orders = await self._link.call("beat", self._name, beat)
            self._handing_over |= orders.hand_over
            self._leaving |= orders.leave
            await self._cancel(orders.cancel)
            await asyncio.sleep(BEAT_S)

    async def _cancel(self, keys: Sequence[Key]) -> None:
        """Ends requests whose samples are not needed; one that has ended by now is delivered."""
        running = [key for key in keys if key in self._running and not self._running[key].done()]
        for key in running:
            self._running.pop(key).cancel()
            del self._held[key]
        if running:
            await self._link.call("cancelled", self._name, running)
            self._wake.set()

    async def _step(self) -> None:
        """Fills free slots, flushes what is due, waits until something happens."""
        self._wake.clear()
        now = time.monotonic()
        if self._leasing is None and (room := self._room()) > 0:
            self._asked_at = self._asked_at or now
            self._leasing = asyncio.create_task(
                self._link.call("lease", self._name, room, LONG_POLL_S)
            )
            self._leasing.add_done_callback(lambda _: self._wake.set())
        hungry = self._asked_at is not None and now - self._asked_at >= HUNGRY_S
        # With nothing that runs, nothing more can come into the buffer.
        soon = self._spool.age() >= self._hungry_flush_s or not self._running
        if self._spool.due() or (hungry and soon):
            self._start_flush()
        idle = self._spool and not self._running
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), HUNGRY_S if idle else self._hungry_flush_s)
        if self._leasing is not None and self._leasing.done():
            leasing, self._leasing = self._leasing, None
            await self._begin(leasing.result())

    async def _begin(self, grant: Grant) -> None:
        self._leaving |= grant.leave
        if grant.work:
            self._asked_at = None
        self._held.update((work.key, work) for work in grant.work)
        for ready in await self._prepared(grant):
            if not self._holds(ready.work):
                continue  # a new coordinator has given it to somebody else meanwhile
            task = asyncio.create_task(self._draw(ready), name=ready.request_id)
            task.add_done_callback(lambda _: self._wake.set())
            self._running[ready.work.key] = task

    async def _prepared(self, grant: Grant) -> list[Ready]:
        if not grant.work:
            return []
        return await self._patience(lambda: prepare(grant.work, self._engine, self._settings))

    def _room(self) -> int:
        """How many samples more the engine takes, with a few that wait for a slot in it."""
        if self._spool.fill() >= BACKLOG_FILES:
            return 0
        return requests_at_once(self._facts.slots) - len(self._running)

    def _raise_dead(self) -> None:
        """Forgets finished samples; the error of a dead engine, of a flush or of a beat ends the
        replica."""
        for task in self._beside:
            if task.done():
                task.result()
        if self._flushing is not None and self._flushing.done():
            self._flushing.result()
        for key in [key for key, task in self._running.items() if task.done()]:
            self._running.pop(key).result()

    async def _draw(self, ready: Ready) -> None:
        started = time.monotonic()
        outcome: Any
        try:
            if isinstance(ready.rendered, RequestError):
                raise ready.rendered
            outcome = await self._engine.generate(
                ready.request_id, ready.rendered, self._settings.sampling, ready.seed, ready.begun
            )
            if outcome.finish_reason == ABORTED:
                self._interrupted.append((ready.work.key, outcome))
                return
            assert_longer(ready, outcome)
        except RequestError as error:
            key = ready.work.key
            if error.kind == "transient" and await self._link.call("failed", self._name, key):
                self._release([ready.work])
                return
            outcome = error
        finished = Finished(ready, outcome, time.monotonic() - started)
        self._spool.add(finished, finished.size)

    async def _hand_over(self) -> None:
        """Ends the requests that run and leaves them to others, as far as they have come."""
        if self._leasing is not None:
            self._leasing.cancel()
        while running := [task for task in self._running.values() if not task.done()]:
            for task in running:
                await self._engine.interrupt(task.get_name())
            # A request that is not in the engine yet does not hear it, and would run to its end.
            await asyncio.wait(running, timeout=INTERRUPT_S)
        await asyncio.gather(*self._running.values())
        begun = {
            key: Begun(tuple(one.token_ids), one.token_logprobs, one.mean_logprob)
            for key, one in self._interrupted
            if one.token_ids
        }
        path = f"{self._settings.samples}/{self._settings.attempt}-{self._name}-begun.parquet"
        if begun:
            await self._patience(lambda: write_begun(path, [*begun.values()]))
        places = {key: Place(path, row) for row, key in enumerate(begun)}
        keys = [key for key, _ in self._interrupted]
        await self._link.call("hand_over", self._name, {key: places.get(key) for key in keys})
        for key in keys:
            self._held.pop(key, None)

    async def _stop_drawing(self) -> None:
        """Ends the requests that run; their samples are drawn again some day."""
        if self._leasing is not None:
            self._leasing.cancel()
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)
        self._running.clear()

    def _start_flush(self) -> None:
        """Flushes beside the drawing, one flush at a time."""
        if self._flushing is not None:
            if not self._flushing.done():
                return
            self._flushing.result()
        self._flushing = asyncio.create_task(self._deliver(self._spool.take()))

    async def _flush(self) -> None:
        """Delivers everything and waits for it."""
        if self._flushing is not None:
            await self._flushing
        await self._deliver(self._spool.take())

    async def _deliver(self, finished: list[Finished]) -> None:
        """Writes and delivers samples, without what another replica draws by now."""
        while finished := [one for one in finished if self._holds(one.ready.work)]:
            batch = await self._patience(lambda: self._write(finished))
            refused = set(await self._link.call("deliver", self._name, batch))
            if refused:
                log.warning("replica %s lost the lease of %d samples", self._name, len(refused))
            works = [one.ready.work for one in finished]
            self._release([work for work in works if not refused or work.key in refused])

    def _holds(self, work: Work) -> bool:
        return self._held.get(work.key) is work

    def _release(self, works: Sequence[Work]) -> None:
        for work in works:
            if self._holds(work):
                del self._held[work.key]

    def _write(self, finished: list[Finished]) -> Batch[Drawn]:
        rows = [sample_row(one, self._settings, self._facts, self._name) for one in finished]
        return Batch(self._files.write(rows), tuple(one.told() for one in finished))


def _engine(settings: ReplicaSettings) -> Engine:
    if settings.teacher.engine == "simulated":
        return SimulatedEngine(settings.teacher)
    budget = settings.sampling.thinking_token_budget
    return VllmEngine(settings.teacher, thinking_budget=budget is not None)
