"""Explain: every fate has its reason, and what is told of a threshold holds when it is built."""

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from filters.choose import PUBLISHED
from jobs.cli import main
from jobs.explain import explain
from jobs.fates import samples_with_fates
from jobs.prompts import read_prompts
from jobs.recipe import Job, load_job
from schemas.prompt import Prompt
from schemas.reasoning import split_reasoning
from schemas.sample import Sample
from tests.builders import make_sample
from tests.conftest import MakeJob
from tests.pools import drawn, remember, write_pool

KEEP = {
    "finished": "format.complete",
    "correct": "correct",
    "short": "reasoning_tokens < 100",
}
RECIPE: dict[str, Any] = {
    "scorers": {"math": ["math"], "*": ["format", "signature"]},
    "samples": {"probe": 7, "max": 9, "enough": 2},
    "keep": KEEP,
    "choose": {"per_prompt": 1, "order_by": ["reasoning_tokens"]},
}
HOSTILE = "\x1b[2J\x1b]0;owned\x07\u202egnp.exe\x9b31m<script>alert(1)</script>\n\n\n" + "x" * 9000


def sample(job: Job, prompt: Prompt, index: int, answer: str, tokens: int, **more: Any) -> Sample:
    """Complete, mostly in words of its own."""
    words = " ".join(f"w{index}x{number}" for number in range(30))
    words += " first I add the tens and then the ones and I check it once more"
    text = more.pop("text", f"{words}\n</think>\n\nIt is \\boxed{{{answer}}}")
    split = split_reasoning(text, thinking_open=True)
    known = {
        "prompt_id": prompt.prompt_id,
        "teacher_id": job.teacher_id,
        "sample_index": index,
        "reasoning": split.reasoning,
        "answer": split.answer,
        "reasoning_tokens": tokens,
        "answer_tokens": 0,
        "max_tokens": job.recipe.sampling.max_tokens,
    }
    return make_sample(text, **{**known, **more})


def failed(job: Job, prompt: Prompt, index: int) -> Sample:
    names = ("text", "text_digest", "reasoning", "answer", "finish_reason", "reasoning_tokens")
    nothing: dict[str, Any] = dict.fromkeys(names)
    return replace(
        sample(job, prompt, index, "", 1),
        **nothing,
        outcome="failed",
        failure="rejected",
        failure_reason="too_long",
        failure_detail=f"no {HOSTILE}",
    )


@pytest.fixture
def job(make_job: MakeJob) -> Job:
    """With nine samples of one prompt, that end in many ways, and none of the others."""
    job = make_job(**RECIPE)
    prompt, _ = drawn(job, 1)[0]
    right = prompt.reference or ""
    rows = [
        sample(job, prompt, 0, right, 10),
        sample(job, prompt, 1, "0", 20),
        sample(job, prompt, 2, right, 30),
        sample(job, prompt, 3, right, 120),
        sample(job, prompt, 4, "", 500, text="it goes on and", finish_reason="length"),
        failed(job, prompt, 5),
        sample(job, prompt, 6, "0", 300),
        sample(job, prompt, 7, right, 15),
    ]
    write_pool(job, [[(prompt, row) for row in rows]])
    return job


def first(job: Job) -> str:
    return drawn(job, 1)[0][0].prompt_id


def told(job: Job, prompt_id: str, *, texts: bool = False) -> tuple[str, dict[str, Any]]:
    return explain(job, read_prompts(job.recipe), prompt_id, texts=texts)


def test_everything_about_a_prompt(job: Job) -> None:
    text, data = told(job, first(job))
    prompt, samples = data["prompt"], data["samples"]
    assert prompt["messages"][0]["content"] in text
    assert (prompt["domain"], prompt["source"], prompt["left_out"]) == ("math", "sums", None)
    assert (data["settled"], data["eligible"], data["needs"]) == (True, 7, [])
    assert data["group"]["group.pass_rate"] == 3 / 5
    assert [row["fate"] for row in samples] == [
        "published",
        "not_correct",
        "beyond_per_prompt",
        "not_short",
        "not_finished",
        "failed_too_long",
        "not_correct",
        "surplus",
    ]
    rules = {rule["rule"]: rule for rule in samples[3]["rules"]}
    assert [rule["value"] for rule in rules.values()] == [True, True, False]
    assert rules["short"]["columns"] == {"reasoning_tokens": 120}
    assert [rule["value"] for rule in samples[4]["rules"]] == [False, None, False]
    assert samples[0]["why"] == "place 1 of 2 by reasoning_tokens, a hash"
    assert "reasoning_tokens is 30, and 10 of sample 0" in samples[2]["why"]
    assert samples[5]["why"] == "it failed: too_long"
    assert "the verifier says that it is wrong" in samples[1]["no_change"]
    assert samples[6]["no_change"] == "2 rules are not met: correct, short"
    for row in samples:
        assert row["why"] in text


