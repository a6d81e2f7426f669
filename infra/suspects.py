"""Which sample kills engines? Suspects are drawn again in smaller groups, until one dies alone.

An engine that dies takes up to hundreds of samples with it and does not say which one it was. All
of them get a first mark and are drawn again, no more than `GROUP` of them at a time in one engine.
Those that an engine takes down again get a second mark and are drawn again one at a time. The one
that dies with two marks was alone among suspects: it is guilty. So one bad sample costs three
engines, whatever their number of slots, and an innocent one is condemned only if three engines die
around it for other reasons.
"""

from collections import deque
from collections.abc import Collection, Iterable
from typing import Generic, TypeVar

GROUP = 16
MARKS = 3

Item = TypeVar("Item")


class Suspects(Generic[Item]):
    """Items that were in an engine when it died, with their marks."""

    def __init__(self) -> None:
        self._marks: dict[Item, int] = {}
        self._waiting: deque[Item] = deque()

    def __contains__(self, item: Item) -> bool:
        return item in self._marks

    def died(self, items: Iterable[Item]) -> list[Item]:
        """An engine died with `items` in it, which wait to be drawn again; returns the guilty."""
        guilty = []
        for item in items:
            self._marks[item] = self._marks.get(item, 0) + 1
            if self._marks[item] >= MARKS:
                del self._marks[item]
                guilty.append(item)
            else:
                self._waiting.append(item)
        return guilty

    def next_for(self, held: Collection[Item]) -> Item | None:
        """The next suspect that may join `held` in an engine, or null."""
        while self._waiting and self._waiting[0] not in self._marks:
            self._waiting.popleft()
        if not self._waiting:
            return None
        beside = [self._marks[item] for item in held if item in self._marks]
        limit = GROUP if max([self._marks[self._waiting[0]], *beside]) == 1 else 1
        return self._waiting.popleft() if len(beside) < limit else None

    def cleared(self, item: Item) -> None:
        """The item came through alive, or nobody cares about it any more."""
        self._marks.pop(item, None)
