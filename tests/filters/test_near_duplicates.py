"""Clusters of similar texts: found, verified, and the same in any order and in any parts."""

from collections import Counter

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.made_texts import Texts
from filters import candidates, near_duplicates
from filters.near_duplicates import (
    PERMUTATIONS,
    bands,
    clustered,
    jaccard,
    shingles,
    signatures,
)
from filters.words import Positions, Ragged

MADE = Texts(7)


def clusters(texts: list[str]) -> list[set[int]]:
    """The rows of each cluster."""
    sets = shingles(pl.Series(texts, dtype=pl.String))
    return grouped(clustered(bands(sets), sets.take))


def grouped(labels: Positions) -> list[set[int]]:
    return sorted(
        (set(np.flatnonzero(labels == label).tolist()) for label in np.unique(labels)), key=min
    )


def text(words: int = 100) -> list[str]:
    return MADE.text(words)


def test_copies_and_near_copies_are_together_and_others_are_not() -> None:
    one, other = text(), text()
    near = MADE.edited(one, 1)
    found = clusters([" ".join(own) for own in (one, other, near, one)])
    assert found == [{0, 2, 3}, {1}]


def test_texts_without_words_are_alone() -> None:
    assert clusters(["", "?!", "", "  "]) == [{0}, {1}, {2}, {3}]


def test_short_texts_are_together_if_they_are_the_same() -> None:
    assert clusters(["Compute 2+2.", "compute 2 + 2", "Compute 2*2.", "2+2"]) == [{0, 1}, {2}, {3}]


def test_the_same_text_with_other_numbers_is_another_problem() -> None:
    told = "Tom has {} apples and buys {} more. How many apples does Tom have after that?"
    assert clusters([told.format(3, 4), told.format(5, 6)]) == [{0}, {1}]


def chain(links: int) -> list[list[str]]:
    """Texts each of which is similar to the next one, and the first not to the last."""
    found = [text(60)]
    for _ in range(links):
        found.append([*found[-1][4:], *text(4)])
    return found


def test_what_is_connected_through_others_is_one_cluster() -> None:
    texts = [" ".join(own) for own in chain(12)]
    sets = shingles(pl.Series(texts))
    ends = np.array([0]), np.array([12])
    assert jaccard(sets.take(ends[0]), sets.take(ends[1]))[0] < 0.2
    assert clusters(texts) == [set(range(13))]


def of_chains(seed: int) -> list[str]:
    texts = [" ".join(own) for _ in range(3) for own in chain(4)]
    return [texts[at] for at in np.random.default_rng(seed).permutation(len(texts))]


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.data())
def test_the_same_clusters_in_any_order_and_in_any_parts(seed: int, data: st.DataObject) -> None:
    texts = of_chains(seed)
    whole = clusters(texts)
    order = np.random.default_rng(seed + 1).permutation(len(texts))
    shuffled = clusters([texts[at] for at in order])
    assert sorted(sorted(int(order[row]) for row in own) for own in shuffled) == sorted(
        sorted(own) for own in whole
    )
    sets = shingles(pl.Series(texts))
    keys = bands(sets)
    labels = np.empty(0, np.int64)
    for end in sorted(data.draw(st.sets(st.integers(1, len(texts)), max_size=4)) | {len(texts)}):
        labels = clustered(keys[:end], sets.take, labels)
    assert grouped(labels) == whole


def of_one_template(count: int) -> list[str]:
    """Texts that differ in three of sixty words: many share a band, and none are similar."""
    frame = text(60)
    found = []
    for number in range(count):
        own = list(frame)
        for place in (8, 25, 45):
            own[place] = f"w{chr(97 + number % 26)}{chr(97 + number // 26)}{chr(97 + place)}"
        found.append(" ".join(own))
    return found


