"""Committed samples that wait for their scores, and who scores them."""

from collections import deque
from collections.abc import Iterable
from dataclasses import replace

from infra.messages import ScoreTask


class ScoreQueue:
    """Tasks in the order in which they came; a lost worker's tasks go first."""

    def __init__(self, first_number: int = 0) -> None:
        self._number = first_number
        self._waiting: deque[ScoreTask] = deque()
        self._held: dict[str, dict[int, ScoreTask]] = {}
        self.open = 0
        """Tasks whose scores are not durable yet."""

    def __bool__(self) -> bool:
        return bool(self._waiting)

    @property
    def held(self) -> bool:
        """Whether a worker has tasks."""
        return any(self._held.values())

    def add(self, task: ScoreTask) -> None:
        """Gives the task a number of its own and queues it."""
        self._number += 1
        self.open += 1
        self._waiting.append(replace(task, number=self._number))

    def lease(self, worker: str) -> ScoreTask | None:
        """The next task, now the worker's."""
        if not self._waiting:
            return None
        task = self._waiting.popleft()
        self._held.setdefault(worker, {})[task.number] = task
        return task

    def take_back(self, worker: str, numbers: Iterable[int]) -> bool:
        """The worker delivers these tasks. False: it does not hold all of them, and they are
        scored elsewhere; then nothing changes."""
        held = self._held.get(worker, {})
        numbers = list(numbers)
        if any(number not in held for number in numbers):
            return False
        for number in numbers:
            del held[number]
        return True

    def lost(self, worker: str) -> None:
        """The worker is gone; its tasks are scored by another."""
        self._waiting.extendleft(self._held.pop(worker, {}).values())
