"""Which replica is given back when there is not enough left for all."""

from infra.consolidation import Consolidation, Load, to_give_back
from infra.messages import Beat, Seen

SLOTS = 100


def seen(slots: int = SLOTS, beats: int = 1) -> Seen:
    return Seen(Beat(held=0, tokens=0, loop_lag_s=0.0, slots=slots), beats, delivered=0)


def test_the_emptiest_leaves_if_the_others_have_room() -> None:
    loads = {"r0": Load(60, SLOTS), "r1": Load(40, SLOTS), "r2": Load(50, SLOTS)}
    assert to_give_back(loads) == "r1"
    loads["r0"] = Load(61, SLOTS)
    assert to_give_back(loads) is None, "some slots stay free"


def test_the_last_one_stays() -> None:
    assert to_give_back({"r0": Load(0, SLOTS)}) is None
    assert to_give_back({}) is None


def test_one_goes_after_the_other_and_only_when_nothing_is_left_to_lease() -> None:
    held = {"r0": 10, "r1": 5, "r2": 20}
    replicas = {name: seen() for name in held}
    consolidation = Consolidation()

    def taken(idle: bool) -> list[str]:
        takes = consolidation.takes
        return [name for name in replicas if takes(name, replicas, held.__getitem__, idle=idle)]

    assert taken(idle=False) == []
    assert taken(idle=True) == ["r1"]
    held["r1"], held["r0"] = 6, 1
    assert taken(idle=False) == ["r1"], "until it is gone"
    del replicas["r1"]
    assert taken(idle=False) == []
    assert taken(idle=True) == ["r0"]


def test_one_that_has_not_beaten_yet_is_no_help() -> None:
    replicas = {"r0": seen(), "r1": seen(beats=0)}
    held = {"r0": 1, "r1": 0}.__getitem__
    assert not any(Consolidation().takes(name, replicas, held, idle=True) for name in replicas)
