"""Which replica is given back at the end of a run, when there is not enough left for all.

Long samples keep every replica alive for the last tenth of a run, or for a third of a short one,
nearly empty. When what runs fits into fewer replicas, the emptiest hands its samples over, which
go on elsewhere from the tokens that they have, and stops costing.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from infra.messages import Seen

SPARE = 0.25
"""Of the slots that stay free in the others. With 4 waves on 64 replicas (benchmarks/scheduling.py)
0, 0.1, 0.25 and 0.5 make 0.921, 0.919, 0.909 and 0.879 of what was paid for into tokens, in 52, 50,
48 and 44 minutes, and hand 15, 11, 8 and 5 thousand samples over."""


class Load(NamedTuple):
    """What a replica holds, and how much it can decode at once."""

    held: int
    slots: int


def to_give_back(loads: Mapping[str, Load]) -> str | None:
    """The replica whose samples the others have room for, if there is one and nothing more to
    lease; the emptiest."""
    if len(loads) < 2:
        return None
    name = min(loads, key=lambda one: (loads[one].held, one))
    held = sum(load.held for load in loads.values())
    slots = sum(load.slots for load in loads.values()) - loads[name].slots
    return name if held <= (1 - SPARE) * slots else None


class Consolidation:
    """One replica after the other: where its samples go shows how full the others are then."""

    def __init__(self) -> None:
        self._leaving: str | None = None

    def takes(
        self,
        replica: str,
        replicas: Mapping[str, Seen],
        held: Callable[[str], int],
        *,
        idle: bool,
    ) -> bool:
        """Whether this replica, of those that are at work, is to be given back now; then it is, and
        no other until it is gone. `idle`: there is nothing to lease."""
        if self._leaving in replicas:
            return replica == self._leaving
        loads = {
            name: Load(held(name), seen.beat.slots)
            for name, seen in replicas.items()
            if idle and seen.beats
        }
        self._leaving = replica if to_give_back(loads) == replica else None
        return self._leaving is not None
