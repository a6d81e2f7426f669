"""Clusters of prompts: what the pool remembers of them, and what follows for a list."""

import shutil
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.made_texts import Texts
from filters.near_duplicates import bands, clustered, shingles
from filters.words import Ragged
from infra.pool import Pool, PoolWriter
from infra.spool import write_table
from jobs.clusters import TABLE, Clusters, clusters, duplicate_flags
from schemas.arrow import CLUSTERS, PROMPTS
from schemas.errors import StoreError
from schemas.identity import messages_json, prompt_id
from schemas.recipe import PromptSource

SOURCES = [PromptSource(path="p.jsonl", fields={"prompt": "q"}, template="{prompt} Think first.")]
MADE = Texts(5)
ORIGINALS = [" ".join(MADE.text(60)) for _ in range(6)]
NEAR = [f"{text} again and again" for text in ORIGINALS]
TEXTS = [*ORIGINALS, *NEAR, *(text.upper() for text in ORIGINALS)]


def prompts(texts: list[str], references: list[str] | None = None) -> pl.DataFrame:
    """Columns of the prompts table, in the order of the texts."""
    rows = []
    for number, text in enumerate(texts):
        messages = [{"role": "user", "content": f"{text} Think first."}]
        reference = "r" if references is None else references[number]
        identity = prompt_id(messages_json(tuple(messages)))
        rows.append({"prompt_id": identity, "messages": messages, "reference_id": reference})
    schema = {name: pl.Schema(PROMPTS)[name] for name in ("prompt_id", "messages", "reference_id")}
    return pl.DataFrame(rows, schema)


class Known:
    """A pool, and a writer for what is found."""

    def __init__(self, root: Path) -> None:
        self.pool = Pool(root)
        self._writer = PoolWriter(self.pool, 1)
        self._files = 0

    def find(self, texts: list[str]) -> Clusters:
        return clusters(self.pool, prompts(texts), SOURCES)

    def add(self, texts: list[str]) -> Clusters:
        """Finds, and has the pool remember it."""
        found = self.find(texts)
        if found.fresh.height:
            self._files += 1
            path = self.pool.folder(TABLE) / f"{self._files:06d}.parquet"
            self._writer.commit(TABLE, [write_table(path, found.fresh.to_arrow().cast(CLUSTERS))])
        return found

    def flags(self, texts: list[str], references: list[str], put_back: list[bool]) -> pl.DataFrame:
        return duplicate_flags(self.find(texts), pl.Series(references), pl.Series(put_back))


@pytest.fixture
def known(tmp_path: Path) -> Known:
    return Known(tmp_path / "pool")


def names(found: Clusters) -> list[str]:
    return found.prompts["cluster"].to_list()


def ids(texts: list[str]) -> list[str]:
    return prompts(texts)["prompt_id"].to_list()


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
    flags = known.flags(TEXTS, ["r"] * 18, [False] * 18)
    assert flags["prompt.duplicate"].sum() == 12
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
        assert found.items() <= (told | found).items()
        assert all(told.get(prompt, cluster) == cluster for prompt, cluster in found.items())
        told |= found
    kinds: dict[str, set[str]] = {}
    for number, prompt in enumerate(ids(TEXTS)):
        if prompt in told:
            kinds.setdefault(f"{number % 6}", set()).add(told[prompt])
    assert all(len(clusters) == 1 for clusters in kinds.values())


def test_what_connects_two_clusters_joins_the_older(known: Known) -> None:
    words = MADE.text(120)
    older = " ".join(words)
    between = " ".join([*words[:-10], *MADE.text(10)])
    newer = " ".join([*MADE.text(10), *between.split()[10:]])
    known.add([older])
    known.add([newer])
    assert names(known.add([older, newer, between])) == [*ids([older, newer]), *ids([older])]


def test_the_one_that_the_pool_knew_first_is_no_duplicate(known: Known) -> None:
    known.add(NEAR)
    flags = known.flags([*ORIGINALS, *NEAR], ["r"] * 12, [False] * 12)
    assert flags["prompt.duplicate"].to_list() == [True] * 6 + [False] * 6
    put_back = [False] * 6 + [True] * 3 + [False] * 3
    flags = known.flags([*ORIGINALS, *NEAR], ["r"] * 12, put_back)
    assert flags["prompt.duplicate"].to_list() == [False] * 3 + [True] * 6 + [False] * 3
    alone = known.flags(ORIGINALS, ["r"] * 6, [False] * 6)
    assert not alone["prompt.duplicate"].any(), "what is not in the list makes no duplicates"


def test_conflicts_are_told_in_the_order_of_the_list(known: Known) -> None:
    texts = [ORIGINALS[0], ORIGINALS[1], ORIGINALS[0].upper(), NEAR[0]]
    flags = known.flags(texts, ["a", "a", "b", "c"], [False] * 4)
    assert flags["prompt.conflicting_reference"].to_list() == [True, False, True, False]
    assert flags["prompt.duplicate"].to_list() == [False] * 4


def test_prompts_without_words_are_alone(known: Known) -> None:
    texts = ["∑", "∫", ""]
    for _ in range(2):
        found = clusters(known.pool, prompts(texts), [SOURCES[0]])
        assert names(found) == ids(texts)
        known.add(texts)


def test_a_damaged_file_stops_unless_it_is_dropped(known: Known, tmp_path: Path) -> None:
    known.add(ORIGINALS)
    known.add(NEAR)
    (known.pool.folder(TABLE) / "000001.parquet").write_bytes(b"PAR1")
    with pytest.raises(StoreError, match=r"000001\.parquet"):
        known.find(TEXTS)
    found = clusters(known.pool, prompts(TEXTS), SOURCES, drop_damaged=True)
    assert found.fresh.height == 12
    assert set(names(found)) == set(ids(ORIGINALS)), "they join what the others are still in"
    assert found.is_still_true
    shutil.rmtree(tmp_path / "pool" / TABLE)
    assert not found.is_still_true


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
