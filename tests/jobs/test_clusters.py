"""Clusters of prompts: what the pool remembers of them, and what follows for a list."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.made_texts import Texts
from filters.near_duplicates import bands, clustered, shingles
from filters.words import Ragged
from infra.pool import Pool
from infra.pool_writer import PoolWriter
from infra.spool import write_table
from jobs.clusters import TABLE, Clusters, Stored, clusters, near_duplicate_flags
from schemas.arrow import CLUSTERS
from schemas.errors import StoreError
from schemas.identity import messages_json, prompt_id

MADE = Texts(5)
ORIGINALS = [" ".join(MADE.text(60)) for _ in range(6)]
NEAR = [f"{text} again and again" for text in ORIGINALS]
TEXTS = [*ORIGINALS, *NEAR, *(text.upper() for text in ORIGINALS)]


def ids(texts: list[str]) -> list[str]:
    return [prompt_id(messages_json(({"role": "user", "content": text},))) for text in texts]


class Known:
    """A pool, and a writer for what is found."""

    def __init__(self, root: Path) -> None:
        self.pool = Pool(root)
        self._writer = PoolWriter(self.pool, 1)
        self._files = 0

    def find(self, texts: list[str]) -> Clusters:
        prompts = pl.DataFrame({"prompt_id": ids(texts), "text": texts})
        return clusters(Stored(self.pool), prompts)

    def add(self, texts: list[str]) -> Clusters:
        """Finds, and has the pool remember it."""
        found = self.find(texts)
        if found.fresh.height:
            self._files += 1
            path = f"{self.pool.folder(TABLE)}/{self._files:06d}.parquet"
            self._writer.commit(TABLE, [write_table(path, found.fresh.to_arrow().cast(CLUSTERS))])
        return found

    def near(self, texts: list[str], kinds: list[int], order: list[int]) -> list[bool]:
        found = self.find(texts)
        numbers = np.array(kinds, np.uint64)
        return near_duplicate_flags(found, numbers, pl.Series(order)).to_list()


@pytest.fixture
def known(tmp_path: Path) -> Known:
    return Known(tmp_path / "pool")


def names(found: Clusters) -> list[str]:
    return found.prompts["cluster"].to_list()


def test_a_cluster_is_named_by_the_prompt_that_it_began_with(known: Known) -> None:
    first = known.add(ORIGINALS)
    assert names(first) == ids(ORIGINALS)
    assert first.fresh["prompt_id"].to_list() == sorted(ids(ORIGINALS))
    second = known.add(TEXTS)
    assert names(second) == ids(ORIGINALS) * 3
    assert second.fresh.height == 12
    again = known.find(TEXTS[::-1])
    assert names(again) == names(second)[::-1]
    assert again.fresh.is_empty()
    assert again.prompts["seen"].null_count() == 0


def test_what_is_found_at_once_does_not_depend_on_the_order(known: Known) -> None:
    found = dict(known.find(TEXTS).prompts.select("prompt_id", "cluster").iter_rows())
    other = dict(known.find(TEXTS[::-1]).prompts.select("prompt_id", "cluster").iter_rows())
    assert found == other
    sets = shingles(pl.Series(sorted(TEXTS)))
    assert len(set(found.values())) == len(set(clustered(bands(sets), sets.take))) == 6


def test_no_text_is_hashed_twice(known: Known, monkeypatch: pytest.MonkeyPatch) -> None:
    known.add(TEXTS)
    hashed: list[str] = []

    def noting(texts: pl.Series) -> Ragged:
        hashed.extend(texts)
        return shingles(texts)

    monkeypatch.setattr("jobs.clusters.shingles", noting)
    assert sum(known.near(TEXTS, [1] * 18, [*range(18)])) == 12
    assert hashed == []
    assert known.find([*TEXTS, "one more"]).fresh.height == 1
    assert hashed == ["one more"]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.lists(st.sampled_from(TEXTS), unique=True, min_size=1), min_size=1, max_size=4))
def test_nobody_is_ever_moved_and_all_of_a_kind_stay_together(
    tmp_path_factory: pytest.TempPathFactory, lists: list[list[str]]
) -> None:
    known = Known(tmp_path_factory.mktemp("pool") / "pool")
    told: dict[str, str] = {}
    for texts in lists:
        found = dict(known.add(texts).prompts.select("prompt_id", "cluster").iter_rows())
        assert all(told.get(prompt, cluster) == cluster for prompt, cluster in found.items())
        told |= found
    kinds: dict[str, set[str]] = {}
    for number, prompt in enumerate(ids(TEXTS)):
        if prompt in told:
            kinds.setdefault(f"{number % 6}", set()).add(told[prompt])
    assert all(len(clusters) == 1 for clusters in kinds.values())


def bridged(known: Known) -> tuple[str, str, str]:
    """Three texts, of which the pool knows the first and the last: each is alike with the one in
    the middle, and not with the other."""
    words = MADE.text(120)
    older = " ".join(words)
    between = " ".join([*words[:-10], *MADE.text(10)])
    newer = " ".join([*MADE.text(10), *between.split()[10:]])
    known.add([older])
    known.add([newer])
    return older, between, newer


def test_what_connects_two_clusters_joins_the_older(known: Known) -> None:
    older, between, newer = bridged(known)
    assert names(known.add([older, newer, between])) == [*ids([older, newer]), *ids([older])]


def test_an_older_cluster_is_the_one_that_began_first(known: Known) -> None:
    """Whoever of it is alike, and whoever else is looked at."""
    words = MADE.text(120)
    older = " ".join(words)
    of_older = " ".join([*words[:-10], *MADE.text(10)])
    newer = " ".join([*MADE.text(20), *of_older.split()[20:]])
    between = " ".join([*of_older.split()[:12], *newer.split()[12:]])
    known.add([older])
    known.add([newer])
    known.add([of_older])
    assert names(known.find([older, newer, of_older])) == ids([older, newer, older])
    assert names(known.find([between])) == names(known.find([between, f"{older} again"]))[:1]
    assert names(known.find([between])) == ids([older])


@pytest.mark.parametrize("remembered", [0, 6, 18])
def test_the_first_in_order_is_no_duplicate(known: Known, remembered: int) -> None:
    if remembered:
        known.add(TEXTS[:remembered])
    assert known.near(TEXTS, [1] * 18, [*range(18)]) == [False] * 6 + [True] * 12
    assert known.near(TEXTS, [1] * 18, [*range(17, -1, -1)]) == [True] * 12 + [False] * 6
    kinds = [1] * 6 + [2] * 6 + [1] * 6
    assert known.near(TEXTS, kinds, [*range(18)]) == [False] * 12 + [True] * 6


def test_what_is_in_two_clusters_is_alike_all_the_same(known: Known) -> None:
    older, between, newer = bridged(known)
    known.add([between, newer.upper()])
    told = [older, newer, between, newer.upper()]
    assert known.near(told, [1] * 4, [0, 1, 2, 3]) == [False, True, True, True]
    assert known.near(told, [1, 2, 2, 2], [0, 1, 2, 3]) == [False, False, True, True]


def test_prompts_without_words_are_alone(known: Known) -> None:
    texts = ["∑", "∫", ""]
    for _ in range(2):
        found = known.find(texts)
        assert names(found) == ids(texts)
        known.add(texts)


def test_a_damaged_file_stops_unless_it_is_given_up(known: Known) -> None:
    known.add(ORIGINALS)
    known.add(NEAR)
    (Path(known.pool.folder(TABLE)) / "000001.parquet").write_bytes(b"PAR1")
    with pytest.raises(StoreError, match=r"000001\.parquet"):
        known.find(TEXTS)
    given_up = known.pool.damaged(TABLE)
    prompts = pl.DataFrame({"prompt_id": ids(TEXTS), "text": TEXTS})
    found = clusters(Stored(known.pool, given_up), prompts)
    assert found.fresh.height == 12
    assert set(names(found)) == set(ids(ORIGINALS)), "they join what the others are still in"


@pytest.mark.usefixtures("ray_here")
def test_a_cluster_finds_the_same(
    known: Known, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = Known(tmp_path / "alone")
    for texts in (NEAR[:3], TEXTS):
        here = alone.add(texts)
        with monkeypatch.context() as patch:
            patch.setattr("jobs.clusters.SHUFFLED_FROM", 2)
            patch.setattr("jobs.clusters._signed", lambda texts: pytest.fail("here"))
            patch.setenv("RAY_ADDRESS", "a cluster that is connected already")
            there = known.add(texts)
        assert there.prompts.equals(here.prompts)
        assert there.fresh.equals(here.fresh)
