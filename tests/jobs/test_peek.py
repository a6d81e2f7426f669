"""Peek: random samples of each kind, also of a pool that is just being filled."""

from pathlib import Path
from typing import Any

import pytest
import yaml

import jobs.peek
from jobs.cli import main
from jobs.fates import samples_with_fates
from jobs.peek import peek
from jobs.prompts import read_prompts
from jobs.recipe import Job
from schemas.errors import RecipeError
from tests.conftest import MakeJob
from tests.pools import drawn, write_pool

RECIPE: dict[str, Any] = {
    "scorers": {"math": ["math"], "*": ["format"]},
    "samples": {"probe": 4, "max": 6, "enough": 2},
}


def peeked(job: Job, count: int = 3, seed: int | None = 1, **more: Any) -> tuple[str, Any]:
    return peek(job, read_prompts(job.recipe), count=count, seed=seed, **more)


@pytest.fixture
def job(make_job: MakeJob) -> Job:
    """Six samples of each of twelve prompts, in three files."""
    job = make_job(**RECIPE)
    rows = drawn(job, 6)
    write_pool(job, [rows[:20], rows[20:50], rows[50:]])
    return job


def test_kept_and_rejected_with_reasons(job: Job) -> None:
    text, found = peeked(job)
    assert [len(rows) for rows in found.values()] == [3, 3]
    assert not any(row["reason"] for row in found["kept"])
    assert {row["reason"] for row in found["rejected"]} == {"not_correct"}
    for row in (*found["kept"], *found["rejected"]):
        assert row["prompt_id"] in text, "`explain` is asked for it"
        assert row["reasoning"][:40] in text
    assert "stillhouse explain" in text
    assert peeked(job) == (text, found), "the same seed shows the same"


@pytest.mark.parametrize("at_once", [1, 5, 10_000])
def test_all_there_are_are_found_once(
    job: Job, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs.peek, "PROMPTS_AT_ONCE", at_once)
    monkeypatch.setattr(jobs.peek, "ROWS_PER_FILE", 1)
    every = samples_with_fates(job, read_prompts(job.recipe))
    wanted = {
        (prompt, index): fate
        for prompt, index, fate in every.select("prompt_id", "sample_index", "fate").iter_rows()
    }
    _, found = peeked(job, count=1000)
    rows = [*found["kept"], *found["rejected"]]
    assert len(rows) == len(wanted) == 72
    assert {(row["prompt_id"], row["sample_index"]): row["fate"] for row in rows} == wanted
    for reason in ("surplus", "published", "not_correct", "beyond_per_prompt"):
        _, found = peeked(job, count=1000, reason=reason)
        own = {(row["prompt_id"], row["sample_index"]) for row in found[reason]}
        ended = {key for key, fate in wanted.items() if fate == reason}
        assert own >= ended
        assert own
        assert all(reason in (row["fate"], row["reason"]) for row in found[reason])


def test_seeds_differ(job: Job) -> None:
    seen = {peeked(job, count=1, seed=seed)[1]["kept"][0]["prompt_id"] for seed in range(20)}
    assert len(seen) > 5


def test_what_is_not_there_is_said(job: Job, make_job: MakeJob, tmp_path: Path) -> None:
    text, found = peeked(make_job(**RECIPE, store=str(tmp_path / "nowhere")))
    assert "the pool has no samples of this recipe's prompts by its teacher yet" in text
    assert found == {"kept": [], "rejected": []}
    text, found = peeked(job, reason="failed_engine_error")
    assert "failed_engine_error: none of 72 samples so far, 72 of them judged" in text
    more = {**RECIPE["scorers"], "*": ["format", "repetition"]}
    text, _ = peeked(make_job(**{**RECIPE, "scorers": more}))
    assert "kept: none of 72 samples so far, 0 of them judged" in text
    assert len(peeked(make_job(**{**RECIPE, "scorers": more}), reason="not_scored")[1]) == 1


def test_what_no_sample_can_be(job: Job, tmp_path: Path, capsys: Any) -> None:
    with pytest.raises(RecipeError, match="did you mean 'not_correct'"):
        peeked(job, reason="not_corect")
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(job.resolved))
    assert main(["peek", str(path), "--reason", "nonsense"]) == 2
    assert main(["peek", str(path), "--count", "0"]) == 2
    assert "at least 1" in capsys.readouterr().err
    assert main(["peek", str(path), "--reason", "surplus", "--count", "1"]) == 0
    assert "── surplus: surplus ──" in capsys.readouterr().out


def test_chosen_is_not_published_where_all_prompts_count(make_job: MakeJob, job: Job) -> None:
    _, found = peeked(make_job(**RECIPE, target={"published": 1}), count=100)
    fates = {row["fate"] for row in found["kept"]}
    assert "chosen" in fates
    assert "published" not in fates
