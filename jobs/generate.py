"""Generate ⇄ score: draws and judges samples until every prompt is settled."""

import json
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from infra.cluster import ray_cluster, start_beside_driver
from infra.coordinator import Coordinator
from infra.events import EventLog
from infra.goal import Goal
from infra.lease import WriterLease, writing
from infra.messages import Known, Progress
from infra.meter import Spent
from infra.revision import code_digest
from infra.settings import CoordinatorSettings
from jobs.actors import CoordinatorDied, get
from jobs.budget import Purse, limited
from jobs.crew import Crew
from jobs.ingest import add_prompts
from jobs.progress import ProgressDisplay
from jobs.prompts import PromptList
from jobs.recipe import Job
from jobs.repair import NO_REPAIRS, Repairs, needs_repair, repair
from jobs.stopping import StopRequest, stop_requests
from jobs.survey import Survey, fill_tasks, known, surely_incomplete, survey
from jobs.truncated import set_apart, to_set_apart
from schemas.errors import Interrupted, StoreUnavailableError

Look = tuple[Survey, Known]
COORDINATOR_DEATHS = 5
"""So many are followed by another in one execution."""


@dataclass(frozen=True)
class FirstLook:
    """A look at the pool that may still be going on, beside the start of Ray, which takes five
    seconds."""

    result: Callable[[], Look]
    surely_incomplete: bool = False

    @property
    def incomplete(self) -> bool:
        """Samples are to be drawn; told at once where that is sure."""
        return self.surely_incomplete or self.result()[0].missing > 0


@dataclass(frozen=True)
class Generated:
    """What a stage did."""

    attempt: str | None
    """Null: there was nothing to do, and nothing was started."""
    prompts_added: int = 0
    drawn: int = 0
    failed: int = 0
    cancelled: int = 0
    """Ended before their end, because their prompt was settled without them."""
    tokens: int = 0
    working_s: float = 0.0
    """From the first replica that was ready to the last verdict."""
    scored: int = 0
    """Old samples that got scores they lacked."""
    limit: str | None = None
    """The budget that ended it, if one did."""
    put_off: int = 0
    """Prompts that were not gone on with, since others brought more for the budget."""

    def __add__(self, later: "Generated") -> "Generated":
        """Both, one after the other."""
        return Generated(
            later.attempt or self.attempt,
            self.prompts_added + later.prompts_added,
            self.drawn + later.drawn,
            self.failed + later.failed,
            self.cancelled + later.cancelled,
            self.tokens + later.tokens,
            self.working_s + later.working_s,
            self.scored + later.scored,
            later.limit,
            later.put_off,
        )


def generate(
    job: Job,
    prompts: PromptList,
    repairs: Repairs = NO_REPAIRS,
    goal: Goal | None = None,
    before: Spent | None = None,
) -> Generated:
    """Draws what is missing to the goal, by default the recipe's. Safe to run again at any time:
    what exists is not drawn again. `before`: see `Purse`."""
    goal = goal or job.goal
    with ThreadPoolExecutor(1) as beside:
        look = None
        if not needs_repair(job, prompts, repairs):
            result = beside.submit(_look, job, prompts, goal).result
            look = FirstLook(result, surely_incomplete(job, prompts))
            if not look.incomplete and look.result()[0].complete:
                return Generated(None)
            if limited(job, before) and not look.result()[0].unscored:
                limit = _used_up(Purse(job, before), look.result()[0], goal)
                if limit is not None:
                    return Generated(None, limit=limit)
        with _attempt(job, goal, before) as attempt:
            return attempt.work(prompts, look, draw=True, repairs=repairs)


def _used_up(purse: Purse, found: Survey, goal: Goal) -> str | None:
    """The budget, if what is left of it is not enough for one sample."""
    left = purse.left(time.monotonic())
    length = found.tokens_per_sample or goal.tokens_per_sample
    return left.limit if left.tokens < length else None


