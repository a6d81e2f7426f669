"""Through Ray Data's shuffle the clusters are those that one process finds."""

import numpy as np
import polars as pl
import pytest

from benchmarks.made_texts import Texts
from filters import candidates
from filters.near_duplicates import clustered, shingles
from filters.packed import packed, unpacked_bands, unpacked_shingles
from filters.words import Positions
from jobs import cluster_shuffle
from jobs.cluster_shuffle import shuffled, signed

MADE = Texts(17)
pytestmark = pytest.mark.usefixtures("ray_here")


def made(count: int) -> pl.Series:
    """Chains of small edits, one large family, others alone, some without words."""
    texts = []
    for family in range(count // 10):
        text = MADE.text(60)
        for _ in range(1 if family % 3 else 15):
            texts.append(" ".join(text))
            text = MADE.edited(text, 1)
    crowd = MADE.text(60)
    texts += [" ".join(MADE.edited(crowd, 1)) for _ in range(60)]
    texts += ["", "∑", *texts[:3]]
    return pl.Series(MADE.random.sample(texts, len(texts)))


def here(rows: pl.DataFrame, known: Positions) -> Positions:
    sets = unpacked_shingles(rows["shingles"])
    return clustered(unpacked_bands(rows["bands"]), sets.take, known)


@pytest.mark.slow
def test_it_is_what_one_process_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_shuffle, "ROWS_PER_PART", 200)
    monkeypatch.setattr(cluster_shuffle, "TEXTS_AT_ONCE", 50)
    texts = made(300)
    rows = signed(texts)
    assert rows.equals(packed(shingles(texts)))
    nobody = np.empty(0, np.int64)
    found = shuffled(rows, nobody)
    assert found.tolist() == here(rows, nobody).tolist()
    assert len(np.unique(found)) < 0.8 * len(texts), "there is something to find"

    known = here(rows.head(150), nobody)
    assert shuffled(rows, known).tolist() == here(rows, known).tolist()
    assert shuffled(rows.head(150), known).tolist() == known.tolist()


def test_texts_that_are_alone_are_not_shuffled() -> None:
    rows = packed(shingles(pl.Series([" ".join(MADE.text(40)) for _ in range(5)])))
    assert shuffled(rows, np.empty(0, np.int64)).tolist() == list(range(5))
    assert shuffled(rows.clear(), np.empty(0, np.int64)).tolist() == []


def test_crowds_are_compared_as_one_process_does(monkeypatch: pytest.MonkeyPatch) -> None:
    crowd = MADE.text(60)
    size = candidates.CROWD + 60
    texts = pl.Series([" ".join(MADE.edited(crowd, number % 3)) for number in range(size)])
    rows = packed(shingles(texts))
    nobody = np.empty(0, np.int64)
    assert shuffled(rows, nobody).tolist() == here(rows, nobody).tolist()
