"""Work that is cut into items, done in this process or, where there are many, as tasks on Ray.

What an item comes to depends on the recipe, the item and its tables alone, so that it does not
matter where it is done, or whether a task is done again because its worker died.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from filters.scorer import Questions
from infra.cluster import ray_cluster
from infra.revision import assert_same_code, code_digest
from jobs.actors import ProcessDied, get
from jobs.progress import ProgressDisplay
from jobs.recipe import Job
from schemas.errors import StillhouseError
from schemas.recipe import Recipe

IN_FLIGHT_PER_CPU = 2
"""Tasks that are given out: those that run, and as many whose tables are on their way."""


class Item(Protocol):
    """A share of the work."""

    @property
    def name(self) -> str:
        """For errors and progress, such as `part 3 of 12`."""
        ...


Work = Callable[[Job, Any, Iterable[Any]], tuple[Any, Any]]
"""(job, item, its tables) -> what is told of it, and a table that stays where it was made."""
Done = tuple[Any, Any]


@dataclass(frozen=True)
class MakeJob:
    """Makes the driver's job again, in another process and maybe on another node."""

    recipe: Recipe
    questions: Questions | None
    teacher_id: str
    scorer_ids: Mapping[str, str]
    code: str

    @classmethod
    def of(cls, job: Job) -> "MakeJob":
        """Of a job in the driver."""
        return cls(job.recipe, job.questions, job.teacher_id, job.scorer_ids, code_digest())

    def __call__(self) -> Job:
        assert_same_code(self.code)
        job = Job.of(self.recipe, self.questions)
        # The model and the scorers' libraries need not be on this node: nothing is drawn or scored.
        vars(job).update(teacher_id=self.teacher_id, scorer_ids=dict(self.scorer_ids))
        return job


class Tasks:
    """Does work on items; use as a context manager. Ray is started when it is first needed, which
    takes five seconds, and stays for what comes then."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._stack = ExitStack()
        self._on_ray = False

    def __enter__(self) -> "Tasks":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def run(
        self,
        work: Work,
        items: Sequence[Item],
        tables: Sequence[Sequence[Any]] | None = None,
        *,
        doing: str,
        here: int,
    ) -> list[Done]:
        """What the items come to, in their order. Up to `here` of them are done in this process.
        `tables` are of each item: frames, or what an earlier work on Ray has left there.

        An error names its item; RunError where a task's worker dies again and again.
        """
        tables = [()] * len(items) if tables is None else tables
        if len(items) > here and not self._on_ray:
            self._stack.enter_context(ray_cluster())
            self._on_ray = True
        done = self._remote if self._on_ray else self._local
        results: list[Any] = [None] * len(items)
        with ProgressDisplay() as display, closing(done(work, items, tables)) as stream:
            for count, (number, result) in enumerate(stream, 1):
                results[number] = result
                if len(items) > 1:
                    display.show(f"{doing}: {count} of {len(items)}")
        return results

    def _local(
        self, work: Work, items: Sequence[Item], tables: Sequence[Sequence[Any]]
    ) -> Generator[tuple[int, Done], None, None]:
        for number, item in enumerate(items):
            with _naming(item):
                yield number, work(self._job, item, tables[number])

    def _remote(
        self, work: Work, items: Sequence[Item], tables: Sequence[Sequence[Any]]
    ) -> Generator[tuple[int, Done], None, None]:
        import ray

        # A task has one processor; on a large node, Polars would start a thread for each of all.
        one_thread = {"env_vars": {"POLARS_MAX_THREADS": "1"}}
        task = ray.remote(_task).options(num_returns=2, num_cpus=1, runtime_env=one_thread)
        make_job, waiting = ray.put(MakeJob.of(self._job)), list(range(len(items)))[::-1]
        running: dict[Any, tuple[int, Any]] = {}
        try:
            while waiting or running:
                most = IN_FLIGHT_PER_CPU * max(1, int(ray.cluster_resources().get("CPU", 1)))
                while waiting and len(running) < most:
                    number = waiting.pop()
                    told, kept = task.remote(make_job, work, items[number], [*tables[number]])
                    running[told] = number, kept
                ended, _ = ray.wait([*running])
                number, kept = running.pop(ended[0])
                with _naming(items[number]):
                    yield number, (get(ended[0], ProcessDied), kept)
        finally:
            for reference in running:
                ray.cancel(reference, force=True)


def _task(make_job: MakeJob, work: Work, item: Item, tables: Sequence[Any]) -> Done:
    """Of what lies elsewhere, one table at a time is here: a split has rows in every shard."""
    import ray

    fetched = (ray.get(one) if isinstance(one, ray.ObjectRef) else one for one in tables)
    return work(make_job(), item, fetched)


@contextmanager
def _naming(item: Item) -> Iterator[None]:
    """Errors say which item it was."""
    try:
        yield
    except StillhouseError as error:
        raise type(error)(f"{item.name}: {error}") from error
