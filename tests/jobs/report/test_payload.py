"""The samples in a page: the same when they are read back, within the budget, whatever they say."""

import json
import re
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.distinct import SIGNATURE
from jobs.report import payload as packing
from jobs.report.payload import Payload, payload, shortened, unpacked
from tests.jobs.report.made_up import frame, report

TEXTS = ("reasoning", "answer", "failure", "final_answer")


def whole(text: Any) -> Any:
    """A text whose middle is left out, as it would be if it were there."""
    return text if not isinstance(text, list) else text[0] + "…" * text[1] + text[2]


def prompts_of(packed: Payload) -> list[dict[str, Any]]:
    return [prompt for block in packed.blocks for prompt in unpacked(block)]


def row(**fields: Any) -> dict[str, Any]:
    given = {"prompt_id": "p1_a", "sample_index": 0, "fate": "published", "kept": True}
    return {**given, "published": True, "prompt": "p", **fields}


def test_samples_are_read_back() -> None:
    samples = report(prompts=30).samples
    packed = payload(samples)
    assert packed.limit is None
    index = unpacked(packed.index)
    read = prompts_of(packed)
    assert index["prompts"]["id"] == samples["prompt_id"].unique(maintain_order=True).to_list()
    assert index["blocks"] == [len(unpacked(block)) for block in packed.blocks]
    assert [index["fates"][n] for n in index["samples"]["fate"]] == samples["fate"].to_list()
    assert [bool(n) for n in index["samples"]["kept"]] == samples["kept"].to_list()
    flat = [sample for prompt in read for sample in prompt["samples"]]
    for column in ("reasoning", "answer", "final_answer", "answer_tokens", "finish_reason"):
        assert [sample.get(column) for sample in flat] == samples[column].to_list()
    scores = [sample["scores"].get("judge.value") for sample in flat]
    assert scores == samples["judge.value"].to_list()
    assert [prompt["prompt"] for prompt in read] == samples["prompt"].unique(
        maintain_order=True
    ).to_list()


def test_the_same_samples_are_the_same_letters() -> None:
    samples = report(prompts=5).samples
    assert payload(samples) == payload(samples.clone())


def test_nothing_is_in_it_where_there_is_nothing() -> None:
    for samples in (pl.DataFrame(), frame([])):
        packed = payload(samples)
        assert packed.blocks == ()
        assert packed.limit is None
        assert unpacked(packed.index)["prompts"]["id"] == []


@given(st.text(max_size=400), st.integers(1, 100))
def test_a_shortened_text_has_its_ends_and_says_how_much_is_missing(text: str, limit: int) -> None:
    short = shortened(text, limit)
    if len(text) <= limit:
        assert short == text
        return
    assert isinstance(short, list)
    head, missing, tail = short
    assert isinstance(head, str)
    assert isinstance(tail, str)
    assert isinstance(missing, int)
    assert text.startswith(head)
    assert text.endswith(tail)
    assert len(head) + len(tail) == limit
    assert missing == len(text) - limit


def test_texts_are_shortened_until_the_page_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = report(prompts=40, words=900).samples
    sizes = []
    for budget in (60_000, 120_000, 240_000):
        monkeypatch.setattr(packing, "BUDGET", budget)
        packed = payload(samples)
        assert packed.limit is not None
        size = sum(map(len, packed.blocks))
        assert 0.8 * budget < size <= budget
        sizes.append(packed.limit)
        for prompt in prompts_of(packed):
            for sample in prompt["samples"]:
                text = sample.get("reasoning")
                parts = [text] if isinstance(text, str) else [text[0], text[2]] if text else []
                assert sum(map(len, parts)) <= packed.limit
    assert sizes == sorted(set(sizes))


def test_more_samples_have_more_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "BUDGET", 40_000)
    monkeypatch.setattr(packing, "FULL", 120)
    few = payload(report(prompts=20, words=900).samples)
    many = payload(report(prompts=80, words=900).samples)
    assert sum(map(len, few.blocks)) <= 40_000 < sum(map(len, many.blocks)) <= 160_000


def test_a_budget_that_cannot_be_kept_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "BUDGET", 10)
    packed = payload(report(prompts=4, words=900).samples)
    assert packed.limit == packing.SHORTEST


def test_scores_are_what_json_and_a_reader_can_take() -> None:
    samples = frame([row(**{"judge.value": float("inf"), "math.verdict": "x" * 5_000})])
    samples = samples.with_columns(
        pl.lit("A" * 172).alias(SIGNATURE),
        pl.lit(float("nan")).alias("a.nan"),
        pl.lit(7).alias("other"),
    )
    scores = prompts_of(payload(samples))[0]["samples"][0]["scores"]
    assert scores["judge.value"] == "inf"
    assert scores["a.nan"] == "nan"
    assert len(scores["math.verdict"]) < 400
    assert SIGNATURE not in scores
    assert "other" not in scores


@settings(max_examples=60)
@given(st.lists(st.text(max_size=60), min_size=1, max_size=6))
def test_any_text_is_read_back_and_none_can_be_markup(texts: list[str]) -> None:
    rows = [
        row(prompt_id=f"p{i}", sample_index=i, fate=text, source=text, **dict.fromkeys(TEXTS, text))
        for i, text in enumerate(texts)
    ]
    packed = payload(frame(rows))
    for letters in (packed.index, *packed.blocks):
        assert re.fullmatch(r"[A-Za-z0-9+/=]+", letters)
    for text, prompt in zip(texts, prompts_of(packed), strict=True):
        assert {whole(prompt["samples"][0][name]) for name in TEXTS} == {text}
    assert json.dumps(unpacked(packed.index))
