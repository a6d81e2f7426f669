"""Generate ⇄ score: draws and judges samples until every prompt is settled."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl

from infra.cluster import ray_cluster
from infra.coordinator import start_coordinator
from infra.messages import Known, Progress, ScoreTask
from infra.pool import DataFile, next_epoch
from infra.replica import ReplicaSettings, start_replica
from infra.revision import code_digest
from infra.scorer_worker import ScorerSettings, start_scorer_worker
from infra.spool import write_file
from jobs.judge import MakeJudge
from jobs.progress import ProgressDisplay
from jobs.prompts import PromptList
from jobs.recipe import Job
from jobs.survey import POOL_KEY, Survey, fill_tasks, known, survey
from schemas.arrow import PROMPTS
from schemas.errors import RunError

PROMPTS_PER_FILE = 4096
POLL_S = 0.5
RESUME = "what was delivered is kept, and the same command goes on from there"


@dataclass(frozen=True)
class Generated:
    """What a stage did."""

    attempt: str | None
    """Null: there was nothing to do, and nothing was started."""
    prompts_added: int = 0
    drawn: int = 0
    failed: int = 0
    tokens: int = 0
    working_s: float = 0.0
    """From the first replica that was ready to the last verdict."""
    scored: int = 0
    """Old samples that got scores they lacked."""


def generate(job: Job, prompts: PromptList) -> Generated:
    """Draws what is missing. Safe to run again at any time: what exists is not drawn again."""
    found = survey(job, prompts)
    settled = found.settled == prompts.frame.height
    if settled and not found.unscored:
        return Generated(None)
    _ = job.teacher_id  # a model that is not there stops before anything is started
    with _attempt(job) as attempt:
        added = attempt.add_prompts(prompts)
        scored = attempt.fill_scores(prompts, found)
        if scored:
            found = survey(job, prompts)
        progress = attempt.draw(known(job, prompts, found.samples))
    return Generated(
        attempt.name,
        added,
        progress.drawn,
        progress.failed,
        progress.tokens,
        progress.working_s,
        scored,
    )


def fill_scores(job: Job, prompts: PromptList) -> Generated:
    """Computes only the scores that are missing; draws nothing."""
    found = survey(job, prompts)
    if not found.unscored:
        return Generated(None)
    with _attempt(job) as attempt:
        added = attempt.add_prompts(prompts)
        return Generated(attempt.name, added, scored=attempt.fill_scores(prompts, found))


@contextmanager
def _attempt(job: Job) -> Iterator["Attempt"]:
    """An execution with Ray, the pool's next epoch and a progress display."""
    started = datetime.now(UTC).isoformat(timespec="seconds")
    with ray_cluster(), ProgressDisplay() as display:
        epoch = next_epoch(
            job.store, job.recipe.pool, {"recipe": job.recipe.name, "since": started}
        )
        attempt = Attempt(job, epoch, display)
        resolved = json.dumps(job.resolved, indent=2, sort_keys=True).encode()
        key = f"pools/{job.recipe.pool}/attempts/{attempt.name}/recipe.json"
        job.store.put_if_absent(key, resolved)
        yield attempt


