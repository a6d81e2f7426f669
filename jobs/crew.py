"""The crew of a run: replicas and scorer workers, started, watched over, replaced, stopped."""

from typing import Any

from infra.messages import Progress
from infra.replica import ReplicaSettings, assert_placeable, start_replica
from infra.revision import code_digest
from infra.scorer_worker import ScorerSettings, start_scorer_worker
from jobs.judge import MakeJudge
from jobs.progress import ProgressDisplay
from jobs.recipe import Job
from schemas.errors import RunError

POLL_S = 0.5
SCORER_WORKER_DEATHS = 3
"""So many are replaced in a run; one more, and something is wrong with what they do."""
RESUME = "what was delivered is kept, and the same command goes on from there"


class Crew:
    """Works for one coordinator until it says that all is done.

    `prefix` begins the names of its scorer workers, and with them of their files.
    """

    def __init__(
        self, job: Job, attempt: str, coordinator: Any, display: ProgressDisplay, prefix: str
    ) -> None:
        self._job = job
        self._attempt = attempt
        self._coordinator = coordinator
        self._display = display
        self._prefix = prefix
        self._workers: dict[str, Any] = {}
        self._replicas: dict[str, Any] = {}
        self._runs: dict[Any, str] = {}
        self._deaths = 0

    def work(self, *, replicas: int) -> Progress:
        """Starts everyone, waits for the end and returns the final counts.

        RunError when too few are left; EngineError's message is in it.
        """
        if replicas:
            assert_placeable(self._job.recipe.teacher)
        try:
            for _ in range(_scorer_workers()):
                self._start_worker()
            for number in range(replicas):
                self._start_replica(f"r{number}")
            return self._watch()
        finally:
            self._stop()

    def _start_worker(self) -> None:
        name = f"{self._prefix}{len(self._workers)}"
        recipe = self._job.recipe
        settings = ScorerSettings(
            make_judge=MakeJudge(recipe, self._job.scorer_ids),
            scores=self._job.pool.folder("scores"),
            flush=recipe.flush,
            attempt=self._attempt,
            code=code_digest(),
        )
        self._workers[name] = start_scorer_worker(name, settings, self._coordinator)
        self._runs[self._workers[name].run.remote()] = name

    def _start_replica(self, name: str) -> None:
        recipe = self._job.recipe
        settings = ReplicaSettings(
            teacher=recipe.teacher,
            teacher_id=self._job.teacher_id,
            sampling=self._job.sampling,
            flush=recipe.flush,
            samples=self._job.pool.folder("samples"),
            attempt=self._attempt,
            code=code_digest(),
        )
        self._replicas[name] = start_replica(name, settings, self._coordinator)
        self._runs[self._replicas[name].run.remote()] = name

    def _watch(self) -> Progress:
        import ray

        while True:
            ended, _ = ray.wait([*self._runs], num_returns=1, timeout=POLL_S)
            for run in ended:
                self._ended(run, self._runs.pop(run))
            progress: Progress = get(self._coordinator.progress.remote())
            self._display.show(progress)
            if progress.finished:
                return progress

    def _ended(self, run: Any, name: str) -> None:
        """A replica that has nothing left to do, or anyone who died; the others go on."""
        try:
            get(run)
        except Exception as error:
            get(self._coordinator.progress.remote())  # if the coordinator failed first, that is why
            if name in self._workers:
                self._worker_died(name, error)
            else:
                self._replica_died(name, error)

    def _worker_died(self, name: str, error: Exception) -> None:
        if not isinstance(error, ProcessDied):
            raise error
        self._deaths += 1
        if self._deaths > SCORER_WORKER_DEATHS:
            raise RunError(f"scorer worker {name} died, as others before: {error}") from error
        get(self._coordinator.lost_worker.remote(name))
        self._display.say(f"scorer worker {name} died and is replaced: {error}")
        self._start_worker()

    def _replica_died(self, name: str, error: Exception) -> None:
        del self._replicas[name]
        lost = get(self._coordinator.lost_replica.remote(name))
        message = f"replica {name} died with {lost} samples in flight: {error}"
        if len(self._replicas) < self._job.recipe.teacher.replicas.min:
            raise RunError(
                f"{message}\nFewer replicas than teacher.replicas.min are left; {RESUME}"
            ) from error
        self._display.say(message)

    def _stop(self) -> None:
        import ray

        for worker in self._workers.values():
            try:
                ray.get(worker.stop.remote(), timeout=5)
            except ray.exceptions.RayError:
                continue  # it is dead already, and its process group with it
            finally:
                ray.kill(worker)
        for replica in self._replicas.values():
            ray.kill(replica)


def _scorer_workers() -> int:
    """One for every second CPU: scoring shares them with the engines."""
    import ray

    return max(1, int(ray.cluster_resources().get("CPU", 1)) // 2)


class ProcessDied(RunError):
    """An actor is gone: killed, out of memory, or with its node."""


def get(reference: Any) -> Any:
    """`ray.get` that raises the error itself, not Ray's wrapping of it; ProcessDied where the
    actor is gone."""
    import ray

    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
    except ray.exceptions.RayActorError as error:
        raise ProcessDied(f"a process of the run died: {error}; {RESUME}") from error
