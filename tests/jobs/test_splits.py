"""Splits of prompts: what is alike is in one, for ever, whatever comes later."""

import json
import random
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.made_texts import Texts
from filters.choose import PUBLISHED
from filters.near_duplicates import SIMILAR, jaccard, shingles
from filters.splits import NEAR_OTHER_SPLIT
from infra.version import open_version
from jobs.fates import samples_with_fates
from jobs.plan import plan, plan_text
from jobs.prompt_copy import keep_prompts, load_prompts
from jobs.prompts import PromptList
from jobs.recipe import Job
from jobs.run import run
from jobs.splits import shares, warnings
from schemas.recipe import Recipe
from tests.conftest import MakeJob
from tests.pools import drawn, remember, write_pool

MADE = Texts(23)


def chain(links: int) -> list[str]:
    """Texts each of which is alike with the next one, and with no other."""
    found = [MADE.text(120)]
    for _ in range(links):
        found.append([*found[-1][8:], *MADE.text(8)])
    return [" ".join(words) for words in found]


TEXTS = [text for _ in range(4) for text in chain(5)]
SETS = dict(zip(TEXTS, [shingles(pl.Series([text])) for text in TEXTS], strict=True))


def alike(one: str, other: str) -> bool:
    return bool(jaccard(SETS[one], SETS[other])[0] >= SIMILAR)


def test_the_texts_are_what_the_tests_need() -> None:
    for start in range(0, len(TEXTS), 6):
        for one, other in combinations(range(start, start + 6), 2):
            assert alike(TEXTS[one], TEXTS[other]) == (other == one + 1)


class Split:
    """A recipe with splits, over lists of texts."""

    def __init__(self, folder: Path, **fields: Any) -> None:
        self.folder = folder
        self._fields = fields

    def job(self, texts: Sequence[str], name: str = "x", files: int = 1) -> Job:
        """The recipe over these, in so many files."""
        source = self.folder / f"{name}_prompts"
        source.mkdir(parents=True, exist_ok=True)
        for number in range(files):
            lines = [json.dumps({"prompt": text}) for text in texts[number::files]]
            (source / f"{number}.jsonl").write_text("\n".join(lines))
        given = {
            "name": name,
            "pool": "pool",
            "store": str(self.folder / "store"),
            "prompts": [{"path": str(source)}],
            "teacher": {"model": "m", "engine": "simulated"},
            "splits": {"validation": 0.3, "test": 0.3},
        }
        return Job.of(Recipe.model_validate({**given, **self._fields}))


def text_of(prompts: pl.DataFrame) -> dict[str, str]:
    contents = prompts["messages"].list.first().struct.field("content")
    return dict(zip(prompts["prompt_id"], contents, strict=True))


def split_of(prompts: PromptList) -> dict[str, str]:
    splits = prompts.splits.select("prompt_id", pl.col("split").cast(pl.String))
    return dict(splits.iter_rows())


rounds = st.lists(
    st.lists(st.sampled_from(TEXTS), min_size=1, max_size=8, unique=True), min_size=1, max_size=5
)


@settings(max_examples=20)
@given(rounds, st.randoms(use_true_random=False))
def test_no_text_is_in_two_splits_and_nobody_is_ever_moved_or_thrown_out(
    tmp_path_factory: pytest.TempPathFactory, rounds: list[list[str]], chance: random.Random
) -> None:
    """Whatever comes in which round, also between texts of two splits."""
    split = Split(tmp_path_factory.mktemp("splits"))
    told: dict[str, str] = {}
    kept: set[str] = set()
    texts: list[str] = []
    for fresh in rounds:
        texts = [*dict.fromkeys([*texts, *fresh])]
        chance.shuffle(texts)
        job = split.job(texts)
        prompts = load_prompts(job)
        found, now = split_of(prompts), text_of(prompts.frame)

        assert len(found) == len(texts)
        assert found | told == found, "nobody is moved"
        assert kept <= now.keys(), "nobody is thrown out"
        for one, other in combinations(now, 2):
            assert found[one] == found[other] or not alike(now[one], now[other])
        assert set(prompts.left_out["reason"]) <= {NEAR_OTHER_SPLIT}
        for gone, text in text_of(prompts.left_out).items():
            assert any(found[gone] != found[own] and alike(text, now[own]) for own in now)

        chance.shuffle(texts)
        other_order = load_prompts(split.job(texts, name="y", files=2))
        assert other_order.splits.equals(prompts.splits)
        assert other_order.frame.equals(prompts.frame)
        assert other_order.left_out.equals(prompts.left_out)
        told, kept = found, {*now}
        remember(job, prompts)


