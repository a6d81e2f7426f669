"""Mixes: quotas are met exactly or it is told, and the order of anything changes nothing."""

from collections.abc import Sequence
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.choose import PUBLISHED
from filters.groups import GROUP_COLUMNS
from filters.mix import (
    BEYOND_MIX,
    IN_NO_STRATUM,
    Mixed,
    Mixer,
    cut_to_mix,
    mixed,
    within,
)
from filters.rules import rule_columns
from schemas.choosing import Mix
from schemas.errors import RecipeError

Prompt = tuple[int | None, int, int]
"""Stratum, rows, tokens."""
NAMES = "abc"
PROMPTS = st.lists(
    st.tuples(st.sampled_from([None, 0, 1, 2]), st.integers(0, 3), st.integers(0, 50)), max_size=25
)
MEASURES = st.sampled_from(["rows", "tokens"])
SHARES = st.tuples(*[st.integers(1, 9)] * 3).map(lambda own: [one / sum(own) for one in own])
MOST = st.lists(st.none() | st.integers(1, 60), min_size=3, max_size=3)


def mixer(measure: str, shares: Any = None, most: Any = (None,) * 3, total: Any = None) -> Mixer:
    strata = {
        name: {"where": f"source = '{name}'", "most": most[n], "share": shares and shares[n]}
        for n, name in enumerate(NAMES)
    }
    mix = Mix.model_validate({"measure": measure, "strata": strata, "total": total})
    return Mixer.compile(mix, rule_columns({}))


def frame(prompts: Sequence[Prompt]) -> pl.DataFrame:
    rows = [(f"p{n:02}", *prompt) for n, prompt in enumerate(prompts)]
    types = [pl.String, pl.Int32, pl.Int64, pl.Int64]
    schema = dict(zip(("prompt_id", "stratum", "rows", "tokens"), types, strict=True))
    return pl.DataFrame(rows, schema, orient="row")


def taken(prompts: Sequence[Prompt], found: Mixed, measure: str) -> dict[str, int]:
    """By name, of prompts that are all taken or cut."""
    allowed = dict(found.allowed.select("prompt_id", "allowed").iter_rows())
    sums = dict.fromkeys(NAMES, 0)
    for n, (stratum, rows, tokens) in enumerate(prompts):
        if rows and (count := allowed[f"p{n:02}"]):
            assert stratum is not None
            sums[NAMES[stratum]] += count if measure == "rows" else tokens
            assert measure == "rows" or count == rows, "of tokens no prompt is cut"
    return sums


@given(PROMPTS, MEASURES, st.none() | SHARES, MOST, st.none() | st.integers(1, 80), st.randoms())
def test_quotas_are_met_or_it_is_told(
    prompts: list[Prompt], measure: str, shares: Any, most: Any, total: Any, random: Any
) -> None:
    total = total if shares else None
    own = mixer(measure, shares, most, total)
    found = mixed(own, frame(prompts))
    shuffled = frame(prompts).sample(fraction=1, shuffle=True, seed=random.randrange(99))
    again = mixed(own, shuffled)
    assert again.allowed.equals(found.allowed)
    assert again[1:] == found[1:]

    strata, sums = found.report["strata"], taken(prompts, found, measure)
    amounts = [
        (rows if measure == "rows" else tokens) if rows else 0 for _, rows, tokens in prompts
    ]
    for n, name in enumerate(NAMES):
        told, mine = strata[name], [i for i, (stratum, *_) in enumerate(prompts) if stratum == n]
        assert told["available"] == sum(amounts[i] for i in mine)
        assert told["taken"] == sums[name]
        can = told["available"] if most[n] is None else min(told["available"], most[n])
        there_is_any = told["available"] > 0 or shares is None
        assert told["met"] == (told["wanted"] <= can and there_is_any)
        quota, before = min(told["wanted"], can), 0
        allowed = dict(found.allowed.select("prompt_id", "allowed").iter_rows())
        for i in mine:  # in the order of prompt_id
            if prompts[i][1]:
                left = quota - before
                whole = prompts[i][1] if amounts[i] <= left else 0
                expected = min(prompts[i][1], max(0, left)) if measure == "rows" else whole
                assert allowed[f"p{i:02}"] == expected
                before += amounts[i]
        if measure == "rows":
            assert told["taken"] == quota
        if total is not None and measure == "rows":
            assert abs(told["wanted"] - shares[n] * total) <= 1 + 1e-9
    if total is not None and measure == "rows":
        assert sum(told["wanted"] for told in strata.values()) == total
    limit = found.report["limited_by"]
    assert (limit is not None) == (shares is not None and total is None)
    if limit is not None:
        n = NAMES.index(limit)
        can = strata[limit]["available"]
        assert strata[limit]["wanted"] == (can if most[n] is None else min(can, most[n]))
        assert all(told["met"] == (told["available"] > 0) for told in strata.values())

    gone = sum(rows for _, rows, _ in prompts) - sum(found.allowed["allowed"])
    in_none = sum(rows for stratum, rows, _ in prompts if stratum is None)
    assert sum(found.left_out.values()) == gone
    assert found.left_out.get(IN_NO_STRATUM, 0) == in_none


