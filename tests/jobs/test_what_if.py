"""What is told of a changed threshold is what comes of it."""

import random
import shlex
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.choose import PUBLISHED
from jobs.fates import samples_with_fates
from jobs.prompts import PromptList, read_prompts
from jobs.recipe import Job, load_job
from jobs.survey import narrow_samples
from jobs.what_if import Trials, changes, others
from schemas.recipe import Recipe
from tests.pools import drawn, write_pool, write_sums

PROMPTS, EACH = 6, 7


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A recipe whose pool has samples of all lengths, some wrong, truncated or failed."""
    folder = tmp_path_factory.mktemp("pool")
    write_sums(folder / "sums.jsonl", PROMPTS)
    fields = {"prompt": "question", "reference": "answer"}
    source = {"path": str(folder / "sums.jsonl"), "fields": fields, "domain": "math"}
    given: dict[str, Any] = {
        "name": "sums",
        "store": str(folder / "store"),
        "prompts": [source],
        "teacher": {"model": "sim", "engine": "simulated"},
        "sampling": {"max_tokens": 512},
        "scorers": {"*": ["exact_match", "format", "signature"]},
    }
    job = Job.of(Recipe.model_validate(given))
    chance = random.Random(2)
    rows = []
    for prompt, sample in drawn(job, EACH):
        if chance.random() < 0.1:
            cut = {"text": None, "reasoning": None, "answer": None, "text_digest": None}
            failed = {"outcome": "failed", "failure": "rejected", "failure_reason": "too_long"}
            sample = type(sample)(**{**_fields(sample), **cut, **failed, "finish_reason": None})
        rows.append((prompt, sample))
    write_pool(job, [rows])
    return given


def _fields(sample: Any) -> dict[str, Any]:
    return {name: getattr(sample, name) for name in type(sample).__slots__}


@st.composite
def recipes(draw: st.DrawFn) -> dict[str, Any]:
    probe = draw(st.integers(1, 4))
    keep = {"finished": "format.complete"}
    if draw(st.booleans()):
        keep["correct"] = "correct"
    sign = draw(st.sampled_from(["<", "<=", ">", ">=", "!="]))
    keep["long"] = f"reasoning_tokens {sign} {draw(st.integers(20, 200))}"
    if draw(st.booleans()):
        keep["both"] = f"not (reasoning_tokens * 0.37 between {draw(st.integers(0, 40))} and 50)"
    choose: dict[str, Any] = {
        "per_prompt": draw(st.integers(1, 3)),
        "order_by": draw(st.sampled_from([[], ["reasoning_tokens"], ["-reasoning_tokens"]])),
    }
    if draw(st.booleans()):
        choose["where"] = draw(
            st.sampled_from(["group.pass_rate < 0.6", "group.length_rank > 0.4 and sample_index<5"])
        )
    if draw(st.booleans()):
        choose["trim"] = {"shortest": 0.3, "longest": draw(st.sampled_from([0.0, 0.3]))}
    if draw(st.booleans()):
        choose["distinct"] = draw(st.sampled_from([0.01, 0.02, 0.05]))
    return {
        "samples": {"probe": probe, "max": 8, "enough": draw(st.integers(1, 4))},
        "keep": keep,
        "choose": choose,
    }


def looked_at(job: Job, prompts: PromptList, prompt_id: str) -> Trials:
    one = prompts.among(pl.Series([prompt_id]))
    return Trials(job, one, narrow_samples(job, one, job.pool.versions()))


def fates(job: Job, prompts: PromptList) -> dict[tuple[str, int], str]:
    rows = samples_with_fates(job, prompts).select("prompt_id", "sample_index", "fate").iter_rows()
    return {(prompt, index): fate for prompt, index, fate in rows}


@settings(max_examples=10)
@given(recipe=recipes(), other=st.integers(0, 220), chance=st.randoms())
def test_what_is_told_is_true_and_nothing_nearer_does_it(
    pool: dict[str, Any], recipe: dict[str, Any], other: int, chance: random.Random
) -> None:
    given = {**pool, **recipe}
    path = Path(pool["store"]).parent / "recipe.yaml"
    path.write_text(yaml.safe_dump(given, sort_keys=False))
    job = load_job(str(path))
    prompts = read_prompts(job.recipe)
    now = fates(job, prompts)
    prompt_id = chance.choice(prompts.frame["prompt_id"].to_list())
    trials = looked_at(job, prompts, prompt_id)
    found, _ = changes(trials)
    assert trials.complete
    own = {index: fate for (prompt, index), fate in now.items() if prompt == prompt_id}
    assert own == trials.now.fates
    told = [(index, change) for index, some in found.items() for change in some]
    for index, change in chance.sample(told, min(6, len(told))):
        assert own[index] != PUBLISHED
        flag, override = shlex.split(change.setting)
        assert flag == "--set"
        then = fates(load_job(str(path), [override]), prompts)
        assert then[prompt_id, index] == PUBLISHED
        moved = {
            other: (fate, then[prompt_id, other])
            for other, fate in own.items()
            if other != index and then[prompt_id, other] != fate
        }
        assert moved == others(trials.now, change, index)

    word, sign, number = recipe["keep"]["long"].split()
    then = fates(load_job(str(path), [f"keep.long={word} {sign} {other}"]), prompts)
    for index, fate in own.items():
        if fate != PUBLISHED and then[prompt_id, index] == PUBLISHED:
            (change,) = [one for one in found[index] if one.field == "keep.long"]
            assert abs(float(change.after) - float(number)) <= abs(other - float(number))


def test_a_change_that_the_schema_forbids_is_not_tried(pool: dict[str, Any]) -> None:
    job = Job.of(Recipe.model_validate({**pool, "choose": {"distinct": 0.5}}))
    prompts = read_prompts(job.recipe)
    trials = looked_at(job, prompts, prompts.frame["prompt_id"][0])
    assert trials.outcome(("choose", "distinct"), 1.5) is None
    assert trials.outcome(("choose", "per_prompt"), 0) is None
    assert trials.outcome(("keep", "finished"), "format.complete > ") is None
    assert trials.outcome(("choose", "distinct"), 1.0) is not None
