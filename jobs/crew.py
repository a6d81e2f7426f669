"""The crew of a run: replicas and scorer workers, started, watched over, replaced, stopped."""

import time
from collections.abc import Callable
from typing import Any

from infra.events import EventLog
from infra.fleet import Fleet
from infra.messages import Lost, Progress
from infra.meter import Meter
from infra.placement import Placement, assert_placeable, gpus
from infra.revision import code_digest
from infra.settings import ReplicaSettings
from jobs.actors import RESUME, ProcessDied, ended, get
from jobs.budget import Purse
from jobs.merging import Merging
from jobs.progress import ProgressDisplay, progress_line
from jobs.progress_events import ProgressEvents
from jobs.recipe import Job
from jobs.scorer_workers import ScorerWorkers
from jobs.stopping import StopRequest
from schemas.errors import EngineError, Interrupted, RunError, StillhouseError

POLL_S = 0.25
BUSY_POLL_S = 1.0
"""While samples are drawn and nobody has delivered any: looking costs what engines could use."""
PLACED_S = 2.0
PLACED_POLL_S = 0.05
"""So long and so often a start looks for the first replica's room, so that its engine loads while
others start. Ray gives it after 0.1 to 1.6 s where there is any (measured)."""
DRAIN_S = 120.0
"""So long a drain may take before the run stops all the same."""


