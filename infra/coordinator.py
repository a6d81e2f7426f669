"""The coordinator: gives out work, and is the only one that commits to the pool.

An asyncio Ray actor with keys, states, counts. When it dies, a successor with the next epoch reads
what is done, judged and kept from the pool (tries, suspects and counts of failures begin anew), and
workers join it with what they hold. What they deliver is acknowledged once it is committed.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from math import inf

from infra.committer import Committer
from infra.compaction import Compaction, Merge
from infra.consolidation import Consolidation
from infra.continuation import Continuation
from infra.data_file import DataFile
from infra.failures import Failures
from infra.loop_lag import LoopLag
from infra.messages import (
    Beat,
    Drawn,
    Grant,
    Judged,
    Known,
    Lost,
    Orders,
    Place,
    Progress,
    ScoreTask,
    ToScore,
    Work,
)
from infra.patience import Patience
from infra.pool import Pool
from infra.pool_writer import PoolWriter
from infra.revision import assert_same_code
from infra.roster import Roster
from infra.scheduler import Key, Scheduler
from infra.score_queue import ScoreQueue
from infra.settings import CoordinatorSettings
from infra.spool import Batch
from schemas.errors import RunError

LONG_POLL_S = 10.0
ROWS_PER_SCORE_TASK = 256
ADOPTION_S = 30.0
"""So long a successor waits for the replicas of its predecessor to say what they hold, before it
gives that to others."""


class Coordinator:
    """Drives the scheduling core for one run."""

    def __init__(self, settings: CoordinatorSettings) -> None:
        self._settings = settings
        self._pool = Pool(settings.pool)
        self._known = Known.nothing()
        self._scheduler = Scheduler(settings.goal, 0)
        # Task numbers of two coordinators must differ: a worker may hold tasks of the other.
        self._scores = ScoreQueue(settings.epoch << 32)
        self._progress = Progress()
        self._failures = Failures(settings.max_failed)
        self._roster = Roster()
        self._patience = Patience(settings.patience_s)
        self._continuation = Continuation(f"continued-{settings.epoch:06d}", self._patience)
        self._consolidation = Consolidation()
        self._gone_workers: set[str] = set()
        self._changed = asyncio.Event()
        self._started = asyncio.Event()
        self._begun = asyncio.Event()
        self._draining = False
        self._failure: RunError | None = None
        self._lag = LoopLag()
        self._beside: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Succeeds every earlier writer, and begins to commit; nothing is given out yet.

        BusyError where a newer one is at work. What can fail is not in `__init__`: Ray would tell
        it as the actor's death.
        """
        assert_same_code(self._settings.code)
        writer = PoolWriter(self._pool, self._settings.epoch)
        self._committer = Committer(writer, self._patience)
        self._compaction = Compaction(self._pool)
        self._beside = [
            asyncio.create_task(self._committer.work(self._notify)),
            asyncio.create_task(self._lag.measure()),
        ]
        self._started.set()

    async def join_worker(self, worker: str) -> None:
        """A scorer worker that holds nothing is ready, perhaps not for the first time. Returns once
        this coordinator has started: workers find it by its name before that."""
        await self._started.wait()
        self._scores.lost(worker)

    async def commit_files(
        self, table: str, files: list[DataFile], replaced: Sequence[DataFile] = ()
    ) -> None:
        """Commits files of the driver, in place of those that they replace."""

        def then() -> None:
            self._compaction.replaced(table, replaced, files)

        await self._committer.commit(table, files, then, replaced)

    async def score_old(self, tasks: list[ScoreTask]) -> None:
        """Takes samples of earlier runs that lack scores; they get scores, and no verdict."""
        for task in tasks:
            self._scores.add(task)
        self._notify()

    async def begin(
        self, known: Known, replicas: Sequence[str] = (), tokens_left: float = inf
    ) -> None:
        """Takes the run's prompts, what the pool knows of them, and what may be spent.

        `replicas` are those that work already: nothing is leased before they have said what they
        hold, or have been lost.
        """
        if any(bits.done & ~bits.judged for bits in known.before):
            raise RunError(
                "samples were left without a verdict; is every node's software the same?"
            )
        self._known = known
        goal = self._settings.goal.with_length(known.tokens_per_sample)
        self._scheduler = Scheduler(goal, len(known.rows), known.sources)
        self._scheduler.restore(known.before, known.before_of)
        self._scheduler.allowance.set(tokens_left)
        if known.truncated:
            self._continuation.begin(known.truncated, self._pool.files("samples"))
            self._compaction.leave_alone(self._continuation.set_apart)
        self._roster.expect(replicas)
        self._begun.set()
        if replicas:
            asyncio.get_running_loop().call_later(ADOPTION_S, self._roster.expect, ())

    # Replicas

    async def join(self, replica: str, held: Sequence[Key]) -> list[Key]:
        """A replica is ready to work, and holds these samples from a predecessor; returns those
        that it may not have any more."""
        await self._begun.wait()
        if self._roster.is_gone(replica) or not self._scheduler.prompts:
            return list(held)  # nobody watches over it, or this run ends before it began
        refused = self._scheduler.adopt(replica, held)
        self._roster.joined(replica)
        self._notify()
        return refused

    async def beat(self, replica: str, beat: Beat) -> Orders:
        """A replica says how it is, and hears what it is to do."""
        at_work = self._roster.beat(replica, beat)
        self._progress.loop_lag_s = max(self._progress.loop_lag_s, beat.loop_lag_s)
        if self._draining or not at_work or self._scheduler.allowance.overdrawn:
            return Orders(leave=True)
        idle = self._scheduler.idle and not self._roster.missing
        others = self._roster.at_work
        if self._consolidation.takes(replica, others, self._scheduler.held, idle=idle):
            return Orders(leave=True, hand_over=True)
        return Orders(leave=False, cancel=tuple(self._scheduler.surplus(replica)))

    async def hand_over(self, replica: str, begun: dict[Key, Place | None]) -> None:
        """The replica leaves these samples to others, and most of them half drawn."""
        self._continuation.handed_over(begun)
        self._scheduler.cancelled(replica, begun)
        self._progress.handed_over += len(begun)
        self._roster.handed_over(replica, len(begun))
        self._notify()

    async def cancelled(self, replica: str, keys: Sequence[Key]) -> None:
        """The replica has ended what it was told to."""
        self._scheduler.cancelled(replica, keys)
        self._continuation.forget(keys)
        self._progress.cancelled += len(keys)
        self._notify()

    async def lease(self, replica: str, count: int, wait_s: float) -> Grant:
        """Up to `count` samples to draw; waits up to `wait_s` if there is nothing to say."""
        grant = self._grant(replica, count)
        if not (grant.work or grant.leave):
            await self._wait_for_change(wait_s)
            grant = self._grant(replica, count)
        return grant

    def _grant(self, replica: str, count: int) -> Grant:
        self._committer.check()
        if self._draining or replica not in self._roster.at_work or self._scheduler.finished:
            return Grant((), leave=True)
        if self._roster.missing:
            return Grant((), leave=False)
        leases = self._scheduler.lease(replica, count)
        return Grant(tuple(self._work(*lease) for lease in leases), leave=False)

    def _work(self, key: Key, tries: int, poisoned: bool) -> Work:
        prompt = self._known.place(key.prompt)
        return Work(key, tries, prompt, poisoned, *self._continuation.of(key))

    async def deliver(self, replica: str, batch: Batch[Drawn]) -> list[Key]:
        """Commits a file of samples; returns when it is durable.

        Returns the keys that this replica may not deliver, because it lost their lease; then
        nothing was committed, and the file must be written again without them.
        """
        self._committer.check()
        refused = [e.key for e in batch.entries if not self._scheduler.accepts(replica, e.key)]
        if refused:
            return refused
        # Taken over before the commit: a replica that is lost meanwhile must not have what is on
        # its way to the table drawn again. If the commit fails, the whole run stops.
        for entry in batch.entries:
            self._scheduler.delivered(replica, entry.key, entry.tokens)
        async with self._continuation.ended([e.key for e in batch.entries]) as (left, gone):
            files, then = [batch.file, *left], partial(self._drawn, replica, batch)
            await self._committer.commit("samples", files, then, gone)
        return []

    async def failed(self, replica: str, key: Key) -> bool:
        """A try failed and another may help. True: somebody will; False: deliver it as failed."""
        again = self._scheduler.failed(replica, key)
        self._notify()
        return again

    async def lost_replica(self, replica: str, *, engine_died: bool) -> Lost:
        """The replica is gone, and what it had not delivered is drawn again."""
        delivered, handed_over = self._roster.lost(replica)
        requeued = self._scheduler.lost(replica, engine_died=engine_died)
        self._notify()
        return Lost(requeued, delivered, handed_over)

    def _drawn(self, replica: str, batch: Batch[Drawn]) -> None:
        path = f"{self._pool.folder('samples')}/{batch.file.name}"
        self._roster.delivered(replica, len(batch.entries))
        fresh: list[ToScore] = []
        for row, (key, done, tokens, reason) in enumerate(batch.entries):
            self._progress.drawn += 1
            self._progress.tokens += tokens
            if done:
                fresh.append(ToScore(key, row, self._known.place(key.prompt)))
            else:
                self._progress.failed += 1
                self._failures.add(str(reason), key.prompt)
                self._judge(Judged(key, f"failed_{reason}"))
        for start in range(0, len(fresh), ROWS_PER_SCORE_TASK):
            self._scores.add(ScoreTask(0, path, tuple(fresh[start : start + ROWS_PER_SCORE_TASK])))
        self._compaction.committed(
            "samples", batch.file, 1 + max(entry.key.prompt for entry in batch.entries)
        )
        self._failure = self._failure or self._failures.too_many(self._progress.drawn)
        self._draining = self._draining or self._failure is not None

    # Scorer workers

    async def lease_scores(self, worker: str, wait: bool) -> ScoreTask | None:
        """Samples to score, or null if there are none (after a moment, if told to wait)."""
        self._committer.check()
        if wait and not self._scores:
            await self._wait_for_change(LONG_POLL_S)
        idle = self._draining or worker in self._gone_workers
        return None if idle else self._scores.lease(worker)

    async def deliver_scores(
        self, worker: str, tasks: list[int], file: DataFile | None, verdicts: list[Judged]
    ) -> bool:
        """Commits the scores of whole tasks; returns when they are durable. False: this worker
        was given up and they are being scored elsewhere, nothing was committed."""
        self._committer.check()
        if not self._scores.take_back(worker, tasks):
            return False
        files = [] if file is None else [file]
        await self._committer.commit(
            "scores", files, lambda: self._scored(len(tasks), file, verdicts)
        )
        return True

    async def lost_worker(self, worker: str) -> None:
        """The worker is gone; its tasks are scored again."""
        self._gone_workers.add(worker)
        self._scores.lost(worker)
        self._notify()

    def _scored(self, tasks: int, file: DataFile | None, verdicts: list[Judged]) -> None:
        self._scores.open -= tasks
        for verdict in verdicts:
            self._judge(verdict)
        if file is not None:
            highest = max((verdict.key.prompt for verdict in verdicts), default=-1)
            self._compaction.committed("scores", file, 1 + highest)

    def _judge(self, verdict: Judged) -> None:
        self._scheduler.judged(verdict.key, kept=verdict.reason is None, wrong=verdict.wrong)
        self._progress.judged += 1
        if verdict.reason is None:
            self._progress.kept += 1
        else:
            self._progress.reasons[verdict.reason] += 1

    # The driver

    async def next_merge(self, *, last: bool) -> Merge | None:
        """Small files to be merged now: those of settled prompts, once they are many; at the
        `last`, a few are enough."""
        return self._compaction.due(self._scheduler.settled_below, last=last)

    async def drain(self) -> None:
        """Gives out nothing any more; everyone delivers what is finished."""
        self._draining = True
        self._begun.set()
        self._notify()

    async def progress(self, tokens_left: float = inf) -> Progress:
        """How far the run is, and hears how many tokens may still be spent; raises what stopped it,
        if anything did: too many failures once everyone has delivered what was finished."""
        self._committer.check()
        self._scheduler.allowance.set(tokens_left)
        roster = self._roster
        drained = self._draining and not (roster.at_work or roster.missing or self._scores.held)
        if drained and self._failure is not None:
            raise self._failure
        self._progress.loop_lag_s = max(self._progress.loop_lag_s, self._lag.take())
        return replace(
            self._progress,
            prompts=self._scheduler.prompts,
            settled=self._scheduler.settled,
            parked=self._scheduler.parked,
            in_flight=self._scheduler.in_flight,
            replicas=dict(roster.at_work),
            waiting_for_scores=self._scores.open,
            working_s=roster.working_s,
            trouble=self._committer.trouble,
            unaffordable=self._scheduler.unaffordable,
            finished=self._scheduler.finished
            and not (self._scheduler.in_flight or self._committer.open or self._scores.open),
            drained=drained,
        )

    async def _wait_for_change(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._changed.wait(), seconds)
        except TimeoutError:
            return

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
