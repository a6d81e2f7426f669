"""Where prompts stand: those that are put off come back, the best first."""

import numpy as np

from infra.prompt_states import PromptStates, State
from infra.sampling import Bits

POOR, FAIR = Bits(0b1111, 0b1111, 0), Bits(0b1111, 0b1111, 0b0001)


def gain(source: int, bits: Bits) -> float:
    return bits.kept.bit_count() + source / 10


def states(*known: Bits) -> PromptStates:
    prompts = PromptStates(len(known))
    prompts.restore(known, np.arange(len(known), dtype=np.uint32), lambda bits: bits.kept > 1)
    return prompts


def test_the_best_of_those_put_off_comes_first() -> None:
    prompts = states(POOR, FAIR, POOR, Bits(1, 1, 0b11))
    assert prompts.settled == 1
    for parked, source in ((0, 0), (1, 0), (2, 1)):
        prompts.park(parked, source)
    assert prompts.next_untouched() is None
    order = []
    while (number := prompts.next_parked(gain)) is not None:
        order.append(number)
        prompts.touch(number)
    assert order == [1, 2, 0]
    assert (prompts.parked, prompts.working) == (0, 3)


def test_what_is_known_of_an_open_one_is_kept() -> None:
    prompts = states(Bits(), POOR)
    prompt = prompts.touch(0)
    prompt.done = prompt.judged = 0b111
    prompt.kept = 0b010
    prompts.park(0, 0)
    assert prompts.before(0) == Bits(0b111, 0b111, 0b010)
    assert 0 not in prompts.open
    assert prompts.touch(0).bits == Bits(0b111, 0b111, 0b010)
    assert prompts.next_parked(gain) is None, "somebody had come back to it"


def test_one_that_is_put_off_again_is_known_by_its_newest_state() -> None:
    prompts = states(POOR)
    prompts.park(0, 0)
    prompt = prompts.touch(0)
    prompt.done = prompt.judged = 0b11111
    prompts.park(0, 0)
    assert prompts.next_parked(lambda _, bits: bits.judged) == 0
    assert prompts.state(0) == State.PARKED
    assert prompts.before(0).judged == 0b11111