def test_what_was_compared_before_is_not_compared_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "CROWD", 200)
    texts = of_one_template(200)
    sets = shingles(pl.Series(texts))
    keys, asked = bands(sets), []

    def sets_of(rows: Positions) -> Ragged:
        asked.append(rows)
        return sets.take(rows)

    old = clustered(keys[:-20], sets.take)
    clustered(keys, sets_of, old)
    assert asked
    assert all((rows >= len(old)).all() for rows in asked[1::2]), "one of each pair is new"


@pytest.mark.parametrize(("words", "share"), [(5, 0.6), (20, 0.5), (60, 0.8), (370, 0.9)])
def test_signatures_estimate_the_index(words: int, share: float) -> None:
    """Within four standard deviations of as many random permutations, on average over 200 pairs."""
    random = np.random.default_rng(words)
    errors = []
    for _ in range(200):
        union = random.integers(0, 2**64, words, dtype=np.uint64)
        both = round(share * words)
        half = both + (words - both) // 2
        one, other = union[:half], np.concatenate([union[:both], union[half:]])
        sets = Ragged(np.concatenate([one, other]), np.array([0, len(one), len(one) + len(other)]))
        signed = signatures(sets)
        errors.append((signed[0] == signed[1]).mean() - both / words)
    true = round(share * words) / words
    deviation = (true * (1 - true) / PERMUTATIONS) ** 0.5
    assert abs(np.mean(errors)) < 4 * deviation / 200**0.5
    assert np.std(errors) < 1.3 * deviation


def test_a_crowd_of_one_template_is_not_compared_pair_by_pair(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    texts = of_one_template(300)
    texts.append(" ".join(MADE.edited(texts[17].split(), 1)))
    sets = shingles(pl.Series(texts))
    pairs = 0

    def sets_of(rows: Positions) -> Ragged:
        nonlocal pairs
        pairs += len(rows)
        return sets.take(rows)

    counts = []
    for crowd in (10**6, 3):
        monkeypatch.setattr(candidates, "CROWD", crowd)
        pairs = 0
        labels = clustered(bands(sets), sets_of)
        assert grouped(labels)[17] == {17, 300}
        assert len(np.unique(labels)) == 300
        counts.append(pairs)
    assert counts[1] < counts[0] / 2


def test_no_texts_make_no_clusters() -> None:
    sets = shingles(pl.Series([], dtype=pl.String))
    assert clustered(bands(sets), sets.take).tolist() == []


@pytest.mark.parametrize("edits", [1, 2, 3])
@pytest.mark.parametrize("crowd", [2, 200])
def test_all_similar_pairs_that_share_a_band_are_found_and_none_compared_again_and_again(
    monkeypatch: pytest.MonkeyPatch, crowd: int, edits: int
) -> None:
    """Of one family, whose members are about as alike as the limit asks for."""
    monkeypatch.setattr(candidates, "CROWD", crowd)
    monkeypatch.setattr(near_duplicates, "PAIRS_AT_ONCE", 50)
    text = MADE.text(60)
    texts = [" ".join(MADE.edited(text, edits)) for _ in range(120)]
    sets = shingles(pl.Series(texts))
    keys = bands(sets)
    read: list[Positions] = []

    def sets_of(rows: Positions) -> Ragged:
        read.append(rows)
        return sets.take(rows)

    found = grouped(clustered(keys, sets_of))
    left, right = np.triu_indices(len(texts), 1)
    together = (keys[left] == keys[right]).any(axis=1)
    left, right = left[together], right[together]
    similar = jaccard(sets.take(left), sets.take(right)) >= near_duplicates.SIMILAR
    labels = near_duplicates.joined(np.arange(len(texts)), left[similar], right[similar])
    assert found == grouped(labels)
    if crowd < len(texts):
        return  # whole buckets are read then
    compared = Counter(
        pair
        for one, other in zip(read[::2], read[1::2], strict=True)
        for pair in zip(one.tolist(), other.tolist(), strict=True)
    )
    assert max(compared.values()) <= 2, "with the first of a bucket, and later once"
    assert len(compared) <= len(left)