class Attempt:
    """One execution: a coordinator at a time, replicas and scorer workers around it."""

    def __init__(self, job: Job, epoch: int, display: ProgressDisplay) -> None:
        self.name = f"a{epoch:06d}"
        self._job = job
        self._epoch = epoch
        self._display = display

    def add_prompts(self, prompts: PromptList) -> int:
        """Commits the prompts that the pool has not seen; returns how many."""
        key = list(POOL_KEY)
        seen = self._job.pool.scan("prompts").select(key).collect()
        fresh = prompts.frame.join(seen, on=key, how="anti")
        files = [self._write_prompts(i, part) for i, part in enumerate(_slices(fresh))]
        with self._coordinator(Known((), (), (), (), ()), []) as coordinator:
            _get(coordinator.commit_prompts.remote(files))
        return fresh.height

    def _write_prompts(self, number: int, part: pl.DataFrame) -> DataFile:
        path = self._job.pool.folder("prompts") / f"{self.name}-{number:06d}.parquet"
        return write_file(path, PROMPTS, part.to_dicts())

    def fill_scores(self, prompts: PromptList, found: Survey) -> int:
        """Scores old samples that lack a score; returns how many."""
        if not found.unscored:
            return 0
        tasks = fill_tasks(self._job, prompts, found.samples)
        self._display.say(f"scoring {found.unscored:,} samples that lack a score")
        with self._coordinator(Known((), (), (), (), ()), tasks) as coordinator:
            self._work(coordinator, replicas=0, prefix="fill")
        return found.unscored

    def draw(self, known_prompts: Known) -> Progress:
        """Draws and scores until all prompts are settled; returns the final counts."""
        with self._coordinator(known_prompts, []) as coordinator:
            replicas = self._job.recipe.teacher.replicas.max
            return self._work(coordinator, replicas=replicas, prefix="s")

    @contextmanager
    def _coordinator(self, known_prompts: Known, tasks: list[ScoreTask]) -> Iterator[Any]:
        import ray

        coordinator = start_coordinator(
            self._job.pool.root, self._epoch, self._job.recipe.samples, code_digest()
        )
        try:
            _get(coordinator.begin.remote(known_prompts, tasks))
            yield coordinator
        finally:
            ray.kill(coordinator)

    def _work(self, coordinator: Any, *, replicas: int, prefix: str) -> Progress:
        """Runs the workers and watches over them until the coordinator says that all is done."""
        workers = {
            name: start_scorer_worker(name, self._scorer_settings(), coordinator)
            for name in (f"{prefix}{i}" for i in range(_scorer_workers()))
        }
        engines = {
            name: start_replica(name, self._replica_settings(), coordinator)
            for name in (f"r{i}" for i in range(replicas))
        }
        runs = {actor.run.remote(): name for name, actor in (workers | engines).items()}
        try:
            return self._watch(coordinator, runs, set(engines))
        finally:
            _stop([*workers.values()], [*engines.values()])

    def _watch(self, coordinator: Any, runs: dict[Any, str], engines: set[str]) -> Progress:
        import ray

        alive = set(engines)
        while True:
            ended, _ = ray.wait([*runs], num_returns=1, timeout=POLL_S)
            for run in ended:
                name = runs.pop(run)
                self._ended(coordinator, run, name, alive)
            progress: Progress = _get(coordinator.progress.remote())
            self._display.show(progress)
            if progress.finished:
                return progress

    def _ended(self, coordinator: Any, run: Any, name: str, alive: set[str]) -> None:
        """A worker returned or died; the others go on if they are enough."""
        try:
            _get(run)
            return
        except Exception as error:
            _get(coordinator.progress.remote())  # if the coordinator failed first, that is why
            if name not in alive:
                raise RunError(f"scorer worker {name} died: {error}; {RESUME}") from error
            alive.discard(name)
            lost = _get(coordinator.lost_replica.remote(name))
            message = f"replica {name} died with {lost} samples in flight: {error}"
            if len(alive) < self._job.recipe.teacher.replicas.min:
                raise RunError(
                    f"{message}\nFewer replicas than teacher.replicas.min are left; {RESUME}"
                ) from error
            self._display.say(message)

    def _scorer_settings(self) -> ScorerSettings:
        recipe = self._job.recipe
        return ScorerSettings(
            make_judge=MakeJudge(recipe),
            scores=self._job.pool.folder("scores"),
            flush=recipe.flush,
            attempt=self.name,
            code=code_digest(),
        )

    def _replica_settings(self) -> ReplicaSettings:
        recipe = self._job.recipe
        return ReplicaSettings(
            teacher=recipe.teacher,
            teacher_id=self._job.teacher_id,
            sampling=self._job.sampling,
            flush=recipe.flush,
            samples=self._job.pool.folder("samples"),
            attempt=self.name,
            code=code_digest(),
        )


def _slices(frame: pl.DataFrame) -> Iterator[pl.DataFrame]:
    return frame.iter_slices(PROMPTS_PER_FILE) if frame.height else iter(())


def _scorer_workers() -> int:
    """One for every second CPU: scoring shares them with the engines."""
    import ray

    return max(1, int(ray.cluster_resources().get("CPU", 1)) // 2)


def _get(reference: Any) -> Any:
    """`ray.get` that raises the error itself, not Ray's wrapping of it."""
    import ray

    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
    except ray.exceptions.RayActorError as error:
        raise RunError(f"a process of the run died: {error}; {RESUME}") from error


def _stop(workers: list[Any], engines: list[Any]) -> None:
    import ray

    for worker in workers:
        try:
            ray.get(worker.stop.remote(), timeout=5)
        except ray.exceptions.RayError:
            continue  # it is dead already, and its process group with it
        finally:
            ray.kill(worker)
    for engine in engines:
        ray.kill(engine)