class Crew:
    """Works for one coordinator after the other until the last one says that all is done."""

    def __init__(
        self,
        job: Job,
        attempt: str,
        coordinator_name: str,
        purse: Purse,
        display: ProgressDisplay,
        events: EventLog,
        stop: StopRequest,
    ) -> None:
        self._job = job
        self._attempt = attempt
        self._coordinator_name = coordinator_name
        self._display = display
        self._events = events
        self._stop_request = stop
        self._purse = purse
        self._meter = Meter(
            job.store,
            job.recipe.pool,
            attempt,
            job.recipe.name,
            job.teacher_id,
            gpus(job.recipe.teacher),
        )
        purse.meter(self._meter)
        self._progress_events = ProgressEvents(events)
        self._tokens = 0
        """Of everything that was delivered, to all coordinators."""
        self.limit: str | None = None
        """The budget that ended the run, if one did."""
        self._coordinator: Any = None
        self._check_lease: Callable[[], None] = lambda: None
        self._scorers = ScorerWorkers(job, attempt, coordinator_name, self._note)
        replicas = job.recipe.teacher.replicas
        self._fleet = Fleet(replicas.max, replicas.start_seconds, replicas.stall_seconds)
        self._placements: dict[str, Placement] = {}
        self._replica_runs: dict[Any, str] = {}
        self._merging = Merging(job.pool, attempt, events)
        self._trouble: str | None = None
        self._poll_s = POLL_S
        self.last = Progress()
        """What the present coordinator last said."""

    @property
    def replicas_at_work(self) -> list[str]:
        """Names of the replicas that a new coordinator must hear of."""
        return [name for name in self._fleet.working if name in self._replica_runs.values()]

    def serve(self, coordinator: Any, check_lease: Callable[[], None]) -> None:
        """From now on this is the coordinator."""
        self._coordinator = coordinator
        self._scorers.serve(coordinator)
        self._check_lease = check_lease
        self.last = Progress()
        self._merging.serve(coordinator)

    def score(self) -> None:
        """Scorer workers at work until all old samples have their scores."""
        self._scorers.fit()
        self._until_done(lambda _: None)

    def summon(self) -> None:
        """Starts scorer workers, asks for room for replicas, and starts those that have it; may be
        called again. RunError where this machine can never have the room."""
        assert_placeable(self._job.recipe.teacher)
        self._fleet.resume(time.monotonic())
        self._place_replicas()
        self._scorers.fit()
        patience = time.monotonic() + PLACED_S
        while not self._replica_runs and time.monotonic() < patience:
            time.sleep(PLACED_POLL_S)
            self._place_replicas()

    def draw(self) -> Progress:
        """Whoever was summoned at work until all prompts are settled; the final counts.

        RunError when too few replicas are left, with why the others were given up.
        """
        progress = self._until_done(self._tend_fleet)
        self._note_limit(progress)
        self._events.add(
            "settled",
            drawn=progress.drawn,
            cancelled=progress.cancelled,
            handed_over=progress.handed_over,
            tokens=progress.tokens,
            working_s=round(progress.working_s, 1),
            loop_lag_s=round(progress.loop_lag_s, 3),
        )
        while self._merging.step(last=True):
            self._wait()
        return progress

    def _until_done(self, tend: Callable[[Progress], None]) -> Progress:
        while True:
            # First look: whoever was not looked at for a while has beaten meanwhile.
            progress = self._look()
            if progress.finished:
                return progress
            if self._stop_request:
                self._drain()
                raise Interrupted(
                    "stopped in good order; the same command resumes", self._stop_request.number
                )
            tend(progress)
            self._scorers.tend(self.last.judged)
            self._check_lease()
            self._wait()

    def _look(self) -> Progress:
        """The newest state, shown and noted."""
        now = time.monotonic()
        left = self._purse.left(now)
        progress: Progress = get(self._coordinator.progress.remote(left.tokens))
        self._tokens += progress.tokens - self.last.tokens
        self._meter.saw(progress.replicas, self._tokens, now)
        self._meter.save(now)
        self._progress_events.saw(progress, self.last, self._meter.spent(now), now)
        if progress.in_flight + progress.drawn and not self.last.in_flight + self.last.drawn:
            self._events.add("first_lease")
        delivered = progress.drawn + progress.judged > self.last.drawn + self.last.judged
        self._poll_s = POLL_S if delivered or not progress.in_flight else BUSY_POLL_S
        self.last = progress
        self._fleet.saw(progress.replicas, now)
        self._display.show(progress_line(progress))
        troubles = (seen.beat.trouble for seen in progress.replicas.values())
        trouble = progress.trouble or next(filter(None, troubles), None)
        if trouble != self._trouble:
            self._note("trouble" if trouble else "trouble_over", trouble or "all is well again")
            self._trouble = trouble
        self._events.flush()
        return progress

    def _wait(self) -> None:
        """Until somebody ends, or for a moment."""
        import ray

        ray.wait([*self._scorers.runs, *self._replica_runs], num_returns=1, timeout=self._poll_s)

    def _note(self, event: str, reason: str, **facts: Any) -> None:
        """Tells an event to whoever watches, and to the event log."""
        subject = " ".join(str(value) for value in facts.values())
        self._display.say(f"{event.replace('_', ' ')} {subject}: {reason}".replace(" :", ":"))
        self._events.add(event, reason=reason, **facts)

    def _drain(self) -> None:
        """Everyone delivers what is finished."""
        self._note("draining", "committing what is finished; a second signal stops at once")
        get(self._coordinator.drain.remote())
        deadline = time.monotonic() + DRAIN_S
        while time.monotonic() < deadline:
            self._tend_leavers()
            self._scorers.tend(self.last.judged)
            if self._look().drained:
                break
            self._wait()

    def _tend_fleet(self, progress: Progress) -> None:
        self._note_limit(progress)
        self._tend_leavers()
        now = time.monotonic()
        for name, overdue in self._fleet.overdue(now).items():
            self._replica_died(name, overdue.reason, engine_died=overdue.hung)
        self._place_replicas()
        self._merging.step(last=False)

    def _note_limit(self, progress: Progress) -> None:
        if progress.unaffordable and self.limit is None:
            self.limit = self._purse.left(time.monotonic()).limit
            self._note("budget_reached", str(self.limit))

    def _place_replicas(self) -> None:
        now = time.monotonic()
        for name in self._fleet.to_place(now):
            self._placements[name] = Placement(name, self._job.recipe.teacher)
        for name, placement in self._placements.items():
            if name not in self._replica_runs.values() and placement.is_ready():
                self._fleet.placed(name)
        for name in self._fleet.to_start(now):
            self._start_replica(name)

    def _start_replica(self, name: str) -> None:
        recipe = self._job.recipe
        settings = ReplicaSettings(
            teacher=recipe.teacher,
            teacher_id=self._job.teacher_id,
            sampling=self._job.sampling,
            flush=recipe.flush,
            samples=self._job.pool.folder("samples"),
            attempt=self._attempt,
            coordinator=self._coordinator_name,
            code=code_digest(),
        )
        self._replica_runs[self._placements[name].start(settings)] = name
        self._meter.started(name, time.monotonic())
        self._events.add("replica_started", replica=name)

    def _tend_leavers(self) -> None:
        """Replicas that ended since the last look: they had nothing left to do, or died."""
        for run in ended(self._replica_runs):
            name = self._replica_runs[run]
            try:
                get(run, ProcessDied)
            except ProcessDied as error:
                self._replica_died(name, str(error), engine_died=False)
            except EngineError as error:
                self._replica_died(name, str(error), engine_died=True)
            except StillhouseError:
                raise
            except Exception as error:  # one replica's trouble, whatever it is, is its own
                reason = f"{type(error).__name__}: {error}"
                self._replica_died(name, reason, engine_died=False)
            else:
                self._replica_left(name)

    def _replica_left(self, name: str) -> None:
        self._release(name)
        self._fleet.left(name, time.monotonic())
        lost = Lost(0, 0)
        try:
            lost = get(self._coordinator.lost_replica.remote(name, engine_died=False))
        finally:
            self._events.add("replica_left", replica=name, handed_over=lost.handed_over or None)

    def _replica_died(self, name: str, reason: str, *, engine_died: bool) -> None:
        self._release(name)
        self._note("replica_died", reason, replica=name)
        lost, quarantined = Lost(0, 0), False
        try:
            lost = get(self._coordinator.lost_replica.remote(name, engine_died=engine_died))
        finally:
            delivered = lost.delivered > 0
            quarantined = self._fleet.died(name, reason, time.monotonic(), delivered=delivered)
        self._events.add("samples_requeued", replica=name, samples=lost.requeued)
        self._scorers.fit()
        if quarantined:
            self._note("replica_quarantined", reason, replica=name)
        too_few = self._fleet.able < self._job.recipe.teacher.replicas.min
        if too_few and not self._stop_request:
            reasons = "\n".join(f"  {slot}: {why}" for slot, why in self._fleet.quarantined.items())
            raise RunError(
                "fewer replicas than teacher.replicas.min "
                f"({self._job.recipe.teacher.replicas.min}) can work:\n{reasons}\n{RESUME}"
            )

    def _release(self, name: str) -> None:
        """Its process ends and its room is given back."""
        self._meter.ended(name, time.monotonic())
        self._replica_runs = {run: n for run, n in self._replica_runs.items() if n != name}
        self._placements.pop(name).remove()

    def stop(self) -> None:
        """Ends everyone."""

        self._scorers.stop()
        for placement in self._placements.values():
            placement.remove()
        self._meter.save(time.monotonic(), last=True)