@given(PROMPTS, MEASURES, SHARES, st.integers(1, 60), st.integers(0, 30))
def test_a_larger_total_drops_no_row(
    prompts: list[Prompt], measure: str, shares: Any, total: int, more: int
) -> None:
    less, then = (
        mixed(mixer(measure, shares, total=count), frame(prompts)).allowed["allowed"]
        for count in (total, total + more)
    )
    assert (less <= then).all()


@given(PROMPTS, SHARES, st.lists(st.tuples(st.integers(0, 2), st.integers(1, 3)), max_size=8))
def test_a_pool_that_grows_at_its_end_drops_no_row(
    prompts: list[Prompt], shares: Any, new: list[tuple[int, int]]
) -> None:
    own = mixer("rows", shares)
    before = mixed(own, frame(prompts)).allowed
    grown = [*prompts, *[(stratum, rows, 9) for stratum, rows in new]]
    after = before.join(mixed(own, frame(grown)).allowed, on="prompt_id", suffix="_then")
    assert after.height == before.height
    assert (after["allowed"] <= after["allowed_then"]).all()


SAMPLES = st.lists(
    st.tuples(st.sampled_from("abcd"), st.lists(st.sampled_from([True, False]), max_size=4)),
    max_size=12,
)


@given(SAMPLES, st.integers(1, 9), st.integers(0, 99))
def test_fates_of_samples(prompts: list[tuple[str, list[bool]]], most: int, seed: int) -> None:
    rows = [
        {
            "prompt_id": f"p{n:02}",
            "sample_index": index,
            "source": source,
            "fate": PUBLISHED if published else "wrong",
            "rank": 1 + sum(own[:index]) if published else None,
            "reasoning_tokens": index,
            "answer_tokens": None,
        }
        for n, (source, own) in enumerate(prompts)
        for index, published in enumerate(own)
    ]
    schema = {
        **dict.fromkeys(("prompt_id", "source", "fate"), pl.String),
        **dict.fromkeys(("sample_index", "rank", "reasoning_tokens", "answer_tokens"), pl.Int32),
    }
    samples = pl.DataFrame(rows, schema).sample(fraction=1, shuffle=True, seed=seed)
    own = mixer("rows", most=(most, None, 2))
    cut, found = cut_to_mix(samples, own)
    same = cut.drop("fate", "rank")
    assert same.equals(samples.drop("fate", "rank")), "nothing else changes, nor the order"
    assert cut["rank"].is_not_null().equals(cut["fate"] == PUBLISHED)
    counts = dict(cut["fate"].value_counts().iter_rows())
    assert {fate: counts.get(fate, 0) for fate in (BEYOND_MIX, IN_NO_STRATUM)} == {
        BEYOND_MIX: 0,
        IN_NO_STRATUM: 0,
    } | dict(found.left_out)
    stays = cut.filter(pl.col("fate") == PUBLISHED)
    assert set(cut.filter(pl.col("fate") == IN_NO_STRATUM)["source"]) <= {"d"}
    for name, bound in (("a", most), ("b", 99), ("c", 2), ("d", 0)):
        published = samples.filter((pl.col("source") == name) & (pl.col("fate") == PUBLISHED))
        first = published.sort("prompt_id", "rank").head(bound)
        mine = stays.filter(pl.col("source") == name).sort("prompt_id", "rank")
        assert mine.equals(first)
    assert within(samples.filter(pl.col("fate") == PUBLISHED), found.allowed).equals(stays)


