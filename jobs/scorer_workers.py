"""The scorer workers of a run: as many as there is room for, replaced when they die."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from infra.revision import code_digest
from infra.scorer_worker import ScorerSettings, start_scorer_worker
from jobs.actors import ProcessDied, ended, get
from jobs.judge import MakeJudge
from jobs.recipe import Job
from schemas.errors import RunError

CLOSE_S = 5.0
FIT_S = 5.0
"""So often room is looked for anew: a cluster grows, and Ray tells of a lost node seconds after its
processes have died. Whoever was started for the room on it takes that of a replica."""
DEATHS = 3
"""So many without a verdict between them; one more, and something is wrong with what they do."""


class ScorerWorkers:
    """Work for one coordinator after the other."""

    def __init__(
        self, job: Job, attempt: str, coordinator_name: str, note: Callable[..., None]
    ) -> None:
        self._job = job
        self._attempt = attempt
        self._coordinator_name = coordinator_name
        self._note = note
        self._coordinator: Any = None
        self._workers: dict[str, Any] = {}
        self.runs: dict[Any, str] = {}
        """References that end when a worker does."""
        self._started = 0
        self._fitted_at = 0.0
        self._deaths = 0
        """Since the last verdict."""
        self._judged_at_death = 0

    def serve(self, coordinator: Any) -> None:
        """From now on this is the coordinator."""
        self._coordinator = coordinator

    def fit(self) -> None:
        """As many scorer workers as there is room for beside replicas. Were there more, after a
        node was lost, they would take the room that its replica needs to come back."""
        self._fitted_at = time.monotonic()
        wanted = _room()
        while len(self._workers) < wanted:
            self._start()
        while len(self._workers) > wanted:
            name = next(reversed(self._workers))
            _close([self._workers[name]])
            self._end(name)

    def _start(self) -> None:
        name = f"s{self._started}"
        self._started += 1
        recipe = self._job.recipe
        settings = ScorerSettings(
            make_judge=MakeJudge(recipe, self._job.scorer_ids, self._job.questions),
            scores=self._job.pool.folder("scores"),
            flush=recipe.flush,
            attempt=self._attempt,
            coordinator=self._coordinator_name,
            code=code_digest(),
        )
        self._workers[name] = start_scorer_worker(name, settings)
        self.runs[self._workers[name].run.remote()] = name

    def tend(self, judged: int) -> None:
        """Replaces those that died, and now and then fits them to the room; so many verdicts there
        are."""
        for run in ended(self.runs):
            if (name := self.runs.get(run)) is None:
                continue  # ended meanwhile, since there is less room
            try:
                get(run, ProcessDied)
            except ProcessDied as error:
                self._died(name, error, judged)
        if time.monotonic() - self._fitted_at > FIT_S:
            self.fit()

    def _end(self, name: str) -> None:
        """It ends, if it has not yet, and others score what it had."""
        import ray

        self.runs = {run: n for run, n in self.runs.items() if n != name}
        ray.kill(self._workers.pop(name))
        get(self._coordinator.lost_worker.remote(name))

    def _died(self, name: str, error: ProcessDied, judged: int) -> None:
        self._end(name)
        self._note("scorer_worker_died", str(error), worker=name)
        self._deaths = 1 if judged > self._judged_at_death else self._deaths + 1
        self._judged_at_death = judged
        if self._deaths > DEATHS:
            raise RunError(f"scorer worker {name} died, as others before: {error}") from error
        self.fit()

    def stop(self) -> None:
        """Ends them, and what they have started."""
        import ray

        _close([*self._workers.values()])
        for worker in self._workers.values():
            ray.kill(worker)


def _close(workers: Sequence[Any]) -> None:
    """They end what they have started: sandboxes leave traces outside of processes."""
    import ray

    closing = [worker.close.remote() for worker in workers]
    if closing:
        ray.wait(closing, num_returns=len(closing), timeout=CLOSE_S)


def _room() -> int:
    """One for every second CPU: scoring shares them with the engines."""
    import ray

    return max(1, int(ray.cluster_resources().get("CPU", 1)) // 2)