def bridged(folder: Path) -> tuple[Split, list[str]]:
    """A pool that knows prompts of two splits, and one between each two of them."""
    split = Split(folder, splits={"validation": 0.5})
    ends = [text for start in range(0, len(TEXTS), 6) for text in TEXTS[start : start + 6 : 2]]
    job = split.job(ends)
    remember(job, load_prompts(job))
    return split, TEXTS


def test_who_comes_between_two_splits_is_left_out(tmp_path: Path) -> None:
    split, texts = bridged(tmp_path)
    job = split.job(texts)
    prompts = load_prompts(job)
    assert prompts.left_out_counts == {NEAR_OTHER_SPLIT: prompts.left_out.height}
    assert 0 < prompts.left_out.height < 8, "of eight some lie between prompts of one split"
    assert prompts.splits.height == len(texts)
    sizes = shares(prompts, job.recipe).values()
    assert sum(own["prompts"] for own in sizes) == prompts.frame.height, "and is not counted"
    told = plan_text(plan(job, prompts))
    assert f"left out  {prompts.left_out.height} near_other_split" in told


def test_what_another_rule_leaves_out_is_nobodys_twin(tmp_path: Path) -> None:
    split, texts = bridged(tmp_path)
    gone = text_of(load_prompts(split.job(texts)).left_out).values()
    evaluation = tmp_path / "exam.jsonl"
    ends = [text for text in texts if any(text != own and alike(text, own) for own in gone)]
    evaluation.write_text("\n".join(json.dumps({"question": text}) for text in ends))
    strict = Split(
        tmp_path,
        splits={"validation": 0.5},
        decontaminate=[str(evaluation)],
        keep={"own": "prompt.leak_share < 0.99"},
    )
    prompts = load_prompts(strict.job(texts))
    assert prompts.left_out_counts == {"not_own": len(ends)}
    assert {*gone} <= set(text_of(prompts.frame).values())


def test_the_copy_keeps_splits(tmp_path: Path) -> None:
    split, texts = bridged(tmp_path)
    job = split.job(texts)
    found = load_prompts(job)
    keep_prompts(job, found)
    copy = load_prompts(job)
    assert copy.origin is None, "it is the copy"
    assert copy.splits.equals(found.splits)
    assert copy.splits.schema == found.splits.schema
    assert copy.left_out.equals(found.left_out)
    assert copy.frame.equals(found.frame)
    assert copy.digest == found.digest
    for shares_ in ({"validation": 0.4}, {"test": 0.5}, {}):
        other = load_prompts(Split(tmp_path, splits=shares_).job(texts))
        assert other.origin is not None, "the copy is of other splits"
        assert other.digest != found.digest
    two = Split(tmp_path, splits={"a": 0.2, "b": 0.2}).job(texts)
    keep_prompts(two, load_prompts(two))
    turned = load_prompts(Split(tmp_path, splits={"b": 0.2, "a": 0.2}).job(texts))
    assert turned.origin is not None, "the order of names counts"


def test_parts_and_the_whole_of_a_list_have_their_splits(tmp_path: Path) -> None:
    split, texts = bridged(tmp_path)
    prompts = load_prompts(split.job(texts))
    first = prompts.first(5)
    ids = {*first.frame["prompt_id"], *first.left_out["prompt_id"]}
    assert {*first.splits["prompt_id"]} == ids
    assert split_of(first).items() <= split_of(prompts).items()
    every = prompts.with_left_out
    assert every.splits.equals(prompts.splits)
    assert {*every.splits["prompt_id"]} == {*every.frame["prompt_id"]}


def test_without_splits_nothing_is_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.clusters.shingles", lambda texts: pytest.fail("hashed"))
    job = Split(tmp_path, splits={}).job(TEXTS)
    prompts = load_prompts(job)
    assert prompts.splits.width == 0
    assert prompts.clusters is None
    assert shares(prompts, job.recipe) == {}
    assert plan(job, prompts)["splits"] == {}
    assert "\nsplits" not in plan_text(plan(job, prompts))


def test_a_rule_may_ask_for_near_duplicates_too(tmp_path: Path) -> None:
    split, texts = bridged(tmp_path)
    without = load_prompts(split.job(texts))
    both = Split(tmp_path, splits={"validation": 0.5}, keep={"new": "not prompt.near_duplicate"})
    prompts = load_prompts(both.job(texts))
    assert prompts.splits.equals(without.splits)
    assert prompts.left_out_counts == {"not_new": 20}, "of each chain one is left"


