"""How many samples may still be begun."""

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from infra.allowance import FIRST_WEIGHS, Allowance


def test_without_a_budget_there_is_no_limit() -> None:
    allowance = Allowance(100)
    assert allowance.room(10**9) is None
    assert not allowance.limited
    assert not allowance.overdrawn
    allowance.set(1000)
    assert allowance.room(4) == 6
    allowance.set(inf)
    assert allowance.room(4) is None


def test_what_runs_is_paid_for_first() -> None:
    allowance = Allowance(100)
    allowance.set(1000)
    assert [allowance.room(running) for running in (0, 9, 10, 50)] == [10, 1, 0, 0]
    allowance.set(50)
    assert allowance.room(0) == 0
    assert not allowance.overdrawn
    allowance.set(0)
    assert allowance.overdrawn


def test_what_is_closed_stays_closed() -> None:
    """Replicas have left by then: room that a better guess finds would wait for nobody, as a run
    did for ever."""
    allowance = Allowance(100)
    allowance.set(100)
    assert not allowance.closed
    allowance.set(99)
    assert allowance.closed
    for _ in range(1000):
        allowance.drawn(10)
    allowance.set(1000)
    assert allowance.room(0) == 0


def test_the_length_is_learned_and_the_first_do_not_decide_it() -> None:
    allowance = Allowance(1000)
    for _ in range(FIRST_WEIGHS):
        allowance.drawn(100)
    assert allowance.tokens_per_sample == 550
    for _ in range(100 * FIRST_WEIGHS):
        allowance.drawn(100)
    assert allowance.tokens_per_sample < 110


@given(st.lists(st.integers(1, 2000), min_size=1, max_size=200), st.integers(1, 20))
def test_a_budget_is_not_overdrawn_by_more_than_what_was_not_foreseen(
    lengths: list[int], slots: int
) -> None:
    """Drawn one after the other in so many slots: what is begun was affordable by the mean."""
    allowance, budget = Allowance(2000), 50_000
    allowance.set(budget)
    running: list[int] = []
    spent = 0
    for length in lengths:
        room = allowance.room(len(running))
        assert room is not None
        if room and len(running) < slots:
            running.append(length)
        elif running:
            spent += running[0]
            allowance.drawn(running.pop(0))
            allowance.set(budget - spent)
    assert spent + sum(running) <= budget + slots * 2000