def test_a_threshold_that_is_told_publishes_when_it_is_built(job: Job, tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(job.resolved))
    _, data = told(job, first(job))
    changes = {row["sample_index"]: row["changes"] for row in data["samples"]}
    per_prompt = [one for one in changes[2] if one["field"] == "choose.per_prompt"]
    assert [(one["before"], one["after"]) for one in per_prompt] == [("1", "2")]
    tighter = [one for one in changes[2] if one["field"] == "keep.short"]
    assert not tighter, "no tighter rule drops the better one alone"
    assert [one["field"] for one in changes[3]] == [], "per_prompt is 1, and it is the longest"
    for index, some in changes.items():
        for one in some:
            override = shlex.split(one["set"])[1]
            changed = load_job(str(path), [override])
            rows = samples_with_fates(changed, read_prompts(changed.recipe))
            assert rows.row(index, named=True)["fate"] == PUBLISHED
    three = load_job(str(path), ["choose.per_prompt=3", "samples.enough=3"])
    _, data = told(three, first(job))
    assert [row["fate"] for row in data["samples"]].count(PUBLISHED) == 3
    (change,) = data["samples"][3]["changes"]
    assert (change["field"], change["before"], change["after"]) == ("keep.short", "100", "121")
    assert change["asks"] == "reasoning_tokens"
    moved = {"sample_index": 7, "before": "published", "after": "surplus"}
    assert moved in change["others"], "then there are enough before it"


def test_what_choose_leaves_out(job: Job, make_job: MakeJob) -> None:
    def fates(**choose: Any) -> list[dict[str, Any]]:
        keep = {"finished": "format.complete"}
        other = make_job(**{**RECIPE, "keep": keep, "choose": {**RECIPE["choose"], **choose}})
        return list(told(other, first(job))[1]["samples"])

    trimmed = fates(per_prompt=9, trim={"shortest": 0.2})
    assert [row["fate"] for row in trimmed[:2]] == ["trimmed_short", "published"]
    assert "choose.trim.shortest is 0.2" in trimmed[0]["why"]
    assert any(one["field"] == "choose.trim.shortest" for one in trimmed[0]["changes"])

    where = fates(where="group.pass_rate < 0.5")
    assert where[0]["fate"] == "where_not_met"
    assert "group.pass_rate < 0.5" in where[0]["why"]
    (change,) = where[0]["changes"]
    assert change["field"] == "choose.where"
    assert 0.6 < float(change["after"]) < 0.7

    alike = fates(per_prompt=9, distinct=0.01)
    twins = [row for row in alike if row["fate"] == "near_duplicate"]
    assert twins
    assert all("says nearly what the better sample" in row["why"] for row in twins)
    assert any(one["field"] == "choose.distinct" for row in twins for one in row["changes"])


def test_a_prompt_that_is_not_settled(job: Job, make_job: MakeJob) -> None:
    more = make_job(**{**RECIPE, "samples": {"probe": 9, "max": 9, "enough": 2}})
    text, data = told(more, first(job))
    assert not data["settled"]
    assert data["needs"] == ["its probe: 8 of 9 samples are there and judged"]
    assert "no; it needs its probe" in text

    longer = make_job(**RECIPE, sampling={"max_tokens": 1024})
    rows = told(longer, first(job))[1]["samples"]
    assert rows[4]["fate"] == "not_continued"
    assert (rows[6]["fate"], rows[6]["why"][:22]) == ("surplus", "waits for sample 4, wh")

    scorers = {**RECIPE["scorers"], "*": ["format", "signature", "repetition"]}
    scored = told(make_job(**{**RECIPE, "scorers": scorers}), first(job))[1]["samples"]
    assert (scored[0]["fate"], scored[0]["why"]) == ("not_scored", "not scored yet by repetition")

    never = make_job(**{**RECIPE, "samples": {"probe": 8, "max": 8, "enough": 5}})
    _, data = told(never, first(job))
    assert (data["settled"], data["needs"]) == (True, ["kept samples: 3 of 5"])


