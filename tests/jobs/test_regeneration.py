"""What a change of the teacher, of scorers or of what they compare with buys again."""

import json
from pathlib import Path
from typing import Any

import pytest

from filters.math_answer import MathScorer
from infra.messages import Beat, Seen
from infra.meter import Meter
from jobs.build import build
from jobs.changed_fields import Bought
from jobs.plan import plan, plan_text
from jobs.prompt_copy import load_prompts
from jobs.publish import publish
from jobs.recipe import Job
from jobs.regeneration import Regeneration, regeneration
from tests.conftest import MakeJob
from tests.jobs.versions import (
    ASKED,
    EACH,
    Make,
    built,
    fill,
    filled,
    maker,
    now,
    only,
    sampling,
    write,
)
from tests.pools import drawn, write_pool


@pytest.fixture
def make(make_job: MakeJob, sums: Path) -> Make:
    return maker(make_job, sums)


def tokens(job: Job) -> int:
    samples = job.pool.scan("samples").collect()
    return sum(int(samples[name].sum()) for name in ("reasoning_tokens", "answer_tokens"))


def test_where_nothing_changed_nobody_looks_into_the_pool(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = filled(make())
    job = make()
    prompts = load_prompts(job)

    def scan(*_: Any) -> None:
        raise AssertionError("looked into the pool")

    monkeypatch.setattr(job.pool, "scan", scan)
    found = regeneration(job, prompts, last)
    assert (found.changes, found.share, found.refused, found.paid) == ([], 0.0, False, None)


def test_without_a_version_nothing_is_bought_again(make: Make) -> None:
    fill(make())
    found = now(make(sampling=sampling(temperature=1.0)), None)
    assert found == Regeneration()
    assert not found.refused
    assert found.as_json["samples_again"] == 0


def test_another_temperature_buys_everything_again(make: Make) -> None:
    last = filled(make())
    found = now(make(sampling=sampling(temperature=0.7)), last)
    every = Bought(ASKED * EACH, tokens(make()), None, None)
    assert (found.again, found.paid, found.share, found.refused) == (every, every, 1.0, True)
    assert only(found).text == (
        f"sampling.temperature 0.6 → 0.7: teacher_id; {every.text} would be drawn again"
    )
    for words in (
        "sampling.temperature 0.6 → 0.7 (teacher_id)",
        f"80 samples ({every.tokens:,} tokens) of 80 would be drawn again, 100% of the tokens",
        "Set sampling.temperature back to what v0001 has",
        "--accept-regeneration",
        "another `name` or `pool`",
    ):
        assert words in found.message
    told = found.as_json
    assert json.loads(json.dumps(told)) == told
    assert (told["samples_again"], told["tokens_paid"]) == (80, every.tokens)


@pytest.mark.parametrize(
    "fields",
    [
        {"sampling": {"max_tokens": 1024}},
        {"teacher": {"model": "sim", "engine": "simulated", "engine_args": {"max_num_seqs": 7}}},
        {"samples": {"probe": 4, "max": 12, "enough": 4}},
    ],
)
def test_no_identity_hangs_on_length_scheduling_and_counts(
    make: Make, fields: dict[str, Any]
) -> None:
    last = filled(make())
    assert now(make(**fields), last) == Regeneration("v0001", [])


def test_only_fields_that_changed_are_told_and_each_sample_is_bought_once(make: Make) -> None:
    last = filled(make())
    arguments = {"mean_tokens": 99, "max_num_seqs": 7}
    teacher = {"model": "sim", "engine": "simulated", "system": "Think.", "engine_args": arguments}
    found = now(make(teacher=teacher, sampling=sampling(top_p=1.0)), last)
    assert {change.what for change in found.changes} == {
        "teacher.system - → Think.",
        "teacher.engine_args.mean_tokens - → 99",
        "sampling.top_p 0.95 → 1.0",
    }
    assert {change.drawn for change in found.changes} == {found.again} == {found.paid}


def test_another_revision(make: Make) -> None:
    last = filled(make(teacher={"model": "org/model", "revision": "aaa"}))
    found = now(make(teacher={"model": "org/model", "revision": "bbb"}), last)
    assert only(found).what == "teacher.revision aaa → bbb"
    assert found.share == 1.0


def folder(path: Path, weights: bytes) -> dict[str, Any]:
    path.mkdir(exist_ok=True)
    (path / "config.json").write_text('{"model_type": "qwen2"}')
    (path / "model.safetensors").write_bytes(weights)
    return {"model": str(path)}


def test_other_weights_in_a_folder_are_another_teacher_and_a_moved_folder_is_not(
    make: Make, tmp_path: Path
) -> None:
    last = filled(make(teacher=folder(tmp_path / "a", b"1")))
    assert now(make(teacher=folder(tmp_path / "b", b"1")), last).changes == []
    found = now(make(teacher=folder(tmp_path / "a", b"2")), last)
    assert only(found).what.startswith("teacher.model: other weights in its folder (w1_")
    assert found.refused
    found = now(make(teacher=folder(tmp_path / "b", b"2")), last)
    assert only(found).field == "teacher.model"
    assert str(only(found).after).endswith("b")


def test_a_newer_scorer_scores_again(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    last = filled(make())
    monkeypatch.setattr(MathScorer, "version", 99)
    found = now(make(), last)
    assert only(found).text == (
        "scorer math: version 99 instead of 4: 80 scores computed again, nothing drawn"
    )
    assert not found.refused


def test_other_libraries_of_a_scorer(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    last = filled(make())
    monkeypatch.setattr(MathScorer, "libraries", lambda _: {"sympy": "0"})
    assert only(now(make(), last)).what == "scorer math: other versions of its libraries"


def test_new_scorers_and_other_domains_are_told(make: Make) -> None:
    last = filled(make(scorers={"math": ["math"], "other": ["language"], "*": ["format"]}))
    found = now(make(scorers={"math": ["math"], "*": ["format", "language", "control"]}), last)
    assert {change.what: change.scores for change in found.changes} == {
        "scorer control: new": ASKED * EACH,
        "scorer language: asked of other domains": ASKED * EACH,
    }


def test_an_evaluation_set_that_grew_is_compared_with_again(make: Make, tmp_path: Path) -> None:
    exam = tmp_path / "exam.jsonl"
    write(exam, [{"question": "Why is the sky blue at noon?"}])
    fields = {"decontaminate": [str(exam)], "scorers": {"math": ["math"], "*": ["format", "leaks"]}}
    last = filled(make(**fields))
    assert now(make(**fields), last).changes == []
    write(exam, [{"question": "Why is the sky blue at noon?"}, {"question": "And at night?"}])
    change = only(now(make(**fields), last))
    assert change.text == (
        "scorer leaks: a file of its evaluation sets has changed: 80 scores computed again, "
        "nothing drawn"
    )
    other = {**fields, "decontaminate": [{"path": str(exam), "name": "other"}]}
    assert only(now(make(**other), last)).why == "compares with other evaluation sets"


def test_what_is_regenerated_already_is_not_bought_again(make: Make) -> None:
    last = filled(make())
    job = make(sampling=sampling(temperature=0.7))
    again = drawn(job, EACH)
    write_pool(job, [[pair for pair in again if pair[1].sample_index < 2]], 10)
    found = now(job, last)
    assert (found.again.samples, found.paid and found.paid.samples) == (ASKED * 2, ASKED * EACH)
    write_pool(job, [[pair for pair in again if pair[1].sample_index >= 2]], 20)
    found = now(job, last)
    assert (found.again.samples, found.refused) == (0, False)
    assert (
        only(found).text
        == "sampling.temperature 0.6 → 0.7: teacher_id; nothing would be drawn again"
    )


def test_settled_prompts_need_no_more_samples(make: Make) -> None:
    """Under the other temperature some prompts needed fewer."""
    counts = {"probe": 3, "max": 4, "enough": 1}
    fill(make(samples=counts), each=4)
    last = built(make(samples=counts))
    job = make(samples=counts, sampling=sampling(temperature=0.7))
    ids = {prompt.prompt_id for prompt, sample in drawn(job, 3) if _right(prompt, sample)}
    write_pool(job, [drawn(job, 3)], 10)
    found = now(job, last)
    assert ids
    assert found.again.samples == ASKED - len(ids)


def _right(prompt: Any, sample: Any) -> bool:
    return f"\\boxed{{{prompt.reference}}}" in (sample.text or "")


def test_samples_beyond_the_most_are_not_drawn_again(make: Make) -> None:
    last = filled(make())
    counts = {"probe": 2, "max": 2, "enough": 1}
    found = now(make(samples=counts, sampling=sampling(temperature=0.7)), last)
    assert found.again.samples == ASKED * 2


def test_an_older_manifest_with_less_in_it(make: Make) -> None:
    last = filled(make())
    kept = ("name", "store", "prompts", "teacher", "sampling")
    recipe = {name: last.recipe[name] for name in kept}
    recipe["sampling"] = {"temperature": 0.6, "top_p": 0.95}
    recipe["prompts"] = [{"path": last.recipe["prompts"][0]["path"]}, {"unknown": 1}]
    del recipe["teacher"]["engine_args"]
    older = last.model_copy(
        update={
            "recipe": recipe,
            "teacher": {"id": last.teacher["id"], "name": "m"},
            "provenance": {},
            "cut": last.cut.model_copy(update={"tables": {}, "prompts": "l1_other"}),
        }
    )
    found = now(make(), older)
    assert not found.refused
    assert {change.identity for change in found.changes} <= {"prompt_id", "reference_id"}
    found = now(make(sampling=sampling(temperature=0.7)), older)
    assert "sampling.temperature 0.6 → 0.7" in {change.what for change in found.changes}
    assert found.share == 1.0
    unknown = older.model_copy(update={"teacher": {"id": "t1_other"}})
    found = now(make(), unknown)
    assert "teacher" in {change.field for change in found.changes}
    assert not found.refused, "nothing of that teacher exists"


def test_a_tenth_is_accepted() -> None:
    found = Regeneration("v0001", (), Bought(1, 10, None, None), Bought(10, 100, None, None))
    assert not found.refused
    more = Regeneration("v0001", (), Bought(1, 11, None, None), Bought(10, 100, None, None))
    assert more.refused


def test_money_is_by_the_speed_of_this_teacher_or_the_last_one(make: Make) -> None:
    price = {"price": {"gpu_hour": 2.5}}
    first = make(**price)
    last = filled(first)
    _meter(first, "a1", tokens=tokens(first), seconds=3600)
    job = make(sampling=sampling(temperature=0.7), **price)
    assert now(job, last).as_json["gpu_hours_again"] == pytest.approx(1)
    _meter(job, "a2", tokens=tokens(first), seconds=7200)
    found = now(job, last)
    assert found.as_json["gpu_hours_again"] == pytest.approx(2)
    assert found.as_json["usd_again"] == pytest.approx(5)
    assert "2.0 GPU-hours, 5.00 US dollars" in found.message


def _meter(job: Job, attempt: str, tokens: int, seconds: float) -> None:
    meter = Meter(job.store, job.recipe.pool, attempt, "sums", job.teacher_id, gpus=1)
    meter.started("r0.1", 0.0)
    meter.saw({"r0.1": Seen(Beat(0, 0, 0.0), 1, 0)}, 0, 50.0)
    meter.saw({"r0.1": Seen(Beat(0, 0, 0.0, generated=tokens), 1, 0)}, 0, 50.0 + seconds)
    meter.ended("r0.1", 50.0 + seconds)
    meter.save(50.0 + seconds, last=True)


def test_plan_tells_each_change_with_its_price(make: Make) -> None:
    fill(make())
    publish(make(), build(make(), load_prompts(make())), allow_simulated=True)
    job = make(sampling=sampling(temperature=0.7), keep={"finished": "format.complete"})
    told = plan(job, load_prompts(job))
    assert [change["field"] for change in told["changed"]] == [
        "sampling.temperature",
        "keep.correct",
    ]
    assert told["changed"][0]["drawn"]["samples"] == 80
    assert (told["regeneration"]["share"], told["regeneration"]["refused"]) == (1.0, True)
    assert plan_text(told).splitlines()[-3:] == [
        f"changed   sampling.temperature 0.6 → 0.7: teacher_id; 80 samples ({tokens(job):,} "
        "tokens) would be drawn again",
        "changed   keep.correct: chosen again; prompts left short by it get more samples "
        "(correct → -)",
        "again     80 of 80 samples that are paid for, 100% of their tokens; `refresh` wants "
        "--accept-regeneration",
    ]
    same = plan(make(), load_prompts(make()))
    assert (same["changed"], same["regeneration"]["samples_again"]) == ([], 0)
    assert plan_text(same).splitlines()[-1] == "published v0001"
