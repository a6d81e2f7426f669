"""One sample that kills engines is found after four deaths, whoever was beside it."""

import random
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from infra.suspects import ALONE, GROUP, Suspects


class Engines:
    """Engines that draw suspects before fresh items; the guilty one kills whichever it is in."""

    def __init__(self, items: int, engines: int, slots: int, rng: random.Random) -> None:
        self.suspects: Suspects[int] = Suspects()
        self.fresh = list(range(items))
        self.slots = slots
        self.held: list[set[int]] = [set() for _ in range(engines)]
        self.rng = rng
        self.deaths = 0
        self.condemned: list[int] = []
        self.drawn: set[int] = set()
        rng.shuffle(self.fresh)

    def fill(self, held: set[int]) -> None:
        while len(held) < self.slots and not self.suspects.must_be_alone(held):
            item = self.suspects.next_for(held)
            if item is None:
                if not self.fresh:
                    return
                item = self.fresh.pop()
            held.add(item)

    def step(self, guilty: int) -> None:
        held = self.rng.choice(self.held)
        self.fill(held)
        harmless = sorted(held - {guilty})
        if guilty in held and (not harmless or self.rng.random() < 0.5):
            self.deaths += 1
            self.condemned += self.suspects.died(sorted(held))
            held.clear()
        elif harmless:
            item = self.rng.choice(harmless)
            held.discard(item)
            self.suspects.cleared(item)
            self.drawn.add(item)


@given(
    items=st.integers(1, 200),
    engines=st.integers(1, 6),
    slots=st.integers(1, 64),
    rng=st.randoms(use_true_random=False),
)
def test_one_guilty_costs_four_deaths_and_nobody_else(
    items: int, engines: int, slots: int, rng: random.Random
) -> None:
    work = Engines(items, engines, slots, rng)
    guilty = rng.randrange(items)
    for _ in range(1000 * (items + ALONE)):
        work.step(guilty)
        if len(work.drawn) == items - 1 and work.condemned:
            break
    assert work.condemned == [guilty]
    assert work.deaths == ALONE + 1 == 4
    assert work.drawn == set(range(items)) - {guilty}, "every other one came through"


def joining(suspects: Suspects[int]) -> Iterator[int]:
    held: set[int] = set()
    while (item := suspects.next_for(held)) is not None:
        held.add(item)
        yield item


def test_the_first_mark_limits_the_group() -> None:
    suspects: Suspects[int] = Suspects()
    assert suspects.died(range(GROUP + 4)) == []
    assert list(joining(suspects)) == list(range(GROUP))
    assert list(joining(suspects)) == list(range(GROUP, GROUP + 4)), "in another engine"


def test_the_second_mark_is_drawn_alone() -> None:
    suspects: Suspects[int] = Suspects()
    suspects.died([1, 2])
    suspects.died([*joining(suspects)])
    assert [list(joining(suspects)), list(joining(suspects))] == [[1], [2]]


def test_no_suspect_joins_one_with_two_marks() -> None:
    suspects: Suspects[int] = Suspects()
    suspects.died([1])
    suspects.died([*joining(suspects)])
    suspects.died([2])
    assert suspects.next_for([7, 8]) == 1, "others may be beside it"
    assert not suspects.must_be_alone([1, 7, 8])
    assert suspects.next_for([1]) is None
    assert suspects.next_for([]) == 2


def marked(item: int) -> Suspects[int]:
    """An item with three marks."""
    suspects: Suspects[int] = Suspects()
    for _ in range(ALONE):
        suspects.died([item, 99])
        suspects.cleared(99)
        assert suspects.died([]) == []
        taken = suspects.next_for([])
        assert taken == item
    return suspects


def test_the_third_mark_is_drawn_in_an_engine_of_its_own() -> None:
    suspects = marked(1)
    assert suspects.must_be_alone([1])
    suspects.died([1, 7])
    assert suspects.next_for([5]) == 7, "this engine has other work"
    assert suspects.next_for([5]) is None
    assert suspects.next_for([]) == 1


def test_whoever_dies_alone_with_three_marks_is_guilty() -> None:
    suspects = marked(1)
    assert suspects.died([1]) == [1]
    assert 1 not in suspects


def test_whoever_dies_beside_others_is_not_condemned() -> None:
    suspects = marked(1)
    for _ in range(10):
        assert suspects.died([1, 7]) == []


def test_whoever_came_through_is_no_suspect() -> None:
    suspects: Suspects[int] = Suspects()
    suspects.died([1, 2])
    suspects.cleared(1)
    assert 1 not in suspects
    assert 2 in suspects
    assert list(joining(suspects)) == [2]
    suspects.cleared(9)