def fill_scores(job: Job, prompts: PromptList) -> Generated:
    """Computes only the scores that are missing; draws nothing."""
    look = _look(job, prompts, job.goal)
    if not look[0].unscored:
        return Generated(None)
    with _attempt(job, job.goal) as attempt:
        return attempt.work(prompts, FirstLook(lambda: look), draw=False, repairs=NO_REPAIRS)


def _look(job: Job, prompts: PromptList, goal: Goal) -> Look:
    found = survey(job, prompts, goal)
    return found, known(job, prompts, found)


@contextmanager
def _attempt(job: Job, goal: Goal, before: Spent | None = None) -> Iterator["Attempt"]:
    """An execution: the pool's lease, Ray, a progress display, and the two signals."""
    pool = job.recipe.pool
    teacher_id = job.teacher_id  # RecipeError for a model that isn't one, before anything starts
    with stop_requests() as stop, ray_cluster(), ProgressDisplay() as display:
        lease = _acquire(job)
        events = EventLog(job.store, pool, lease.attempt)
        try:
            name = job.recipe.name
            events.add("attempt_started", recipe=name, teacher=teacher_id, pid=os.getpid())
            resolved = json.dumps(job.resolved, indent=2).encode()
            job.store.put_if_absent(f"pools/{pool}/attempts/{lease.attempt}/recipe.json", resolved)
            yield Attempt(job, goal, lease, Purse(job, before), display, events, stop)
            if stop:
                raise Interrupted("stopped in good order; the same command resumes", stop.number)
            events.add("attempt_ended")
        except BaseException as error:
            events.add("attempt_ended", reason=f"{type(error).__name__}: {error}")
            raise
        finally:
            try:
                events.flush()
            finally:
                lease.release()


def _acquire(job: Job) -> WriterLease:
    job.store.create()
    return WriterLease.acquire(job.store, writing(job.recipe.pool), job.recipe.name)


