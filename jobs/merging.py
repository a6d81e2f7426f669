"""Merging: small files of the pool become large ones, a group at a time, while a run goes on."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pyarrow as pa

from infra.compaction import Merge, merge
from infra.data_file import DataFile
from infra.events import EventLog
from infra.pool import Pool
from jobs.actors import ProcessDied, get
from schemas.errors import StoreError

MERGED_HERE_BYTES = 2 * 2**20
"""A process of its own would take longer to start than merging so little takes."""


class Merging:
    """One group at a time, so that memory stays bounded. A merge that fails changes nothing."""

    def __init__(self, pool: Pool, attempt: str, events: EventLog) -> None:
        self._pool = pool
        self._attempt = attempt
        self._events = events
        self._coordinator: Any = None
        self._count = 0
        self._running: tuple[Any, Merge] | None = None

    def serve(self, coordinator: Any) -> None:
        """From now on this is the coordinator; what its predecessor named is forgotten."""
        self._coordinator = coordinator
        self._running = None

    def step(self, *, last: bool) -> bool:
        """Goes on with the present group, or begins the next one; whether there was anything."""
        if self._running is not None:
            self._look()
            return True
        task: Merge | None = get(self._coordinator.next_merge.remote(last=last))
        if task is not None:
            self._begin(task)
        return task is not None

    def _begin(self, task: Merge) -> None:
        import ray

        self._count += 1
        name = f"{self._attempt}-m{self._count:06d}.parquet"
        folder = self._pool.folder(task.table)
        if sum(file.bytes for file in task.files) <= MERGED_HERE_BYTES:
            self._commit(task, lambda: merge(folder, task.files, name))
        else:
            remote = ray.remote(merge).options(num_cpus=0, max_retries=0)
            self._running = (remote.remote(folder, task.files, name), task)

    def _look(self) -> None:
        import ray

        assert self._running is not None
        reference, task = self._running
        ended, _ = ray.wait([reference], timeout=0)
        if ended:
            self._running = None
            self._commit(task, partial(get, reference, ProcessDied))

    def _commit(self, task: Merge, merged_file: Callable[[], DataFile]) -> None:
        try:
            merged = merged_file()
        except (ProcessDied, StoreError, OSError, pa.ArrowException) as error:
            # The small files are as good as they were.
            self._events.add("merge_failed", table=task.table, reason=str(error))
            return
        get(self._coordinator.commit_files.remote(task.table, [merged], task.files))
        self._events.add("merged", table=task.table, files=len(task.files), rows=merged.rows)
