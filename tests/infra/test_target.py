"""When there are enough rows, by prompts in their order."""

import random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from infra.target import Target

ROWS = st.lists(st.integers(0, 4), min_size=1, max_size=30)


@given(ROWS, st.integers(1, 40), st.randoms(use_true_random=False), st.integers(0, 30))
def test_the_order_of_settling_does_not_matter(
    rows: list[int], wanted: int, shuffle: random.Random, known: int
) -> None:
    numbers = [*range(len(rows))]
    shuffle.shuffle(numbers)
    before = np.full(len(rows), -1)
    for number in numbers[:known]:
        before[number] = rows[number]
    target = Target(wanted, before)
    done = set(numbers[:known])
    for number in numbers[known:]:
        first_open = min(set(range(len(rows))) - done)
        assert target.reached == (sum(rows[:first_open]) >= wanted)
        target.settled(number, rows[number])
        done.add(number)
    assert target.reached == (sum(rows) >= wanted)


def test_no_more_prompts_are_begun_than_will_be_enough() -> None:
    target = Target(10, np.full(100, -1))
    assert target.needs_more(begun=9, working=9)
    assert not target.needs_more(begun=10, working=10), "a row each, so far as is known"
    for number in range(10):
        target.settled(number, 0 if number % 2 else 1)
    assert not target.reached
    assert target.needs_more(begun=10, working=0)
    assert target.needs_more(begun=18, working=8)
    assert not target.needs_more(begun=21, working=11)


def test_what_is_settled_behind_prompts_that_nobody_has_begun_does_not_count() -> None:
    before = np.full(20, -1)
    before[10:] = 4
    target = Target(8, before)
    assert not target.reached
    assert target.needs_more(begun=0, working=0)
    assert not target.needs_more(begun=3, working=3), "those before went with four each"
    target.settled(0, 4)
    target.settled(1, 4)
    assert target.reached
