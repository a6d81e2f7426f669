"""Pairs that may be similar: all that are, and few others, however much all have in common."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.made_texts import Texts
from filters import candidates
from filters.candidates import pairs_among
from filters.near_duplicates import SIMILAR, jaccard, shingles
from filters.words import Ragged, starts_of

MADE = Texts(11)
Found = set[tuple[int, int]]


@pytest.fixture(autouse=True)
def small_crowds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "CROWD", 1)
    monkeypatch.setattr(candidates, "JOINED_AT_ONCE", 10)


def found(sets: Ragged, labels: np.typing.NDArray[np.int64]) -> Found:
    portions = pairs_among(np.arange(len(labels)), sets.take, SIMILAR, labels.__getitem__)
    return {pair for left, right in portions for pair in zip(left, right, strict=True)}


def similar(sets: Ragged, labels: np.typing.NDArray[np.int64]) -> Found:
    left, right = np.triu_indices(len(labels), 1)
    near = jaccard(sets.take(left), sets.take(right)) >= SIMILAR
    near &= labels[left] != labels[right]
    return set(zip(left[near], right[near], strict=True))


def of_one_frame(random: np.random.Generator) -> Ragged:
    """Sets with more or less of a frame in common, some of them copies with a few changes."""
    frame = random.integers(0, 2**64, random.integers(60), dtype=np.uint64)
    others = random.integers(0, 2**64, random.integers(5, 200), dtype=np.uint64)
    rows: list[np.typing.NDArray[np.uint64]] = []
    for _ in range(random.integers(2, 30)):
        if rows and random.random() < 0.4:
            own = rows[random.integers(len(rows))].copy()
            changes = random.integers(len(own) // 4 + 1) if len(own) else 0
            own[random.integers(0, max(1, len(own)), changes)] = random.choice(others, changes)
        else:
            part = frame[random.random(len(frame)) < random.choice([1, 0.95, 0.6])]
            own = np.concatenate([part, random.choice(others, random.integers(25))])
        rows.append(own)
    return Ragged(np.concatenate(rows), starts_of(np.array([len(own) for own in rows])))


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_no_similar_pair_is_left_out(seed: int, names: int) -> None:
    random = np.random.default_rng(seed)
    sets = of_one_frame(random)
    labels = random.integers(0, names, len(sets.lengths))
    candidates_found = found(sets, labels)
    assert candidates_found >= similar(sets, labels)
    assert all(left < right and labels[left] != labels[right] for left, right in candidates_found)


def told(instruction: int, question: int, count: int = 120) -> Ragged:
    head = MADE.text(instruction)
    texts = [" ".join([*head, *MADE.text(question)]) for _ in range(count)]
    return shingles(pl.Series(texts))


@pytest.mark.parametrize(("instruction", "question"), [(40, 46), (160, 46), (300, 46), (160, 24)])
def test_an_instruction_that_is_not_enough_makes_no_candidates(
    instruction: int, question: int
) -> None:
    sets = told(instruction, question)
    assert not similar(sets, np.arange(120))
    assert len(found(sets, np.arange(120))) <= 2


def test_an_instruction_that_is_enough_is_compared_with_one_of_them() -> None:
    """If that makes one cluster of them, and not with those that say much more."""
    head = MADE.text(200)
    lengths = [*[8] * 100, *[90] * 20]
    texts = [" ".join([*head, *MADE.text(length)]) for length in lengths]
    sets, labels = shingles(pl.Series(texts)), np.arange(120)
    pairs = 0
    for left, right in pairs_among(labels.copy(), sets.take, SIMILAR, labels.__getitem__):
        pairs += len(left)
        near = jaccard(sets.take(left), sets.take(right)) >= SIMILAR
        labels[np.concatenate([left[near], right[near]])] = 0
    assert len(np.unique(labels[:100])) == 1
    assert len(np.unique(labels[100:])) == 20
    assert pairs < 150
