"""Which sample is whose: a lease is held by one holder until it is given back."""

from collections.abc import Collection
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Leases(Generic[Item]):
    """Items and their holders."""

    def __init__(self) -> None:
        self._holder_of: dict[Item, str] = {}
        self._held_by: dict[str, set[Item]] = {}
        self._unwanted: dict[str, set[Item]] = {}

    def __len__(self) -> int:
        return len(self._holder_of)

    def grant(self, holder: str, item: Item) -> None:
        """From now on it is the holder's. Nobody else may have it."""
        self._holder_of[item] = holder
        self._held_by.setdefault(holder, set()).add(item)

    def holder(self, item: Item) -> str | None:
        """Whose it is, or null."""
        return self._holder_of.get(item)

    def held_by(self, holder: str) -> Collection[Item]:
        """Everything of a holder, now and whenever it changes."""
        return self._held_by.setdefault(holder, set())

    def drop(self, item: Item) -> None:
        """Nobody has it any more."""
        holder = self._holder_of.pop(item)
        self._held_by[holder].discard(item)
        self._unwanted.get(holder, set()).discard(item)

    def unwanted(self, item: Item) -> None:
        """Its holder may give it back."""
        self._unwanted.setdefault(self._holder_of[item], set()).add(item)

    def take_unwanted(self, holder: str) -> Collection[Item]:
        """What a holder may give back; each is told once."""
        return self._unwanted.pop(holder, ())
