"""Prompts that another template, column, reference or wording has made others."""

from pathlib import Path

import pytest

from jobs.prompt_copy import load_prompts
from jobs.regeneration import Regeneration, regeneration
from jobs.survey import survey
from tests.conftest import MakeJob
from tests.jobs.versions import (
    ASKED,
    EACH,
    Make,
    filled,
    maker,
    now,
    only,
    rows,
    sampling,
    source,
    write,
)
from tests.pools import remember


@pytest.fixture
def make(make_job: MakeJob, sums: Path) -> Make:
    return maker(make_job, sums)


def test_another_template_makes_other_prompts(make: Make, sums: Path) -> None:
    last = filled(make())
    write(sums, rows(ASKED + 3))
    found = now(make(prompts=[source(sums, template="Solve it.\n{prompt}")]), last)
    assert only(found).what == "prompts.0.template {prompt} → Solve it.\\n{prompt}"
    assert (only(found).identity, only(found).prompts) == ("prompt_id", ASKED)
    assert found.again == found.paid == only(found).drawn
    assert found.again.samples == ASKED * EACH


def test_another_column_makes_other_prompts(make: Make, sums: Path) -> None:
    write(sums, [row | {"other": f"{row['question']} Really?"} for row in rows(ASKED)])
    last = filled(make())
    fields = {"prompt": "other", "reference": "answer"}
    found = now(make(prompts=[source(sums, fields=fields)]), last)
    assert only(found).what == "prompts.0.fields.prompt question → other"
    assert found.share == 1.0


def test_a_template_costs_what_its_source_has(make: Make, sums: Path, tmp_path: Path) -> None:
    more = tmp_path / "more.jsonl"
    write(more, rows(5, first=100))
    last = filled(make(prompts=[source(sums), source(more)]))
    other = source(more, template="{prompt}\n\n")
    found = now(make(prompts=[other, source(sums)]), last)
    assert only(found).what == "prompts.0.template {prompt} → {prompt}\\n\\n"
    assert found.again.samples == 5 * EACH
    assert found.paid is not None
    assert found.paid.samples == (ASKED + 5) * EACH
    assert found.share == found.again.tokens / found.paid.tokens


def test_teacher_and_template_at_once_buy_each_sample_once(
    make: Make, sums: Path, tmp_path: Path
) -> None:
    more = tmp_path / "more.jsonl"
    write(more, rows(5, first=100))
    last = filled(make(prompts=[source(sums), source(more)]))
    prompts = [source(sums), source(more, template="{prompt} Go.")]
    found = now(make(prompts=prompts, sampling=sampling(temperature=0.0)), last)
    priced = {change.identity: change.drawn and change.drawn.samples for change in found.changes}
    assert priced == {"teacher_id": (ASKED + 5) * EACH, "prompt_id": 5 * EACH}
    assert found.again.samples == (ASKED + 5) * EACH


def test_a_removed_source_costs_nothing(make: Make, sums: Path, tmp_path: Path) -> None:
    more = tmp_path / "more.jsonl"
    write(more, rows(50, first=100))
    last = filled(make(prompts=[source(sums), source(more)]))
    assert now(make(prompts=[source(sums)]), last) == Regeneration("v0001", [])


def test_a_new_source_is_new_work(make: Make, sums: Path, tmp_path: Path) -> None:
    last = filled(make())
    more = tmp_path / "more.jsonl"
    write(more, rows(2 * ASKED, first=100))
    found = now(make(prompts=[source(sums), source(more)]), last)
    assert found == Regeneration("v0001", [])


def test_corrected_references_are_scored_again_and_not_drawn(make: Make, sums: Path) -> None:
    last = filled(make())
    mended = rows(ASKED)
    for row in mended[:3]:
        row["answer"] += "0"
    write(sums, [*mended, *rows(5, first=100)])
    found = now(make(), last)
    change = only(found)
    assert change.text == (
        "prompts: 3 with another reference: reference_id; 24 scores computed again, nothing drawn"
    )
    assert (change.prompts, change.scores) == (3, 3 * EACH * 2)
    assert (found.again.samples, found.refused) == (0, False)
    job = make(scorers={"math": ["math"], "*": ["format", "control"]})
    both = now(job, last)
    prompts = load_prompts(job)
    assert regeneration(job, prompts, last, survey(job, prompts)) == both
    assert [change.scores for change in both.changes] == [3 * EACH * 3, ASKED * EACH]