class Attempt:
    """One execution: a coordinator at a time, replicas and scorer workers around it."""

    def __init__(
        self,
        job: Job,
        goal: Goal,
        lease: WriterLease,
        purse: Purse,
        display: ProgressDisplay,
        events: EventLog,
        stop: StopRequest,
    ) -> None:
        self.name = lease.attempt
        self._job = job
        self._goal = goal
        self._lease = lease
        self._display = display
        self._events = events
        self._stop = stop
        self._purse = purse
        self._coordinators = 0
        self._repaired = False
        self._done = Generated(lease.attempt)
        self._first_look: FirstLook | None = None
        self._coordinator_name = f"coordinator-{job.recipe.pool}-{lease.attempt}"
        self._crew = Crew(
            job, self.name, self._coordinator_name, self._purse, display, events, stop
        )

    def work(
        self, prompts: PromptList, look: FirstLook | None, *, draw: bool, repairs: Repairs
    ) -> Generated:
        """Adds new prompts, fills in missing scores and, if told to, draws what is missing. What
        `look` finds may be true no more when it is needed.

        When the coordinator dies, the next one reads from the pool how far things are, while
        replicas go on drawing.
        """
        self._first_look = look
        try:
            while True:
                try:
                    self._serve(prompts, draw=draw, repairs=repairs)
                    return self._done
                except CoordinatorDied as error:
                    self._after_death(error)
        except (StoreUnavailableError, OSError) as error:
            raise StoreUnavailableError(
                f"store {self._job.store.url} cannot be used now: {error}; what was committed is "
                "kept, and the same command goes on"
            ) from error
        finally:
            self._crew.stop()

    def _after_death(self, error: CoordinatorDied) -> None:
        self._count(self._crew.last)
        if self._stop:
            raise Interrupted(
                "stopped while the coordinator died; the same command resumes", self._stop.number
            ) from error
        self._coordinators += 1
        if self._coordinators > COORDINATOR_DEATHS:
            raise error
        self._events.add("coordinator_died", reason=str(error), epoch=self._lease.epoch)
        self._display.say("the coordinator died; a new one reads the pool, replicas go on")

    def _serve(self, prompts: PromptList, *, draw: bool, repairs: Repairs) -> None:
        """Everything that is left to do, by one coordinator."""
        with self._coordinator() as (coordinator, started):
            if draw and self._first_look is not None and self._first_look.incomplete:
                self._crew.summon()  # engines load while the coordinator starts
            get(started)
            self._crew.serve(coordinator, self._lease.check)
            if not self._repaired:
                prefix = f"{self.name}-f{self._lease.epoch:06d}"
                repair(self._job, prompts, coordinator, repairs, prefix, self._display.say)
                self._repaired = True
            prefix = f"{self.name}-{self._lease.epoch:06d}"
            added = add_prompts(self._job, prompts, coordinator, prefix)
            self._done = replace(self._done, prompts_added=self._done.prompts_added + added)
            found, known_now = self._prepare(prompts, coordinator, draw=draw)
            if draw and not found.complete:
                limit = _used_up(self._purse, found, self._goal)
                if limit is not None:
                    self._done = replace(self._done, limit=limit)
                    return
                self._crew.summon()
                # The next coordinator surveys anew: no million rows in memory until then.
                self._first_look = None
                del found
                left = self._purse.left(time.monotonic())
                get(coordinator.begin.remote(known_now, self._crew.replicas_at_work, left.tokens))
                self._count(self._crew.draw())
                self._done = replace(self._done, limit=self._crew.limit)

    def _prepare(self, prompts: PromptList, coordinator: Any, *, draw: bool) -> Look:
        """What the pool has, once old samples have their scores and truncated ones, if they are to
        be gone on with, are apart."""
        found, known_now = self._look(prompts)
        if found.unscored:
            self._display.say(f"scoring {found.unscored:,} samples that lack a score")
            tasks = fill_tasks(self._job, prompts, found.samples)
            get(coordinator.score_old.remote(tasks))
            self._crew.score()
            self._done = replace(self._done, scored=self._done.scored + found.unscored)
            found, known_now = self._look(prompts)
        if draw and not (apart := to_set_apart(found)).is_empty():
            self._display.say(f"setting {apart.height:,} truncated samples apart, to go on with")
            set_apart(found, coordinator, f"{self.name}-t{self._lease.epoch:06d}")
            found, known_now = self._look(prompts)
        return found, known_now

    def _look(self, prompts: PromptList) -> Look:
        """What the pool has; its tables are there, or the store is out. (Anywhere else a pool
        without tables is an empty one. Here that would have everything drawn again.)"""
        look = self._first_look.result() if self._first_look else self._fresh_look(prompts)
        if not look[0].is_still_true(self._job):
            look = self._fresh_look(prompts)
        self._first_look = FirstLook(lambda: look)
        if None in self._job.pool.versions().values():
            raise StoreUnavailableError(f"pool {self._job.pool.root} is not there any more")
        return look

    def _fresh_look(self, prompts: PromptList) -> Look:
        return _look(self._job, prompts, self._goal)

    def _count(self, progress: Progress) -> None:
        """Adds what one coordinator saw. Of one that died, what it committed after the driver's
        last look is not in these counts, though it is in the pool."""
        self._crew.last = Progress()
        self._done += Generated(
            self.name,
            drawn=progress.drawn,
            failed=progress.failed,
            cancelled=progress.cancelled,
            tokens=progress.tokens,
            working_s=progress.working_s,
            put_off=progress.parked,
        )

    @contextmanager
    def _coordinator(self) -> Iterator[tuple[Any, Any]]:
        """The actor, and the reference to its start."""
        import ray

        recipe = self._job.recipe
        settings = CoordinatorSettings(
            name=self._coordinator_name,
            pool=self._job.pool.root,
            epoch=self._lease.advance() if self._coordinators else self._lease.epoch,
            goal=self._goal,
            max_failed=recipe.max_failed,
            patience_s=recipe.flush.patience_seconds,
            code=code_digest(),
        )
        coordinator = start_beside_driver(Coordinator, settings.name, settings)
        try:
            yield coordinator, coordinator.start.remote()
        finally:
            ray.kill(coordinator)
