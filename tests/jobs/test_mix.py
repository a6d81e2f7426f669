"""What is trimmed, diverse and mixed, on real samples: nothing is drawn or scored for it."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from filters.choose import PUBLISHED, TRIMMED_LONG, TRIMMED_SHORT
from filters.mix import BEYOND_MIX, IN_NO_STRATUM, cut_to_mix
from jobs.fates import fates_at, samples_with_fates
from jobs.generate import generate
from jobs.prompts import read_prompts
from jobs.recipe import Job
from schemas.errors import RecipeError
from tests.conftest import MakeJob

SOURCES = ("sums", "more sums", "others")


@pytest.fixture
def three_sources(tmp_path: Path) -> list[dict[str, Any]]:
    """Eight prompts of each."""
    sources = []
    for number, name in enumerate(SOURCES):
        path = tmp_path / f"{number}.jsonl"
        rows = [
            (f"What is {100 * number + 10 + i} + {i}?", 100 * number + 10 + 2 * i) for i in range(8)
        ]
        path.write_text(
            "".join(json.dumps({"prompt": q, "reference": str(a)}) + "\n" for q, a in rows)
        )
        fields = {"prompt": "prompt", "reference": "reference"}
        sources.append({"path": str(path), "fields": fields, "domain": "math", "source": name})
    return sources


def fates(job: Job) -> pl.DataFrame:
    return samples_with_fates(job, read_prompts(job.recipe))


@pytest.mark.usefixtures("ray_here")
def test_chosen_and_mixed(make_job: MakeJob, three_sources: list[dict[str, Any]]) -> None:
    recipe = {
        "prompts": three_sources,
        "samples": {"probe": 6, "max": 6, "enough": 6},
        "scorers": {"math": ["math"], "*": ["format", "signature"]},
        "keep": {"finished": "format.complete"},
    }
    every = make_job(**recipe, choose={"per_prompt": 6})
    prompts = read_prompts(every.recipe)
    generate(every, prompts)
    before = fates(every)
    candidates = before.filter(pl.col("fate") == PUBLISHED)

    choose = {"per_prompt": 3, "trim": {"shortest": 0.1, "longest": 0.1}, "diverse": True}
    choose["order_by"] = ["reasoning_tokens"]
    job = make_job(**recipe, choose=choose)
    chosen = fates(job)
    for (prompt,), own in candidates.group_by("prompt_id"):
        mine = chosen.filter(pl.col("prompt_id") == prompt).sort("rank", nulls_last=True)
        trimmed = mine["fate"].to_list().count(TRIMMED_SHORT)
        assert mine["fate"].to_list().count(TRIMMED_LONG) == trimmed
        assert trimmed == int(own.height > 2)
        assert mine["rank"].drop_nulls().to_list() == [
            *range(1, 1 + min(3, own.height - 2 * trimmed))
        ]
        left = mine.filter(pl.col("fate").is_in([PUBLISHED, "beyond_per_prompt"]))
        assert mine["id"][0] == left.sort("reasoning_tokens", "id")["id"][0]

    strata = {
        "sums": {"where": "source = 'sums'", "share": 0.5},
        "more": {"where": "source = 'more sums' and group.judged > 0", "share": 0.5},
    }
    mixed = make_job(**recipe, choose=choose, mix={"total": 20, "strata": strata})
    found = fates(mixed)
    assert mixed.mixer is not None
    whole = fates_at(mixed, prompts, mixed.pool.versions())
    assert whole.equals(chosen)
    report = cut_to_mix(whole, mixed.mixer)[1].report
    rows = found.filter(pl.col("fate") == PUBLISHED)
    assert dict(rows["source"].value_counts().iter_rows()) == {"sums": 10, "more sums": 10}
    assert [told["taken"] for told in report["strata"].values()] == [10, 10]
    others = found.filter(pl.col("source") == "others")["fate"]
    assert IN_NO_STRATUM in others
    assert PUBLISHED not in others
    lost = found["fate"].is_in([BEYOND_MIX, IN_NO_STRATUM]).sum()
    assert rows.height + lost == (chosen["fate"] == PUBLISHED).sum()


def test_a_mix_that_does_not_fit(make_job: MakeJob) -> None:
    with pytest.raises(RecipeError, match=r"^mix\.strata\.right\.where: 'correct' uses correct"):
        make_job(mix={"strata": {"right": {"where": "correct"}}})
    with pytest.raises(ValueError, match="mix: says what the output sft consists of"):
        make_job(outputs=["rl"], mix={"strata": {"all": {}}})