def test_a_reference_that_an_interrupted_run_has_ingested_is_still_told(
    make: Make, sums: Path
) -> None:
    last = filled(make())
    mended = rows(ASKED)
    mended[0]["answer"] = "7"
    write(sums, mended)
    job = make()
    known = job.pool.scan("prompts").collect()
    assert known.height == ASKED
    one = load_prompts(job)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job.pool, "scan", lambda *_: known.clear().lazy())
        remember(job, one)
    assert job.pool.scan("prompts").collect().height == 2 * ASKED
    assert only(now(job, last)).prompts == 1


def test_another_column_of_references(make: Make, sums: Path) -> None:
    write(sums, [row | {"mended": f"0{row['answer']}"} for row in rows(ASKED)])
    last = filled(make())
    fields = {"prompt": "question", "reference": "mended"}
    change = only(now(make(prompts=[source(sums, fields=fields)]), last))
    assert (change.field, change.identity) == ("prompts.0.fields.reference", "reference_id")
    assert (change.before, change.after, change.prompts) == ("answer", "mended", ASKED)


def test_prompts_in_other_punctuation_are_bought_again(make: Make, sums: Path) -> None:
    last = filled(make())
    reworded = rows(ASKED)
    for row in reworded[:8]:
        row["question"] = row["question"].replace(", ", "  ").replace("?", " ?").upper()
    write(sums, [*reworded, *rows(2, first=100)])
    found = now(make(), last)
    assert only(found).what == (
        "prompts: 8 with the words of others that left, in other blanks, case or punctuation"
    )
    assert (found.again.samples, only(found).prompts, found.refused) == (8 * EACH, 8, True)
    assert "Set prompts back" in found.message


def test_other_signs_are_other_prompts(make: Make, sums: Path) -> None:
    last = filled(make())
    write(sums, [row | {"question": row["question"].replace("+", "-")} for row in rows(ASKED)])
    assert now(make(), last) == Regeneration("v0001", [])


def test_few_new_prompts_are_not_compared(
    make: Make, sums: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = filled(make())
    write(sums, [*rows(ASKED - 1), {"question": "what is 19 + 19 ?", "answer": "38"}])
    monkeypatch.setattr("jobs.rewritten._words", None)
    assert now(make(), last) == Regeneration("v0001", [])


def test_a_source_that_moved_is_known_by_its_name(make: Make, sums: Path, tmp_path: Path) -> None:
    last = filled(make(prompts=[source(sums, source="ours")]))
    moved = tmp_path / "moved.jsonl"
    write(moved, rows(ASKED))
    assert now(make(prompts=[source(moved, source="ours")]), last).changes == []
    found = now(make(prompts=[source(moved, source="ours", template="So: {prompt}")]), last)
    assert (only(found).field, only(found).prompts) == ("prompts.0.template", ASKED)
    other = make(prompts=[source(moved, source="theirs", template="So: {prompt}")])
    assert now(other, last).changes == []


def test_a_file_that_is_read_in_two_ways_may_be_named_in_any_order(make: Make, sums: Path) -> None:
    both = [source(sums), source(sums, template="So: {prompt}")]
    last = filled(make(prompts=both))
    more = [*both[::-1], source(sums, template="Then: {prompt}")]
    assert now(make(prompts=more), last) == Regeneration("v0001", [])
    found = now(make(prompts=[source(sums, template="Then: {prompt}"), both[0]]), last)
    assert only(found).what == "prompts.0.template So: {prompt} → Then: {prompt}"
    assert found.share == pytest.approx(0.5, abs=0.2)


def test_two_prompts_that_became_one_are_drawn_once(make: Make, sums: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.jsonl"
    write(copy, rows(ASKED))
    last = filled(make(prompts=[source(sums), source(copy, template="So: {prompt}")]))
    same = [source(sums), source(copy)]
    assert now(make(prompts=same), last).again.samples == 0
    found = now(make(prompts=same, sampling=sampling(temperature=0.7)), last)
    assert (found.again.samples, found.share) == (ASKED * EACH, 1.0)


def test_a_long_template_is_shown_where_it_differs(make: Make, sums: Path) -> None:
    long = "Please think step by step about this problem, and box the final answer. {prompt}"
    last = filled(make(prompts=[source(sums, template=long)]))
    change = only(now(make(prompts=[source(sums, template=long + " Go.")]), last))
    assert (change.before, change.after) == ("…er. {prompt}", "…er. {prompt} Go.")
