"""Rules about prompts: nothing is drawn for what they leave out, and it is said why."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from filters.choose import PUBLISHED
from infra.catalog import Catalog
from jobs.fates import samples_with_fates
from jobs.generate import generate
from jobs.plan import plan, plan_text
from jobs.prompt_copy import keep_prompts, load_prompts
from jobs.prompt_rules import by_prompt_rules
from jobs.prompts import read_prompts
from jobs.recipe import Job
from jobs.repair import Repairs
from jobs.run import Ran, run
from schemas.errors import BusyError, RecipeError, StoreError
from tests.conftest import MakeJob

TEACHER = {"model": "sim", "engine": "simulated", "engine_args": {"max_num_seqs": 32}}
LEAKED = "not_decontaminated"


@pytest.fixture
def own(tmp_path: Path) -> dict[str, Any]:
    """Ten prompts in a template, two of which an evaluation set has in other writing."""
    rows = [
        {"q": f"Ann has {n} red marbles and finds {n * n} more of them. How many?", "a": str(n)}
        for n in range(2, 12)
    ]
    (tmp_path / "p.jsonl").write_text("\n".join(map(json.dumps, rows)))
    lines = [
        {"question": "ann has 3 red marbles, and finds 9 more of them;  how many"},
        {"question": "Ann has 5 red marbles and finds 25 more of them. How many?"},
        {"question": "Prove that there is no largest prime number, and explain each step."},
    ]
    (tmp_path / "exam.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return {
        "teacher": TEACHER,
        "prompts": [
            {
                "path": str(tmp_path / "p.jsonl"),
                "fields": {"prompt": "q", "reference": "a"},
                "domain": "math",
                "template": "{prompt} Think first.",
            }
        ],
        "keep": {"finished": "format.complete"},
    }


def exam(own: dict[str, Any], **more: Any) -> dict[str, Any]:
    path = Path(own["prompts"][0]["path"]).parent / "exam.jsonl"
    return {**own, "decontaminate": [{"path": str(path), "name": "exam", **more}]}


def left_out(job: Job) -> list[str]:
    found = load_prompts(job).left_out
    return sorted(found["messages"].list.first().struct.field("content"))


def test_leaked_prompts_are_left_out_with_evidence(make_job: MakeJob, own: dict[str, Any]) -> None:
    job = make_job(**exam(own))
    found = load_prompts(job)
    assert found.frame.height == 8
    assert [text.split()[2] for text in left_out(job)] == ["3", "5"]
    assert found.left_out_counts == {LEAKED: 2}
    row = found.left_out.filter(pl.col("prompt.leak_text").str.contains("ann has 3")).row(
        0, named=True
    )
    assert row["prompt.leak_set"] == "exam"
    assert row["prompt.leak_run"] == 13


def test_a_rule_of_the_recipe_takes_the_place_of_the_default(
    make_job: MakeJob, own: dict[str, Any]
) -> None:
    told = make_job(**{**exam(own), "keep": {"known": "prompt.leak_run = 0"}})
    assert load_prompts(told).left_out_counts == {"not_known": 2}
    every = make_job(**{**exam(own), "keep": {"marked": "prompt.leaked or not prompt.leaked"}})
    assert load_prompts(every).left_out_counts == {}


def test_where_nothing_is_left_it_is_said(make_job: MakeJob, own: dict[str, Any]) -> None:
    path = own["prompts"][0]["path"]
    with pytest.raises(RecipeError, match="no prompt is left to answer: of 10 all"):
        load_prompts(make_job(**exam(own, path=path, field="q")))


def test_the_copy_has_them_and_is_read_anew_when_a_list_grows(
    make_job: MakeJob, own: dict[str, Any]
) -> None:
    job = make_job(**exam(own))
    job.store.create()
    found = load_prompts(job)
    keep_prompts(job, found)
    copy = load_prompts(job)
    assert copy.origin is None, "it is the copy"
    assert copy.frame.equals(found.frame)
    assert copy.left_out.equals(found.left_out)
    path = Path(job.recipe.decontaminate[0].path)
    with path.open("a") as lines:
        lines.write('\n{"question": "Ann has 7 red marbles and finds 49 more of them. How many?"}')
    assert len(left_out(job)) == 3
    loose = make_job(**{**exam(own), "keep": {"x": "prompt.leak_run = 0"}})
    assert load_prompts(loose).origin is not None, "other rules leave out others"


@pytest.mark.usefixtures("ray_here")
def test_nothing_is_drawn_for_them_and_what_was_is_not_published(
    make_job: MakeJob, own: dict[str, Any]
) -> None:
    before = make_job(**own)
    every = run(before, load_prompts(before), pilot=False, allow_simulated=True)
    assert every.published is not None
    drawn = before.pool.scan("samples").collect().height

    job = make_job(**exam(own))
    ran = run(job, load_prompts(job), pilot=False, allow_simulated=True)
    assert ran.generated.attempt is None, "nothing is left to do"
    lost = sum(n for fate, n in ran.decided.funnel.items() if fate == LEAKED)
    assert lost >= 2 * job.recipe.samples.probe
    assert sum(ran.decided.funnel.values()) == drawn, "every sample is accounted for"
    assert ran.decided.unsettled == 0
    assert ran.published is not None
    manifest = Catalog(job.store, job.recipe.name).manifest(ran.published.version)
    assert manifest.prompts_left_out == {LEAKED: 2}
    assert manifest.intact
    ids = set(load_prompts(job).left_out["prompt_id"])
    published = samples_with_fates(job, load_prompts(job)).filter(pl.col("fate") == PUBLISHED)
    assert not ids & set(published["prompt_id"])
    card = (Path(ran.published.location) / "README.md").read_text()
    assert "compared with `exam`" in card
    assert "2 not_decontaminated" in card
    told = plan(job, load_prompts(job))
    assert "left out  2 not_decontaminated" in plan_text(told)

    assert told["changed"] == []
    assert [change["text"] for change in plan(before, load_prompts(before))["changed"]] == [
        "decontaminate: other prompts may be left out"
    ]
    again = run(before, load_prompts(before), pilot=False, allow_simulated=True)
    assert again.generated.attempt is None, "they come back without being drawn again"
    assert again.decided.funnel == every.decided.funnel


@pytest.mark.parametrize("content", ["", '{"question": " "}'])
def test_a_set_without_questions_is_refused(
    make_job: MakeJob, own: dict[str, Any], content: str
) -> None:
    job = make_job(**exam(own))
    Path(job.recipe.decontaminate[0].path).write_text(content)
    with pytest.raises(RecipeError, match=r"exam\.jsonl: there is no question in it"):
        load_prompts(job)


def test_a_question_that_is_no_unicode_is_named(make_job: MakeJob, own: dict[str, Any]) -> None:
    job = make_job(**exam(own))
    Path(job.recipe.decontaminate[0].path).write_text(
        '{"question": "one"}\n{"question": "\\ud800"}'
    )
    with pytest.raises(RecipeError, match=r"exam\.jsonl:2: the text is not Unicode"):
        load_prompts(job)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"field": "problem"},
            r"exam\.jsonl:1: has no text in the field 'problem'; it has question",
        ),
        ({"path": "nowhere.jsonl"}, "nowhere.jsonl: no such file"),
        ({"path": "hf://datasets/x/y"}, "files are read from here and from s3"),
    ],
)
def test_wrong_evaluation_sets_stop_before_anything_starts(
    make_job: MakeJob, own: dict[str, Any], change: dict[str, str], message: str
) -> None:
    job = make_job(**exam(own, **change))
    with pytest.raises(RecipeError, match=message):
        by_prompt_rules(job, read_prompts(job.recipe))


STORY = (
    "A baker has {n} loaves of bread in the morning and sells half of them before noon. In the "
    "afternoon he bakes nothing at all, sweeps the floor of his shop, and counts what is left on "
    "the shelf before he closes the door. How many are left {m}"
)


def baker(own: dict[str, Any], prompts: list[tuple[str, str]], **more: Any) -> dict[str, Any]:
    """A recipe that does without near-duplicates, over these questions and answers."""
    path = Path(own["prompts"][0]["path"])
    path.write_text("\n".join(json.dumps({"q": q, "a": a}) for q, a in prompts))
    return {**own, "keep": {"new": "not prompt.near_duplicate", **more}}


def story(n: int, m: str = "", answer: int | None = None) -> tuple[str, str]:
    return STORY.format(n=n, m=m), str(n // 2 if answer is None else answer)


def run_it(job: Job) -> Ran:
    return run(job, load_prompts(job), pilot=False, allow_simulated=True)


def drawn(job: Job) -> int:
    """Prompts with samples."""
    return job.pool.scan("samples").collect()["prompt_id"].n_unique()


@pytest.mark.usefixtures("ray_here")
def test_duplicates_are_left_out_and_the_pool_remembers_who_came_first(
    make_job: MakeJob, own: dict[str, Any]
) -> None:
    first = [story(20, "over at last?"), story(30), story(40)]
    job = make_job(**baker(own, first))
    run_it(job)
    assert job.pool.scan("clusters").collect().height == 3
    assert load_prompts(job).origin is None, "from the copy"

    more = [*first, story(20, "in the end?"), story(20), story(30, "now", answer=16)]
    job = make_job(**baker(own, more))
    prompts = load_prompts(job)
    assert prompts.left_out_counts == {"not_new": 2}
    assert prompts.frame.height == 4, "the first ones, and one with another answer"
    assert "left out  2 not_new" in plan_text(plan(job, prompts))
    ran = run_it(job)
    assert ran.generated.prompts_added == 1
    assert job.pool.scan("clusters").collect()["prompt_id"].n_unique() == 6
    assert drawn(job) == 4, "nothing is drawn for duplicates"
    assert load_prompts(job).left_out_counts == {"not_new": 2}
    assert load_prompts(job).origin is None, "from the copy"
    other = make_job(**baker(own, more, new="true"))
    assert load_prompts(other).left_out_counts == {}, "the copy is of other rules"


@pytest.mark.usefixtures("ray_here")
@pytest.mark.parametrize(
    ("rule", "copied"),
    [
        ("not prompt.near_duplicate", ("in the end?", "then?")),
        ("not prompt.duplicate", ("now?\n", "now? ")),
    ],
)
def test_what_was_drawn_before_there_was_a_rule_came_first(
    make_job: MakeJob, own: dict[str, Any], rule: str, copied: tuple[str, ...]
) -> None:
    first = [story(n, "now?") for n in range(20, 60, 10)]
    before = make_job(**baker(own, first, new="true"))
    run_it(before)
    told = [*first, *(story(n, m) for n in range(20, 60, 10) for m in copied)]
    job = make_job(**baker(own, told, new=rule))
    ran = run_it(job)
    assert load_prompts(job).left_out_counts == {"not_new": 8}
    assert drawn(job) == 4
    assert ran.generated.drawn == 0
    assert "not_new" not in ran.decided.funnel, "what was paid for is used"


def test_what_has_no_words_is_near_what_is_the_same(make_job: MakeJob, own: dict[str, Any]) -> None:
    job = make_job(**baker(own, [("∑", "1"), ("\n∑", "1"), ("∫", "1")]))
    assert load_prompts(job).left_out_counts == {"not_new": 1}


def test_conflicts_are_left_out_where_a_rule_says_so(
    make_job: MakeJob, own: dict[str, Any]
) -> None:
    told = [story(20), (f"{story(20)[0]} \n", "11"), story(30)]
    agreed = "not prompt.conflicting_reference"
    job = make_job(**baker(own, told, agreed=agreed))
    assert load_prompts(job).left_out_counts == {"not_agreed": 2}
    assert make_job(**baker(own, told)).rules.prompts.keys() == {"new"}
    assert not load_prompts(make_job(**baker(own, told))).left_out_counts
    with pytest.raises(RecipeError, match="of 2 all are left out \\(2 not_agreed\\)"):
        load_prompts(make_job(**baker(own, told[:2], agreed=agreed)))


def test_a_prompt_is_no_duplicate_of_one_that_is_left_out(
    make_job: MakeJob, own: dict[str, Any]
) -> None:
    """Whichever of the two has the lesser identity."""
    twins = [story(n, "in the end, he asks?") for n in range(20, 60, 10)]
    told = [*(story(n) for n in range(20, 60, 10)), *twins, story(90, "apart", 1)]
    recipe = baker(own, told, apart="not prompt.leak_share > 0.99")
    path = Path(own["prompts"][0]["path"]).parent / "exam.jsonl"
    path.write_text("\n".join(json.dumps({"question": question}) for question, _ in twins))
    job = make_job(**{**recipe, "decontaminate": [str(path)]})
    assert left_out(job) == sorted(f"{question} Think first." for question, _ in twins)
    without = make_job(**{**recipe, "keep": {"new": recipe["keep"]["new"]}})
    assert load_prompts(without).left_out_counts == {"not_new": 4}


@pytest.mark.parametrize("told", [["a", "b"], ["b", "a"]])
def test_a_mislabelled_copy_costs_itself_and_its_twin_alone(
    make_job: MakeJob, own: dict[str, Any], told: list[str]
) -> None:
    families = [
        prompt
        for n in range(20, 60, 10)
        for prompt in (story(n), (f"{story(n)[0]} \n", "3"), story(n, "in the end?"))
    ]
    prompts = [*families, story(90, "apart", 1)]
    agreed = "not prompt.conflicting_reference"
    keep = {"a": ("new", "not prompt.near_duplicate"), "b": ("agreed", agreed)}
    rules = dict(keep[name] for name in told)
    job = make_job(**{**baker(own, prompts), "keep": rules})
    found = load_prompts(job)
    assert sum(found.left_out_counts.values()) == 8
    assert found.frame.height == 5, "one of each family is answered"
    both = {"one": f"not prompt.near_duplicate and {agreed}"}
    assert load_prompts(make_job(**{**baker(own, prompts), "keep": both})).frame.height == 5


@pytest.mark.usefixtures("ray_here")
@pytest.mark.parametrize("grows", [False, True])
def test_damaged_clusters_are_found_again_if_they_are_dropped(
    make_job: MakeJob, own: dict[str, Any], grows: bool
) -> None:
    told = [story(20), story(20, "again"), story(30)]
    job = make_job(**baker(own, told))
    run_it(job)
    (file,) = Path(job.pool.folder("clusters")).glob("*.parquet")
    file.write_bytes(b"torn")
    more = [*told, story(40)] if grows else told
    other = make_job(**baker(own, more))
    if grows:
        with pytest.raises(StoreError, match="--drop-damaged"):
            load_prompts(other)
    prompts = load_prompts(other, drop_damaged=True)
    generate(other, prompts, Repairs(drop_damaged=True))
    assert other.pool.scan("clusters").collect()["prompt_id"].n_unique() == len(more)
    assert load_prompts(other).left_out_counts == {"not_new": 1}


@pytest.mark.usefixtures("ray_here")
@pytest.mark.parametrize("rule", ["not prompt.near_duplicate", "not prompt.duplicate"])
def test_a_pool_that_changed_meanwhile_is_looked_at_again(
    make_job: MakeJob, own: dict[str, Any], rule: str
) -> None:
    told = [story(n, m) for n in (20, 30, 40) for m in ("", "again")]
    job = make_job(**baker(own, told, new=rule))
    prompts = load_prompts(job)
    other = make_job(**{**baker(own, told[1::2], new=rule), "name": "other", "pool": "sums"})
    run_it(other)
    baker(own, told)
    job = make_job(**{**baker(own, told, new=rule), "pool": "sums"})
    with pytest.raises(BusyError, match=r"another run has changed its (prompts|clusters)"):
        generate(job, prompts)
    run_it(job)
    assert drawn(job) == (3 if "near" in rule else 6)


def test_a_pilot_tells_what_is_left_out_of_its_part(make_job: MakeJob, own: dict[str, Any]) -> None:
    told = [story(n, m) for n in range(20, 60, 2) for m in ("", "then")]
    prompts = load_prompts(make_job(**baker(own, told)))
    assert prompts.left_out.height == 20
    some = prompts.first(15)
    assert some.frame.equals(prompts.frame.head(15))
    last = some.frame["prompt_id"].last()
    among = [prompt_id for prompt_id in prompts.left_out["prompt_id"] if prompt_id < last]
    assert some.left_out["prompt_id"].to_list() == among
    assert 0 < len(among) < 20
    assert some.origin is None
