"""Which sample kills engines? Suspects are drawn again in smaller groups, until one dies alone.

An engine that dies takes up to hundreds of samples with it and does not say which one it was. All
of them get a mark and are drawn again: with one mark no more than `GROUP` of them at a time in one
engine, with two alone among suspects, with three alone. One that dies alone is guilty. So a bad
sample costs four engines, whatever their number of slots, and an innocent one is condemned only
if an engine dies for another reason while it is alone there.
"""

from collections import deque
from collections.abc import Collection
from typing import Generic, TypeVar

GROUP = 16
ALONE = 3
"""With so many marks, a sample is drawn in an engine that does nothing else."""

Item = TypeVar("Item")


class Suspects(Generic[Item]):
    """Items that were in an engine when it died, with their marks."""

    def __init__(self) -> None:
        self._marks: dict[Item, int] = {}
        self._waiting: deque[Item] = deque()

    def __contains__(self, item: Item) -> bool:
        return item in self._marks

    @property
    def waiting(self) -> bool:
        """Whether there are suspects to be drawn again."""
        return bool(self._waiting)

    def died(self, items: Collection[Item]) -> list[Item]:
        """An engine died with `items` in it, which wait to be drawn again; returns the guilty."""
        if len(items) == 1 and self.must_be_alone(items):
            for item in items:
                self.cleared(item)
            return list(items)
        for item in items:
            self._marks[item] = min(self._marks.get(item, 0) + 1, ALONE)
            self.wait(item)
        return []

    def wait(self, item: Item) -> None:
        """A suspect is to be drawn again."""
        if item not in self._waiting:
            self._waiting.append(item)

    def must_be_alone(self, held: Collection[Item]) -> bool:
        """Whether one of `held` is drawn in an engine that does nothing else."""
        # Asked at every lease: there are few suspects, mostly none, and hundreds held.
        return any(marks == ALONE and item in held for item, marks in self._marks.items())

    def next_for(self, held: Collection[Item]) -> Item | None:
        """The next suspect that may join `held` in an engine, or null."""
        if not self._waiting:
            return None
        beside = [self._marks[item] for item in held if item in self._marks]
        for item in self._waiting:
            if self._fits(item, beside, empty=not held):
                self._waiting.remove(item)
                return item
        return None

    def _fits(self, item: Item, beside: list[int], *, empty: bool) -> bool:
        marks = self._marks[item]
        if marks == ALONE:
            return empty
        return len(beside) < (GROUP if max([marks, *beside]) == 1 else 1)

    def cleared(self, item: Item) -> None:
        """The item came through alive, or nobody cares about it any more."""
        if self._marks.pop(item, None) is not None and item in self._waiting:
            self._waiting.remove(item)
