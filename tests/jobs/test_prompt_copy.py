"""The copy of a prompt list is the list, or it is not used."""

import json
from pathlib import Path
from typing import Any

import pytest

from jobs import prompt_copy
from jobs.prompt_copy import keep_prompts, load_prompts
from jobs.prompts import PromptList, read_prompts
from jobs.recipe import Job
from schemas.errors import RecipeError
from schemas.recipe import Recipe

ROWS = [{"q": "one?", "a": "1"}, {"q": "zwei ∑?", "a": None}, {"q": "one?", "a": "1"}]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "store").mkdir()
    path = tmp_path / "p.jsonl"
    path.write_text("\n".join(map(json.dumps, ROWS)))
    return path


def make_job(files: Path, **source: Any) -> Job:
    fields = {"prompt": "q", "reference": "a"}
    return Job.of(
        Recipe.model_validate(
            {
                "name": "x",
                "store": str(files.parent / "store"),
                "prompts": [{"path": str(files), "fields": fields, **source}],
                "teacher": {"model": "m", "engine": "simulated"},
            }
        )
    )


def copied(job: Job) -> bool:
    """Whether the list comes from the copy."""
    return load_prompts(job).origin is None


def assert_same(found: PromptList, expected: PromptList) -> None:
    assert found.frame.equals(expected.frame)
    assert found.frame.schema == expected.frame.schema
    assert (found.dropped, found.digest) == (expected.dropped, expected.digest)


def kept(files: Path) -> Job:
    job = make_job(files)
    keep_prompts(job, load_prompts(job))
    assert copied(job)
    return job


def test_it_comes_back_as_it_was(files: Path) -> None:
    assert not copied(make_job(files))
    job = kept(files)
    assert_same(load_prompts(job), read_prompts(job.recipe))
    assert load_prompts(job).dropped == {"duplicate_prompt": 1}


def test_other_files_templates_and_code_are_read_again(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = kept(files)
    assert not copied(make_job(files, template="Q: {prompt}"))
    with monkeypatch.context() as patch:
        patch.setattr(prompt_copy, "code_digest", lambda: "another")
        assert not copied(job)
    files.write_text(json.dumps({"q": "three?", "a": "3"}))
    assert_same(load_prompts(job), read_prompts(job.recipe))
    keep_prompts(job, load_prompts(job))
    assert copied(job), "the newer one took its place"
    files.write_text("{")
    with pytest.raises(RecipeError, match="not JSON"):
        load_prompts(job)


def test_a_part_of_the_list_is_not_kept(files: Path) -> None:
    job = make_job(files)
    keep_prompts(job, load_prompts(job).first(1))
    assert not copied(job)
    keep_prompts(job, load_prompts(job).first(None))
    assert copied(job)


def test_files_that_changed_meanwhile_are_not_kept(files: Path) -> None:
    job = make_job(files)
    prompts = load_prompts(job)
    files.write_text(json.dumps({"q": "three?", "a": "3"}))
    keep_prompts(job, prompts)
    assert not copied(job)
    files.unlink()
    keep_prompts(job, prompts)
    with pytest.raises(RecipeError, match="no such file"):
        load_prompts(job)


@pytest.mark.parametrize("torn", [b"", b"PAR1", None])
def test_a_torn_copy_is_passed_over(torn: bytes | None, files: Path) -> None:
    job = kept(files)
    (copy,) = (files.parent / "store").rglob("prompt_lists/*.parquet")
    copy.write_bytes(copy.read_bytes()[:-20] if torn is None else torn)
    assert_same(load_prompts(job), read_prompts(job.recipe))
    keep_prompts(job, load_prompts(job))
    assert copied(job)