def test_a_mix_is_told() -> None:
    prompts: list[Prompt] = [(0, 2, 40), (0, 2, 30), (1, 1, 10), (1, 2, 25), (None, 3, 5)]
    found = mixed(mixer("rows", (0.5, 0.3, 0.2), total=7), frame(prompts))
    assert found.report == {
        "measure": "rows",
        "limited_by": None,
        "strata": {
            "a": {"wanted": 4, "available": 4, "taken": 4, "met": True},
            "b": {"wanted": 2, "available": 3, "taken": 2, "met": True},
            "c": {"wanted": 1, "available": 0, "taken": 0, "met": False},
        },
    }
    assert found.allowed["allowed"].to_list() == [2, 2, 1, 1, 0]
    assert found.left_out == {BEYOND_MIX: 1, IN_NO_STRATUM: 3}


def test_shares_alone_take_what_all_can_fill() -> None:
    prompts: list[Prompt] = [*((n % 2, 2, 10) for n in range(12)), (2, 1, 7), (2, 1, 7)]
    found = mixed(mixer("rows", (0.4, 0.4, 0.2)), frame(prompts))
    assert found.report["limited_by"] == "c"
    assert [told["taken"] for told in found.report["strata"].values()] == [5, 5, 2]
    found = mixed(mixer("rows", (0.4, 0.4, 0.2), (3, None, None)), frame(prompts))
    assert found.report["limited_by"] == "a"
    assert [told["taken"] for told in found.report["strata"].values()] == [3, 3, 2]
    found = mixed(mixer("tokens", (0.4, 0.4, 0.2)), frame(prompts))
    assert [told["wanted"] for told in found.report["strata"].values()] == [28, 28, 14]
    assert [told["taken"] for told in found.report["strata"].values()] == [20, 20, 14]


def test_the_first_stratum_that_fits() -> None:
    strata: Any = {
        "hard": {"where": "group.pass_rate < 0.5"},
        "sums": {"where": "domain = 'math' and source = 'sums'"},
        "rest": {"where": "domain != 'code'"},
    }
    own = Mixer.compile(Mix(strata=strata), rule_columns({}))
    samples = pl.DataFrame(
        {
            "domain": ["math", "math", "math", "code"],
            "source": ["sums", "sums", None, "sums"],
            "group.pass_rate": [0.2, None, 0.9, 0.9],
        }
    )
    assert samples.select(own.stratum).to_series().to_list() == [0, 1, 2, None]
    everything = Mixer.compile(Mix.model_validate({"strata": {"all": {}}}), {})
    assert samples.with_columns(s=everything.stratum)["s"].to_list() == [0] * 4


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("correct", r"uses correct, in which the samples of a prompt may differ"),
        ("group.length_rank < 1 and domain = 'a'", "uses group.length_rank, in which"),
        ("group.agrees", r"uses group.agrees, in which .*Columns: domain, group.judged"),
        ("domian = 'math'", r"did you mean 'domain'"),
        ("group.votes", "must be true or false"),
        ("domain ==== 1", "is not an expression"),
    ],
)
def test_what_is_no_stratum(where: str, message: str) -> None:
    strata: Any = {"first": {"where": "true"}, "wrong": {"where": where}}
    with pytest.raises(RecipeError, match=rf"^mix\.strata\.wrong\.where: .*{message}"):
        Mixer.compile(Mix(strata=strata), rule_columns({}))


def test_strata_may_use_whatever_is_the_same_for_a_prompt() -> None:
    same = [name for name in GROUP_COLUMNS if name not in ("group.length_rank", "group.agrees")]
    where = " and ".join(f"{name} is null" for name in ("domain", "source", *same))
    strata: Any = {"all": {"where": where}}
    assert Mixer.compile(Mix(strata=strata), rule_columns({})).names == ("all",)
