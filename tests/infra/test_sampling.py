"""The stopping rule: shortest prefix, in index order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.sampling import Prefix, eligible_prefix, judged_prefix
from schemas.recipe import SampleCounts

COUNTS = SampleCounts(probe=2, max=6, enough=2)
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
    assert eligible_prefix(judged, kept, COUNTS) == expected


@given(BITS, BITS, st.integers(0, 5))
def test_a_settled_prompt_stays_as_it_is(judged: int, kept: int, later: int) -> None:
    kept &= judged
    before = eligible_prefix(judged, kept, COUNTS)
    if before.settled:
        more = judged | 1 << later
        assert eligible_prefix(more, kept, COUNTS) == before
        if not judged >> later & 1:
            assert eligible_prefix(more, kept | 1 << later, COUNTS) == before


@given(st.integers(0, 2**70))
def test_judged_prefix_counts_trailing_ones(judged: int) -> None:
    expected = 0
    while judged >> expected & 1:
        expected += 1
    assert judged_prefix(judged) == expected
