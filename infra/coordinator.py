"""The coordinator: gives out work, and is the only one that commits to the pool.

An asyncio Ray actor. It holds keys, states and counts. What workers deliver is committed by one
task in the background, many deliveries in one commit (a commit takes about 17 ms); only then is it
acknowledged, counted and passed on.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from infra.messages import (
    Drawn,
    Grant,
    Judged,
    Known,
    Place,
    Progress,
    ScoreTask,
    ToScore,
    Work,
)
from infra.pool import DataFile, Pool, PoolWriter
from infra.revision import assert_same_code
from infra.scheduler import Key, Scheduler
from infra.spool import Batch
from schemas.errors import RunError
from schemas.recipe import SampleCounts

LONG_POLL_S = 1.0
ROWS_PER_SCORE_TASK = 64

log = logging.getLogger(__name__)


@dataclass
class _Delivery:
    """Files that wait for their commit."""

    table: str
    files: list[DataFile]
    then: Callable[[], None]
    acknowledged: "asyncio.Future[None]" = field(default_factory=asyncio.Future)


class Coordinator:
    """Drives the scheduling core for one run."""

    def __init__(self, pool: Path, epoch: int, counts: SampleCounts, code: str) -> None:
        assert_same_code(code)
        self._writer = PoolWriter(Pool(pool), epoch)
        self._scheduler = Scheduler(counts)
        self._prompts: list[Place] = []
        self._to_score: deque[ScoreTask] = deque()
        self._scoring: dict[str, dict[int, ScoreTask]] = {}
        self._tasks = 0
        self._open_tasks = 0
        self._progress = Progress()
        self._replicas: set[str] = set()
        self._first_joined: float | None = None
        self._changed = asyncio.Event()
        self._deliveries: asyncio.Queue[_Delivery] = asyncio.Queue()
        self._failure: Exception | None = None
        self._committing: asyncio.Task[None] | None = None

    async def begin(self, known: Known, to_score: list[ScoreTask]) -> None:
        """Takes the run's prompts and what the pool knows of them, and old samples to score."""
        if any(done & ~judged for done, judged in zip(known.done, known.judged, strict=True)):
            raise RunError(
                "samples were left without a verdict; is every node's software the same?"
            )
        for file, row in known.places:
            self._prompts.append(Place(known.paths[file], row))
        for done, judged, kept in zip(known.done, known.judged, known.kept, strict=True):
            self._scheduler.add(done, judged, kept)
        for task in to_score:
            self._enqueue(task)
        self._committing = asyncio.create_task(self._commit_deliveries())

    async def commit_prompts(self, files: list[DataFile]) -> None:
        """Commits files of new prompts."""
        await asyncio.to_thread(self._writer.commit, "prompts", files)

    # Replicas

    async def join(self, replica: str) -> None:
        """A replica is ready to work."""
        self._replicas.add(replica)
        self._first_joined = self._first_joined or time.monotonic()
        log.info("replica %s joined", replica)

    async def lease(self, replica: str, count: int, wait_s: float) -> Grant:
        """Up to `count` samples to draw; waits up to `wait_s` if there is nothing to say."""
        grant = self._grant(replica, count)
        if not (grant.work or grant.finished):
            await self._wait_for_change(wait_s)
            grant = self._grant(replica, count)
        return grant

    def _grant(self, replica: str, count: int) -> Grant:
        self._check()
        leases = self._scheduler.lease(replica, count)
        work = tuple(Work(key, tries, self._prompts[key.prompt]) for key, tries in leases)
        finished = self._scheduler.all_settled
        return Grant(work, finished)

    async def deliver(self, replica: str, batch: Batch[Drawn]) -> list[Key]:
        """Commits a file of samples; returns when it is durable.

        Returns the keys that this replica may not deliver, because it lost their lease; then
        nothing was committed, and the file must be written again without them.
        """
        self._check()
        refused = [e.key for e in batch.entries if not self._scheduler.accepts(replica, e.key)]
        if refused:
            return refused
        # Taken over before the commit: a replica that is lost meanwhile must not have what is on
        # its way to the table drawn again. If the commit fails, the whole run stops.
        for entry in batch.entries:
            self._scheduler.delivered(replica, entry.key)
        await self._commit("samples", [batch.file], lambda: self._drawn(batch))
        return []

    async def failed(self, replica: str, key: Key) -> bool:
        """A try failed and another may help. True: somebody will; False: deliver it as failed."""
        again = self._scheduler.failed(replica, key)
        self._notify()
        return again

    async def lost_replica(self, replica: str) -> int:
        """The replica is gone; what it had not delivered is drawn again. Returns how much."""
        self._replicas.discard(replica)
        lost = self._scheduler.lost(replica)
        self._notify()
        return lost

    def _drawn(self, batch: Batch[Drawn]) -> None:
        path = str(self._writer.pool.folder("samples") / batch.file.name)
        fresh: list[ToScore] = []
        for row, (key, done, tokens, reason) in enumerate(batch.entries):
            self._progress.drawn += 1
            self._progress.tokens += tokens
            if done:
                fresh.append(ToScore(key, row, self._prompts[key.prompt]))
            else:
                self._progress.failed += 1
                self._judge(Judged(key, f"failed_{reason}"))
        for start in range(0, len(fresh), ROWS_PER_SCORE_TASK):
            self._enqueue(ScoreTask(0, path, tuple(fresh[start : start + ROWS_PER_SCORE_TASK])))

    # Scorer workers

    async def lease_scores(self, worker: str, *, wait: bool) -> ScoreTask | None:
        """Samples to score, or null if there are none (after a moment, if told to wait)."""
        self._check()
        if wait and not self._to_score:
            await self._wait_for_change(LONG_POLL_S)
        if not self._to_score:
            return None
        task = self._to_score.popleft()
        self._scoring.setdefault(worker, {})[task.number] = task
        return task

    async def deliver_scores(
        self, worker: str, tasks: list[int], file: DataFile | None, verdicts: list[Judged]
    ) -> bool:
        """Commits the scores of whole tasks; returns when they are durable. False: this worker
        was given up and they are being scored elsewhere, nothing was committed."""
        self._check()
        held = self._scoring.get(worker, {})
        if any(number not in held for number in tasks):
            return False
        for number in tasks:
            del held[number]
        files = [] if file is None else [file]
        await self._commit("scores", files, lambda: self._scored(len(tasks), verdicts))
        return True

    async def lost_worker(self, worker: str) -> None:
        """The worker is gone; its tasks are scored again."""
        self._to_score.extendleft(self._scoring.pop(worker, {}).values())
        self._notify()

    def _scored(self, tasks: int, verdicts: list[Judged]) -> None:
        self._open_tasks -= tasks
        for verdict in verdicts:
            self._judge(verdict)

    def _judge(self, verdict: Judged) -> None:
        self._scheduler.judged(verdict.key, kept=verdict.reason is None)
        self._progress.judged += 1
        if verdict.reason is None:
            self._progress.kept += 1
        else:
            self._progress.reasons[verdict.reason] += 1

    def _enqueue(self, task: ScoreTask) -> None:
        self._tasks += 1
        self._open_tasks += 1
        self._to_score.append(replace(task, number=self._tasks))

    # Everyone

    async def progress(self) -> Progress:
        """How far the run is; raises what stopped it, if anything did."""
        self._check()
        return replace(
            self._progress,
            prompts=self._scheduler.prompts,
            settled=self._scheduler.settled,
            in_flight=self._scheduler.in_flight,
            replicas=len(self._replicas),
            waiting_for_scores=self._open_tasks,
            working_s=time.monotonic() - self._first_joined if self._first_joined else 0.0,
            finished=self._scheduler.all_settled and self._open_tasks == 0,
        )

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure

    async def _wait_for_change(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._changed.wait(), seconds)
        except TimeoutError:
            return

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _commit(self, table: str, files: list[DataFile], then: Callable[[], None]) -> None:
        delivery = _Delivery(table, files, then)
        await self._deliveries.put(delivery)
        await delivery.acknowledged

    async def _commit_deliveries(self) -> None:
        while True:
            waiting = [await self._deliveries.get()]
            while not self._deliveries.empty():
                waiting.append(self._deliveries.get_nowait())
            for table in ("samples", "scores"):
                await self._commit_together([d for d in waiting if d.table == table])
            self._notify()

    async def _commit_together(self, deliveries: list[_Delivery]) -> None:
        files = [file for delivery in deliveries for file in delivery.files]
        try:
            if files:
                await asyncio.to_thread(self._writer.commit, deliveries[0].table, files)
            for delivery in deliveries:
                delivery.then()
        except Exception as error:  # reaches every worker and the driver
            self._failure = error
            for delivery in deliveries:
                delivery.acknowledged.set_exception(error)
            return
        for delivery in deliveries:
            delivery.acknowledged.set_result(None)


def start_coordinator(pool: Path, epoch: int, counts: SampleCounts, code: str) -> Any:
    """The coordinator as a Ray actor; it needs no CPU of its own."""
    import ray

    return (
        ray.remote(Coordinator)
        .options(num_cpus=0, max_concurrency=10_000)
        .remote(pool, epoch, counts, code)
    )
