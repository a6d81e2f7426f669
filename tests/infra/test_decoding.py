"""Sequences on a clock of tokens end when the step-time model says so."""

from itertools import pairwise
from math import isclose

from hypothesis import given
from hypothesis import strategies as st

from infra.decoding import Decoder, Request
from infra.step_time import StepTime

STEP = StepTime(base_s=0.02, per_sequence_s=0.001, slots=4)


def request(key: int, tokens: int, prompt: int = 0, begun: float = 0.0) -> Request[int]:
    return Request(key, tokens, prompt, prompt_tokens=100, begun=begun)


def play(decoder: Decoder[int]) -> dict[int, float]:
    """When each sequence ends."""
    ends: dict[int, float] = {}
    while (at := decoder.next_event()) is not None:
        decoder.advance(at)
        ends |= {one.key: at for one in decoder.ended()}
    return ends


def test_a_batch_takes_the_time_that_the_model_says() -> None:
    decoder: Decoder[int] = Decoder(STEP)
    for key in range(3):
        decoder.add(request(key, 50))
    assert set(play(decoder).values()) == {STEP.decode_s(50, 3, 0)}


def test_the_shorter_leave_and_the_others_go_faster() -> None:
    decoder: Decoder[int] = Decoder(STEP)
    decoder.add(request(0, 10))
    decoder.add(request(1, 30))
    ends = play(decoder)
    assert isclose(ends[0], STEP.decode_s(10, 2, 0))
    assert isclose(ends[1], ends[0] + STEP.decode_s(20, 1, 0))


def test_more_than_the_slots_wait_their_turn() -> None:
    decoder: Decoder[int] = Decoder(STEP)
    for key in range(6):
        decoder.add(request(key, 10 if key == 2 else 100))
    assert (decoder.held, decoder.running) == (6, 4)
    at = decoder.next_event()
    assert at is not None
    decoder.advance(at)
    assert [one.key for one in decoder.ended()] == [2]
    decoder.advance(at + STEP.decode_s(5, 4, 0))
    assert isclose(decoder.has(4), 5), "it began when the slot was free"
    assert decoder.has(5) == 0
    decoder.cancel([0])
    assert decoder.running == 4, "a cancelled one leaves its slot to the next"


def test_siblings_share_their_prompts_prefill() -> None:
    step = StepTime(base_s=0.02, per_sequence_s=0, per_prefill_token_s=0.001, slots=4)
    alike: Decoder[int] = Decoder(step)
    different: Decoder[int] = Decoder(step)
    for key in range(4):
        alike.add(request(key, 10))
        different.add(request(key, 10, prompt=key))
    assert isclose(max(play(alike).values()), 0.1 + 10 * 0.02)
    assert isclose(max(play(different).values()), 0.4 + 10 * 0.02)


def test_what_is_gone_on_with_costs_the_prefill_of_its_tokens() -> None:
    step = StepTime(base_s=0.02, per_sequence_s=0, per_prefill_token_s=0.001, slots=4)
    decoder: Decoder[int] = Decoder(step)
    decoder.add(request(0, 50, begun=40))
    decoder.advance(0.1 + 0.04 + 5 * 0.02)
    assert isclose(decoder.has(0), 45)
    assert isclose(decoder.made(0), 5)
    assert isclose(decoder.hand_over()[0], 45)
    assert decoder.held == 0


def test_a_full_cache_sends_the_youngest_back_and_loses_no_token_of_it() -> None:
    step = StepTime(base_s=0.02, per_sequence_s=0, slots=4, kv_tokens=1000)
    decoder: Decoder[int] = Decoder(step)
    for key in range(3):
        decoder.add(request(key, 400))
    full = decoder.next_event()
    assert full is not None
    assert isclose(full, step.decode_s(700 / 3, 3, 300))
    decoder.advance(full)
    assert decoder.ended() == []
    assert (decoder.held, decoder.running) == (3, 2)
    assert all(isclose(decoder.has(key), 700 / 3, rel_tol=1e-3) for key in range(3))
    ends = sorted(play(decoder).values())
    assert isclose(ends[-1] - ends[0], (400 - 700 / 3) * 0.02, rel_tol=1e-3)


@given(
    st.lists(st.tuples(st.integers(1, 300), st.floats(0, 5)), min_size=1, max_size=20),
    st.floats(0, 1e-4),
    st.sampled_from([float("inf"), 800.0]),
)
def test_all_come_to_their_end_however_often_somebody_looks(
    arrivals: list[tuple[int, float]], per_kv_token_s: float, kv_tokens: float
) -> None:
    """Looking between two events changes nothing but rounding."""
    step = StepTime(0.02, 0.001, per_kv_token_s, 1e-5, slots=4, kv_tokens=kv_tokens)
    ends = []
    for looks in (1, 7):
        decoder: Decoder[int] = Decoder(step)
        found: dict[int, float] = {}
        for key, (tokens, at) in enumerate(sorted(arrivals, key=lambda one: one[1])):
            _look(decoder, found, at, looks)
            decoder.add(request(key, tokens, prompt=key))
        ends.append(found | play(decoder))
    assert ends[0].keys() == ends[1].keys() == set(range(len(arrivals)))
    assert all(isclose(ends[0][key], ends[1][key], rel_tol=1e-3) for key in ends[0])


def _look(decoder: Decoder[int], found: dict[int, float], until: float, looks: int) -> None:
    while (at := decoder.next_event()) is not None and at <= until:
        decoder.advance(at)
        found |= {one.key: at for one in decoder.ended()}
    now = decoder.now
    for _, at in pairwise(now + (until - now) * look / looks for look in range(looks + 1)):
        decoder.advance(at)
