"""Quotas add up, follow their shares, and never shrink."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from filters.quotas import amounts, amounts_within, seats, seats_within

SHARES = st.lists(st.integers(1, 60), min_size=1, max_size=6).map(
    lambda weights: [Fraction(weight, sum(weights)) for weight in weights]
)


@given(SHARES, st.integers(0, 400))
def test_seats_add_up_and_follow_their_shares(shares: list[Fraction], total: int) -> None:
    found = seats(total, shares)
    assert sum(found) == total
    for count, share in zip(found, shares, strict=True):
        most = 1 if len(shares) <= 3 else Fraction(1, 2) + share * len(shares) / 2
        assert abs(count - total * share) <= most
    more = seats(total + 1, shares)
    assert all(count <= then for count, then in zip(found, more, strict=True))


@given(SHARES, st.data())
def test_as_many_seats_as_all_can_fill(shares: list[Fraction], data: st.DataObject) -> None:
    bounds = [data.draw(st.integers(0, 40)) for _ in shares]
    found, limit = seats_within(bounds, shares)
    total = sum(found)
    assert found == seats(total, shares)
    assert all(count <= bound for count, bound in zip(found, bounds, strict=True))
    assert seats(total + 1, shares)[limit] == bounds[limit] + 1, "nobody could take the next one"


@given(SHARES, st.data())
def test_amounts_stay_within_bounds_and_shares(shares: list[Fraction], data: st.DataObject) -> None:
    bounds = [data.draw(st.integers(0, 10**13)) for _ in shares]
    found, limit = amounts_within(bounds, shares)
    total = bounds[limit] / shares[limit]
    assert found[limit] == bounds[limit], "nothing of it is lost by rounding"
    for count, bound, share in zip(found, bounds, shares, strict=True):
        assert count <= bound
        assert total * share - 1 < count <= total * share
    assert sum(amounts(1000, shares)) in range(1001 - len(shares), 1001)


def test_seats_of_a_parliament() -> None:
    votes = [53_000, 24_000, 23_000]
    assert seats(7, [Fraction(v, 100_000) for v in votes]) == [3, 2, 2]  # Sainte-Laguë's example