def test_sizes_of_splits_are_told(tmp_path: Path) -> None:
    numbers = [f"{' '.join(MADE.text(30))} {number}" for number in range(400)]
    job = Split(tmp_path, splits={"validation": 0.1, "test": 0.05}).job(numbers)
    prompts = load_prompts(job)
    found = shares(prompts, job.recipe)
    assert [*found] == ["validation", "test", "train"]
    counts = dict(prompts.splits["split"].cast(pl.String).value_counts().iter_rows())
    for name, wanted in (("validation", 0.1), ("test", 0.05), ("train", 0.85)):
        own = found[name]
        assert own["wanted_share"] == wanted
        assert own["prompts"] == own["clusters"] == counts[name]
        assert own["share"] == counts[name] / 400 == pytest.approx(wanted, rel=0.5)
        assert own["largest_cluster"] == 1
    assert warnings(found) == []
    assert json.loads(json.dumps(found)) == found
    line = f"splits    validation {counts['validation']} ("
    assert line in plan_text(plan(job, prompts))


def test_a_cluster_that_swallows_the_list_is_told(tmp_path: Path) -> None:
    told = " ".join(MADE.text(200))
    copies = [f"{told} {' '.join(MADE.text(2))}" for _ in range(60)]
    job = Split(tmp_path, splits={"validation": 0.1}).job([*copies, "one more"])
    prompts = load_prompts(job)
    found = shares(prompts, job.recipe)
    assert max(own["largest_cluster"] for own in found.values()) == 60
    message = (
        "split validation has 0 of 61 prompts (0.00%, wanted 10.00%); "
        "the largest cluster of alike ones has 60"
    )
    assert warnings(found) == [message]
    assert f"          {message}" in plan_text(plan(job, prompts))


def test_samples_of_who_is_left_out_say_why(make_job: MakeJob, tmp_path: Path) -> None:
    """They were drawn before there were splits."""
    split, texts = bridged(tmp_path)
    source = split.job(texts).recipe.prompts[0].path
    fields: dict[str, Any] = {
        "prompts": [{"path": source, "domain": "math"}],
        "keep": {"finished": "format.complete"},
        "pool": "pool",
    }
    before = make_job(**fields)
    write_pool(before, [drawn(before, 2)])
    job = make_job(**fields, splits={"validation": 0.5})
    prompts = load_prompts(job)
    gone = {*prompts.left_out["prompt_id"]}
    assert gone
    samples = samples_with_fates(job, prompts)
    fates = samples.filter(pl.col("prompt_id").is_in(gone))["fate"]
    assert fates.to_list() == [NEAR_OTHER_SPLIT] * 2 * len(gone)
    assert PUBLISHED in samples["fate"]


@pytest.mark.usefixtures("ray_here")
def test_versions_of_a_list_that_grows(make_job: MakeJob, tmp_path: Path) -> None:
    """Three rounds of the real flow, the later ones with prompts between those of the first."""
    ends = [text for start in range(0, len(TEXTS), 6) for text in TEXTS[start : start + 6 : 2]]
    path = tmp_path / "p.jsonl"
    seen: dict[str, str] = {}
    texts: list[str] = []
    for number, fresh in enumerate((ends, TEXTS[1::2], [" ".join(MADE.text(120))]), 1):
        texts += fresh
        path.write_text("\n".join(json.dumps({"prompt": text}) for text in texts))
        job = make_job(
            prompts=[{"path": str(path)}],
            splits={"validation": 0.5},
            keep={"finished": "format.complete"},
            scorers={"*": ["format"]},
        )
        prompts = load_prompts(job)
        run(job, prompts, pilot=False, allow_simulated=True)
        assert load_prompts(job).origin is None, "from the copy"
        assert job.pool.scan("clusters").collect().height == len(texts)
        version = open_version(f"sums@v{number:04d}", job.store.url)
        rows = [
            version.scan("sft", split).select("prompt_id", split=pl.lit(split)).collect()
            for split in ("train", "validation")
        ]
        now = dict(pl.concat(rows).unique().iter_rows())
        assert len(now) == pl.concat(rows)["prompt_id"].n_unique()
        assert now | seen == now, "nobody moves, or goes"
        assert not {*now} & {*prompts.left_out["prompt_id"]}
        said = text_of(prompts.frame)
        for one, other in combinations(now, 2):
            assert now[one] == now[other] or not (
                said[one] in SETS and said[other] in SETS and alike(said[one], said[other])
            )
        seen = now
    assert prompts.left_out.height > 0