def test_a_target_and_a_mix_look_at_all_prompts(make_job: MakeJob) -> None:
    recipe = {**RECIPE, "samples": {"probe": 4, "max": 4, "enough": 4}}
    recipe["keep"] = {"finished": "format.complete"}
    plain = make_job(**recipe)
    write_pool(plain, [drawn(plain, 4)])
    ids = read_prompts(plain.recipe).frame["prompt_id"]
    target = make_job(**recipe, target={"published": 2})
    assert "published" in {row["fate"] for row in told(target, ids[1])[1]["samples"]}
    _, data = told(target, ids[5])
    beyond = [row for row in data["samples"] if row["fate"] == "beyond_target"]
    assert [row["why"][:29] for row in beyond] == ["chosen, but the target was re"]
    assert "target" in data["notes"][0]
    mix = make_job(**recipe, mix={"strata": {"others": {"where": "source = 'none'"}}})
    text, data = told(mix, ids[5])
    assert "in_no_stratum" in {row["fate"] for row in data["samples"]}
    assert "fits no stratum" in text


def test_a_prompt_that_a_rule_leaves_out(
    make_job: MakeJob, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    left_out = first(make_job())
    asked = told(make_job(), left_out)[1]["prompt"]["messages"][0]["content"]
    evaluation = tmp_path / "exam.jsonl"
    evaluation.write_text(json.dumps({"question": asked}) + "\n")
    keep = {"finished": "format.complete", "own": "prompt.leak_share < 0.1"}
    job = make_job(keep=keep, decontaminate=[str(evaluation)])
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(job.resolved))
    main(["explain", str(path), left_out, "--json"])
    data = json.loads(capsys.readouterr().out)
    assert data["prompt"]["left_out"] == "not_own"
    assert data["prompt"]["rules"][0]["columns"] == {"prompt.leak_share": 1.0}
    (change,) = data["changes"]
    assert change["field"] == "keep.own"
    override = shlex.split(change["set"])[1]
    assert main(["explain", str(path), left_out, "--set", override, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["prompt"]["left_out"] is None


def test_nothing_is_there_yet(job: Job, make_job: MakeJob, tmp_path: Path) -> None:
    other = make_job(store=str(tmp_path / "nowhere"))
    text, data = told(other, first(job))
    assert "no samples of this prompt by this teacher yet" in text
    assert data["needs"][0] == "its probe: 0 of 3 samples are there and judged"
    assert not (tmp_path / "nowhere").exists()


def test_texts_of_models_do_not_rule_a_terminal(make_job: MakeJob) -> None:
    job = make_job(**RECIPE)
    prompt, _ = drawn(job, 1)[0]
    text = f"{HOSTILE}\n</think>\n\n{HOSTILE} \\boxed{{\x1b[31m\x9b7}}"
    rows = [sample(job, prompt, 0, "", 5, text=text), failed(job, prompt, 1)]
    write_pool(job, [[(prompt, row) for row in rows]])
    shown, data = told(job, prompt.prompt_id, texts=True)
    assert "format.complete=" in shown
    assert "<script>alert(1)</script>" in shown
    assert all(c == "\n" or c.isprintable() for c in shown)
    assert max(map(len, shown.splitlines())) < 2000
    assert data["samples"][0]["reasoning"].startswith("\x1b[2J"), "programs get all of it"
    assert "reasoning" not in told(job, prompt.prompt_id)[1]["samples"][0]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("p1_zzz", "no prompt of recipe sums has an id that begins with 'p1_zzz'"),
        ("p1_", "begins the ids of 12 prompts"),
        ("", "begins the ids of 12 prompts"),
        ("../../etc/passwd\x1b[2J", "no prompt of recipe sums"),
        ("p1_%", "no prompt of recipe sums"),
        ("y1_0123", "take its `prompt_id`"),
    ],
)
def test_ids_that_are_no_ones(
    given: str, message: str, job: Job, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(job.resolved))
    assert main(["explain", str(path), given]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert "\x1b" not in captured.err
    assert captured.out == ""


def test_a_beginning_is_enough_and_a_removed_prompt_is_named(
    job: Job, sums: Path, make_job: MakeJob, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    remember(job, read_prompts(job.recipe))
    gone = first(job)
    ids = read_prompts(job.recipe).frame["prompt_id"].to_list()
    others = [one for one in ids if one != gone]
    length = next(n for n in range(4, 40) if not any(one.startswith(gone[:n]) for one in others))
    assert told(job, gone[:length])[1]["prompt"]["prompt_id"] == gone
    questions = read_prompts(job.recipe).frame["messages"].to_list()
    asked = questions[ids.index(gone)][0]["content"]
    lines = [line for line in sums.read_text().splitlines() if asked not in line]
    sums.write_text("\n".join(lines))
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(make_job(**RECIPE).resolved))
    assert main(["explain", str(path), gone]) == 2
    assert "is in the pool, but not among the prompts" in capsys.readouterr().err
