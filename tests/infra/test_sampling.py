"""The stopping rule: shortest prefix, in index order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.sampling import Need, Prefix, eligible_prefix, judged_prefix
from schemas.recipe import SampleCounts

NEED = Need(probe=2, max=6, kept=2)
BITS = st.integers(0, 63)


@pytest.mark.parametrize(
    ("judged", "kept", "expected"),
    [
        (0b000000, 0b000000, Prefix(0, settled=False)),
        (0b000001, 0b000001, Prefix(1, settled=False)),
        (0b000011, 0b000011, Prefix(2, settled=True)),
        (0b000011, 0b000001, Prefix(2, settled=False)),
        (0b000111, 0b000101, Prefix(3, settled=True)),
        (0b111111, 0b110000, Prefix(6, settled=True)),
        (0b111111, 0b000000, Prefix(6, settled=True)),
        # Index 1 is still running: what finished after it decides nothing.
        (0b111101, 0b111101, Prefix(1, settled=False)),
    ],
)
def test_prefixes(judged: int, kept: int, expected: Prefix) -> None:
    assert eligible_prefix(judged, kept, 0, NEED) == expected


@pytest.mark.parametrize(
    ("kept", "wrong", "expected"),
    [
        (0b000001, 0b000010, Prefix(2, settled=True)),
        (0b000011, 0b000000, Prefix(5, settled=False)),
        (0b000011, 0b001000, Prefix(4, settled=True)),
        (0b000000, 0b000011, Prefix(5, settled=False)),
    ],
)
def test_a_pair_needs_a_kept_and_a_wrong_one(kept: int, wrong: int, expected: Prefix) -> None:
    assert eligible_prefix(0b011111, kept, wrong, NEED._replace(kept=1, wrong=1)) == expected


def test_needs_of_outputs() -> None:
    counts = SampleCounts(probe=3, max=9, enough=2)
    assert Need.of(counts, ["sft"]) == Need(3, 9, kept=2, wrong=0)
    assert Need.of(counts, ["preference"]) == Need(3, 9, kept=1, wrong=1)
    assert Need.of(counts, ["rl"]) == Need(3, 9, kept=0, wrong=0)
    assert Need.of(counts, ["rl", "preference", "sft"]) == Need(3, 9, kept=2, wrong=1)
    assert eligible_prefix(0b111, 0, 0, Need.of(counts, ["rl"])) == Prefix(3, settled=True)


@given(BITS, BITS, BITS, st.integers(0, 1), st.integers(0, 5))
def test_a_settled_prompt_stays_as_it_is(
    judged: int, kept: int, wrong: int, wrong_needed: int, later: int
) -> None:
    need = NEED._replace(wrong=wrong_needed)
    kept, wrong = kept & judged, wrong & judged
    before = eligible_prefix(judged, kept, wrong, need)
    if before.settled:
        more = judged | 1 << later
        assert eligible_prefix(more, kept, wrong, need) == before
        if not judged >> later & 1:
            assert eligible_prefix(more, kept | 1 << later, wrong, need) == before
            assert eligible_prefix(more, kept, wrong | 1 << later, need) == before


@given(st.integers(0, 2**70))
def test_judged_prefix_counts_trailing_ones(judged: int) -> None:
    expected = 0
    while judged >> expected & 1:
        expected += 1
    assert judged_prefix(judged) == expected
