"""What further samples of a prompt would bring."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.gain import gain_per_sample
from infra.policy import Beta, Outlook
from infra.sampling import Bits, Need, eligible_prefix

NEED = Need(probe=4, max=16, kept=4)
EVEN = Outlook(Beta(0.5, 0.5), Beta(0.5, 0.5))


def after_probe(kept: int, need: Need = NEED, rows: int = 4) -> float:
    return gain_per_sample(need, rows, EVEN, Bits(0b1111, 0b1111, 2**kept - 1))


def test_the_easier_a_prompt_the_more_it_brings() -> None:
    gains = [after_probe(kept) for kept in range(4)]
    assert gains == sorted(gains)
    assert gains[0] < 0.1 < 0.5 < gains[3]


def test_what_is_not_published_is_no_gain() -> None:
    assert after_probe(1, rows=1) == 0
    assert after_probe(0, rows=1) > 0


def test_a_pair_is_a_row() -> None:
    pairs = Need(probe=4, max=16, kept=1, wrong=1)
    lacks_wrong = gain_per_sample(pairs, 0, EVEN, Bits(0b1111, 0b1111, 0b1111, 0))
    lacks_kept = gain_per_sample(pairs, 0, EVEN, Bits(0b1111, 0b1111, 0, 0b1111))
    assert 0 < lacks_wrong == pytest.approx(lacks_kept)


@given(st.integers(0, 2**16 - 1), st.integers(0, 2**16 - 1), st.integers(1, 6), st.booleans())
def test_it_is_a_share_of_what_is_drawn(judged: int, kept: int, rows: int, pairs: bool) -> None:
    need = NEED._replace(wrong=int(pairs))
    judged, kept = judged, kept & judged
    if not eligible_prefix(judged, kept, 0, need).settled and judged != 2**16 - 1:
        assert 0 <= gain_per_sample(need, rows, EVEN, Bits(judged, judged, kept)) <= 1 + pairs


def test_untouched_prompts_bring_what_the_simulation_says() -> None:
    prior, rng = Beta(0.8, 1.2), random.Random(0)
    rows = drawn = 0
    for _ in range(20_000):
        rate = rng.betavariate(*prior)
        kept = sum(1 << index for index in range(16) if rng.random() < rate)
        length = eligible_prefix(2**16 - 1, kept, 0, NEED).length
        drawn += length
        rows += min(4, (kept & (2**length - 1)).bit_count())
    expected = gain_per_sample(NEED, 4, Outlook(prior, prior), Bits())
    assert expected == pytest.approx(rows / drawn, rel=0.02)
