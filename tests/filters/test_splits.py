"""Splits: shares, and texts that would be in two of them."""

import hashlib
from collections.abc import Mapping

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.made_texts import Texts
from filters.near_duplicates import SIMILAR, bands, jaccard, shingles
from filters.splits import crossing, in_mixed_buckets, splits_of

MADE = Texts(11)
SHARES = {"validation": 0.25, "test": 0.25}


def clusters(count: int) -> pl.Series:
    return pl.Series([f"p1_{number:032x}" for number in range(count)], dtype=pl.String)


def split(name: str, shares: Mapping[str, float]) -> str:
    found: str = splits_of(pl.Series([name]), shares).item()
    return found


def test_shares_are_met_and_what_is_left_is_train() -> None:
    found = splits_of(clusters(20_000), {"validation": 0.1, "test": 0.02})
    counts = dict(found.cast(pl.String).value_counts().iter_rows())
    assert counts == {
        "validation": pytest.approx(2000, rel=0.1),
        "test": pytest.approx(400, rel=0.2),
        "train": pytest.approx(17_600, rel=0.02),
    }


def test_the_hash_is_the_same_for_ever() -> None:
    """Written down here, since published versions rest on it."""
    names = clusters(6)
    points = [int(hashlib.sha256(n.encode()).hexdigest()[:16], 16) / 2**64 for n in names]
    assert points == pytest.approx([0.5262, 0.9278, 0.2417, 0.1411, 0.8241, 0.0139], abs=1e-4)
    found = splits_of(names, {"a": 0.3, "b": 0.4}).cast(pl.String).to_list()
    assert found == ["b", "train", "a", "a", "train", "a"]


def test_a_split_that_is_added_behind_takes_from_train_alone() -> None:
    before = splits_of(clusters(3000), {"validation": 0.2}).cast(pl.String)
    after = splits_of(clusters(3000), {"validation": 0.2, "test": 0.2}).cast(pl.String)
    assert set(before.filter(before != after)) == {"train"}
    assert set(after.filter(before != after)) == {"test"}


@given(st.lists(st.integers(0, 30), max_size=60))
def test_the_name_alone_decides(numbers: list[int]) -> None:
    names = clusters(31).gather(numbers)
    found = splits_of(names, SHARES)
    assert found.cast(pl.String).to_list() == [split(name, SHARES) for name in names]


def test_the_first_of_a_list_are_a_sample_of_all_splits() -> None:
    """Though a list is in the order of its prompts' hashes, and these name clusters."""
    names = sorted(f"p1_{hashlib.sha256(str(n).encode()).hexdigest()[:32]}" for n in range(4000))
    first = splits_of(pl.Series(names[:1000]), SHARES).cast(pl.String)
    assert (first == "validation").sum() == pytest.approx(250, abs=50)


def found(texts: list[str], splits: list[int]) -> list[bool]:
    sets = shingles(pl.Series(texts, dtype=pl.String))
    keys, codes = bands(sets), np.array(splits, np.int64)
    mixed = np.flatnonzero(in_mixed_buckets(keys, codes))
    crosses = np.zeros(len(texts), bool)
    crosses[mixed] = crossing(keys[mixed], sets.take(mixed).take, codes[mixed])
    return crosses.tolist()


def expected(texts: list[str], splits: list[int]) -> list[bool]:
    """Every pair compared."""
    sets = shingles(pl.Series(texts, dtype=pl.String))
    crosses: list[bool] = []
    for row in range(len(texts)):
        kept = [r for r in range(row) if not crosses[r] and splits[r] != splits[row]]
        index = jaccard(sets.take(np.full(len(kept), row)), sets.take(np.array(kept, np.int64)))
        crosses.append(bool((index >= SIMILAR).any()))
    return crosses


ORIGINALS = [MADE.text(80) for _ in range(3)]
TEXTS = [
    " ".join(own)
    for text in ORIGINALS
    for own in (text, *(MADE.edited(text, 1) for _ in range(3)), [*text[4:], *MADE.text(4)])
]


@given(st.permutations(range(len(TEXTS))), st.lists(st.integers(0, 2), min_size=15, max_size=15))
def test_the_later_of_two_in_different_splits_crosses(order: list[int], splits: list[int]) -> None:
    texts = [TEXTS[place] for place in order]
    assert found(texts, splits) == expected(texts, splits)


def test_what_crosses_itself_is_nobodys_twin() -> None:
    text = " ".join(ORIGINALS[0])
    assert found([text] * 3, [0, 1, 0]) == [False, True, False]
    assert found([text] * 4, [1, 0, 0, 1]) == [False, True, True, False]


@given(st.lists(st.integers(0, 2), min_size=15, max_size=15), st.integers(1, 14))
def test_what_comes_later_changes_nothing(splits: list[int], count: int) -> None:
    assert found(TEXTS, splits)[:count] == found(TEXTS[:count], splits[:count])


def test_nothing_crosses_where_all_are_in_one_split_or_have_no_words() -> None:
    assert found([TEXTS[0]] * 3, [1, 1, 1]) == [False] * 3
    assert found(["∑", "∑", ""], [0, 1, 2]) == [False] * 3
    assert found([], []) == []


def test_a_crowd_is_looked_at_too() -> None:
    """Hundreds of copies in one split, as of one template, and a few in another."""
    texts = [" ".join(MADE.edited(ORIGINALS[0], 1)) for _ in range(400)]
    splits = [0, 0, 1, *[0] * 380, *[1] * 17]
    assert found(texts, splits) == expected(texts, splits)
