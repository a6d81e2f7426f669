"""What a pilot says of a run: intervals that hold as often as they say."""

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from infra.messages import Beat, Seen
from infra.meter import Meter
from jobs.estimate import Measured, estimate, estimate_lines, measured
from jobs.prompts import read_prompts
from jobs.recipe import Job
from tests.conftest import MakeJob

PROMPTS, PILOT = 2000, 50
SIMULATED = {"model": "sim", "engine": "simulated"}


def pilot(random: np.random.Generator) -> tuple[Measured, float, float]:
    """One of a made-up dataset, and the tokens and rows of the rest."""
    rows = random.binomial(4, random.beta(0.4, 0.3, PROMPTS)).astype(float)
    tokens = random.lognormal(8, 0.8, PROMPTS) * (6 - rows)
    left = PROMPTS - PILOT
    return (
        Measured(tokens[:PILOT], rows[:PILOT], left, 0.0),
        float(tokens[PILOT:].sum()),
        float(rows.sum()),
    )


def numbers(job: Job, found: Measured, settled_rows: int = 0) -> dict[str, Any]:
    result = estimate(job, found, settled_rows=settled_rows)
    assert result is not None
    return result


def test_intervals_hold_as_often_as_they_say(make_job: MakeJob) -> None:
    job = make_job()
    job.store.create()
    random = np.random.default_rng(1)
    tokens_in = rows_in = 0
    for _ in range(200):
        found, tokens, rows = pilot(random)
        result = numbers(job, found, int(found.rows.sum()))
        tokens_in += result["tokens"]["low"] <= tokens <= result["tokens"]["high"]
        rows_in += result["published"]["low"] <= rows <= result["published"]["high"]
    assert 0.82 < tokens_in / 200 < 0.96
    assert 0.82 < rows_in / 200 < 0.96


def test_a_target_needs_only_a_part(make_job: MakeJob) -> None:
    found, tokens, rows = pilot(np.random.default_rng(1))
    half = make_job(target={"published": int(rows / 2)})
    result = numbers(half, found, int(found.rows.sum()))
    assert result["tokens"]["mean"] == pytest.approx(tokens / 2, rel=0.3)
    assert result["published"]["mean"] == pytest.approx(int(rows / 2))
    assert result["target_is_missed_with"] < 0.01
    too_much = numbers(make_job(target={"published": int(rows * 2)}), found)
    assert too_much["target_is_missed_with"] > 0.99
    assert too_much["tokens"]["mean"] == pytest.approx(tokens, rel=0.3)


def test_hours_and_money_come_from_the_speed_of_attempts(make_job: MakeJob) -> None:
    job = make_job(price={"gpu_hour": 2.5}, teacher={**SIMULATED, "replicas": {"min": 1, "max": 4}})
    job.store.create()
    found = Measured(np.full(50, 360_000.0), np.ones(50), untouched=10, tokens_of_untouched=0.0)
    assert numbers(job, found)["hours"] is None, "nothing was drawn yet"
    meter = Meter(job.store, job.recipe.pool, "a1", "sums", job.teacher_id, gpus=1)
    meter.started("r0.1", 0.0)
    meter.saw({"r0.1": Seen(Beat(0, 0, 0.0), 1, 0)}, 0, 50.0)
    meter.saw({"r0.1": Seen(Beat(0, 0, 0.0, generated=100_000), 1, 0)}, 0, 150.0)
    meter.ended("r0.1", 150.0)
    meter.save(150.0, last=True)
    result = numbers(job, found)
    assert result["gpu_hours"]["mean"] == pytest.approx(1.0), "without the start of the engine"
    assert result["hours"]["mean"] == pytest.approx(0.25)
    assert result["usd"]["high"] == pytest.approx(2.5)
    text = "\n".join(estimate_lines(result, 4))
    assert "3,600,000 [3,600,000 to 3,600,000] tokens more" in text
    assert "2.50 [2.50 to 2.50] US dollars" in text


def test_too_little_is_said_to_be_so(make_job: MakeJob) -> None:
    found, _, _ = pilot(np.random.default_rng(1))
    few = replace(found, tokens=found.tokens[:19], rows=found.rows[:19])
    assert estimate(make_job(), few, settled_rows=0) is None
    assert "--limit 50" in estimate_lines(None, 1)[0]


def test_it_rests_on_what_is_settled_without_a_gap(make_job: MakeJob) -> None:
    prompts = read_prompts(make_job().recipe)
    ids = prompts.frame["prompt_id"]
    fated = pl.DataFrame(
        {
            "prompt_id": [ids[0], ids[0], ids[1], ids[3], ids[4]],
            "settled": [True, True, True, True, False],
            "fate": ["published", "surplus", "wrong", "published", "not_scored"],
            "reasoning_tokens": [10, 20, None, 40, 50],
            "answer_tokens": [1, 2, None, 4, 5],
        }
    )
    found = measured(prompts, fated)
    assert found.tokens.tolist() == [33, 0]
    assert found.rows.tolist() == [1, 0]
    assert (found.untouched, found.tokens_of_untouched) == (len(ids) - 3, 55)


def test_rows_are_said_to_be_those_before_the_mix(make_job: MakeJob) -> None:
    found, _, _ = pilot(np.random.default_rng(1))
    strata = {"hard": {"where": "group.pass_rate < 0.5", "share": 0.5}, "rest": {"share": 0.5}}
    told = {
        total: "\n".join(estimate_lines(numbers(make_job(mix=mix), found), 1))
        for total, mix in (
            (None, None),
            (0, {"strata": strata}),
            (1000, {"total": 1000, "strata": strata}),
        )
    }
    assert "mix" not in told[None]
    assert told[0].splitlines()[1].strip() == "before the mix, which leaves some of these rows out"
    assert "leaves some of these rows out, and has no room for more than 1,000 rows" in told[1000]
