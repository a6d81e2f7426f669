"""What a report shows, as it is gathered from a pool."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from filters.target import BEYOND_TARGET
from infra.meter import Spent
from jobs.build import build
from jobs.fates import samples_with_fates
from jobs.prompt_copy import load_prompts
from jobs.publish import manifest_of
from jobs.recipe import Job
from jobs.report.gather import gather
from jobs.report.report import Report
from tests.conftest import MakeJob
from tests.pools import ASKED, EACH, drawn, pooled, write_pool

OF_PROMPT = {"prompt", "reference", "pass_rate", "domain", "source"}


def gathered(job: Job) -> Report:
    built = build(job, load_prompts(job))
    return gather(job, built, manifest_of(job, built, "v0001"), None)


def test_samples_are_what_the_pool_has(make_job: MakeJob, sums: Path) -> None:
    job = pooled(make_job, sums)
    report = gathered(job)
    fates = samples_with_fates(job, load_prompts(job))
    texts = job.pool.scan("samples").select("text_digest", "reasoning", "answer").collect()
    wanted = fates.join(texts, on="text_digest").sort("prompt_id", "sample_index")
    shown = report.samples
    assert shown.height == ASKED * EACH == sum(report.manifest.funnel.values())
    for column in ("fate", "reasoning", "answer", "final_answer", "format.complete"):
        assert shown[column].equals(wanted[column]), column
    assert shown["published"].sum() == report.manifest.rows["sft"]
    assert shown["kept"].sum() == wanted.filter(pl.col("reason").is_null()).height
    assert shown["failure"].null_count() == shown.height
    prompts = load_prompts(job).frame.sort("prompt_id")
    asked = shown.unique("prompt_id").sort("prompt_id")
    assert asked["prompt"].to_list() == [one[0]["content"] for one in prompts["messages"]]
    assert asked["reference"].equals(prompts["reference"])
    assert {*shown.columns} >= OF_PROMPT | {"finish_reason", "failure", "answer_tokens"}


def test_counts_are_of_all_samples_however_few_are_shown(make_job: MakeJob, sums: Path) -> None:
    whole = gathered(pooled(make_job, sums))
    few = gathered(pooled(make_job, sums, report={"samples": 20}))
    assert 0 < few.samples.height <= 20
    assert {*few.samples["fate"]} == {*whole.samples["fate"]} == {*whole.manifest.funnel}
    assert few.scores.equals(whole.scores)
    assert few.tokens == whole.tokens
    assert few.teachers.equals(whole.teachers)
    tokens = whole.samples.select(
        "fate", tokens=pl.col("reasoning_tokens") + pl.col("answer_tokens")
    )
    assert whole.tokens == dict(tokens.group_by("fate").agg(pl.col("tokens").sum()).iter_rows())
    of_one = whole.scores.filter(column="format.complete")
    assert of_one["samples"].sum() == whole.samples["format.complete"].count()


def test_none_may_be_shown(make_job: MakeJob, sums: Path) -> None:
    assert gathered(pooled(make_job, sums, report={"samples": 0})).samples.is_empty()


@pytest.mark.parametrize(
    "fields",
    [
        {"target": {"published": 25}},
        {"mix": {"strata": {"small": {"where": "group.pass_rate <= 1", "most": 25}}}},
    ],
    ids=["target", "mix"],
)
def test_what_is_beyond_is_not_published(
    make_job: MakeJob, sums: Path, fields: dict[str, Any]
) -> None:
    report = gathered(pooled(make_job, sums, outputs=["sft"], **fields))
    shown = dict(report.samples["fate"].value_counts().iter_rows())
    assert shown == report.manifest.funnel
    beyond = {BEYOND_TARGET, "beyond_mix"} & {*shown}
    assert beyond
    own = report.samples.with_columns(
        tokens=(pl.col("reasoning_tokens") + pl.col("answer_tokens")).cast(pl.Int64)
    )
    assert sum(report.tokens.values()) == own["tokens"].sum()
    assert {*report.tokens} == {*shown}


def test_teachers_of_the_pool_are_compared(make_job: MakeJob, sums: Path) -> None:
    job = pooled(make_job, sums)
    alone = gathered(job).teachers.row(0, named=True)
    other = [
        (prompt, replace(sample, teacher_id="t1_other"))
        for prompt, sample in drawn(job, 2)
        if prompt.prompt_id < "p1_8"
    ]
    write_pool(job, [other], first=2)
    first, second = gathered(job).teachers.iter_rows(named=True)
    assert first == alone
    assert first["teacher_id"] == job.teacher_id
    assert (first["prompts"], first["samples"]) == (ASKED, ASKED * EACH)
    assert second["teacher_id"] == second["teacher"] == "t1_other"
    assert second["samples"] == len(other)
    assert second["prompts"] == len(other) // 2
    assert 0 < second["kept"] < len(other)


def test_a_teacher_has_the_name_of_its_model(make_job: MakeJob, sums: Path) -> None:
    job = pooled(make_job, sums)
    own = [(prompt, replace(one, teacher_id="t1_other")) for prompt, one in drawn(job, 1)]
    write_pool(job, [own], first=2)
    root = f"pools/{job.recipe.pool}/attempts/a000007"
    meter = {**asdict(Spent(tokens=5)), "recipe": "then", "teacher": "t1_other"}
    job.store.put_if_absent(f"{root}/meter.json", json.dumps(meter).encode())
    recipe = {"teacher": {"model": "deepseek-ai/R1", "revision": "916b56a4"}}
    job.store.put_if_absent(f"{root}/recipe.json", json.dumps(recipe).encode())
    job.store.put_if_absent(f"{root}/events/000001.jsonl", b'{"torn')
    assert gathered(job).teachers["teacher"].to_list()[1:] == ["deepseek-ai/R1@916b56a4"]
