"""Bad input: a clear message and an exit code before anything starts, or a row with a reason."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from deltalake import DeltaTable

from jobs.cli import main
from schemas.arrow import SAMPLES
from tests.conftest import MakeJob

Say = Callable[..., tuple[int, str]]
LONG = 10 * 2**20


@pytest.fixture
def say(make_job: MakeJob, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Say:
    """Runs `run` with a recipe field changed; returns the exit code and what stderr got."""

    def run(command: str = "run", **changes: Any) -> tuple[int, str]:
        recipe = tmp_path / "recipe.yaml"
        recipe.write_text(yaml.safe_dump(make_job().resolved | changes))
        code = main([command, str(recipe), *(["--allow-simulated"] if command == "run" else [])])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        assert code == 0 or captured.out == ""
        return code, captured.err

    return run


def prompts(path: Path, **fields: Any) -> list[dict[str, Any]]:
    return [
        {
            "path": str(path),
            "fields": {"prompt": "question", "reference": "answer"},
            "domain": "math",
            **fields,
        }
    ]


def write(tmp_path: Path, *lines: str | bytes) -> Path:
    path = tmp_path / "bad.jsonl"
    raw = [line.encode() if isinstance(line, str) else line for line in lines]
    path.write_bytes(b"\n".join(raw))
    return path


GOOD = '{"question": "What is 1 + 1?", "answer": "2"}'


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "no prompt is left"),
        (["", "  "], "no prompt is left"),
        ([GOOD, '{"question": "What?"}'], "bad.jsonl:2: has no field 'answer'"),
        ([GOOD, '{"question": "What is 1'], "bad.jsonl:2: not JSON"),
        ([GOOD, "[1, 2]"], "bad.jsonl:2: must be an object"),
        (['{"question": "\\ud800", "answer": "2"}'], "bad.jsonl:1: the text is not Unicode"),
        (['{"question": "1?", "answer": "\\udfff"}'], "bad.jsonl:1: the text is not Unicode"),
        ([b'{"question": "\xff\xfe", "answer": "2"}'], "cannot be read"),
        (['{"question": "", "answer": "2"}'], "must be the user's, and not be empty"),
        (['{"question": 7, "answer": "2"}'], "must be a text or a list of messages"),
        (
            ['{"question": "a?", "answer": "1"}', '{"question": "a?", "answer": "2"}'],
            "conflicting_reference",
        ),
        ([f'{{"question": "{"x" * LONG}'], "bad.jsonl:1: not JSON"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_prompt_files(lines: list[str], message: str, say: Say, tmp_path: Path) -> None:
    code, said = say(prompts=prompts(write(tmp_path, *lines)))
    assert code == 2
    assert message in said
    assert len(said) < 2_000, "a message is for people, also about ten megabytes"
    assert not (tmp_path / "store").exists(), "nothing was started"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"samplez": {}}, "did you mean 'samples'"),
        ({"scorers": {"*": ["formatt"]}}, "did you mean 'format'"),
        ({"keep": {"good": "format.completed"}}, "did you mean 'format.complete'"),
        ({"keep": {"good": "1 +"}}, "keep.good"),
        ({"teacher": {"model": "no/such/folder"}}, "teacher.model"),
        ({"teacher": {"model": "sim", "engine": "simulated", "engine_args": {"a": 1}}}, "a"),
        ({"store": "gs://bucket/x"}, "store"),
        ({"flush": {"seconds": 0}}, "flush.seconds"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_recipes(changes: dict[str, Any], message: str, say: Say, tmp_path: Path) -> None:
    code, said = say(**changes)
    assert code == 2
    assert message in said
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "has no config.json"),
        ({"config.json": "{"}, "config.json"),
        ({"config.json": "{}"}, "model_type"),
        ({"config.json": '{"model_type": "qwen2"}'}, "no weights"),
    ],
    ids=str,
)
def test_model_folders(files: dict[str, str], message: str, say: Say, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    code, said = say(teacher={"model": str(folder)})
    assert code == 2
    assert message in said
    assert str(folder) in said


def test_a_store_that_cannot_be_written(say: Say, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    code, said = say(store=str(tmp_path / "file" / "store"))
    assert code == 1
    assert "cannot be written" in said
    assert "store" in said


def test_a_pool_of_a_newer_format(say: Say, tmp_path: Path) -> None:
    DeltaTable.create(
        tmp_path / "store" / "pools" / "sums" / "samples",
        schema=SAMPLES,
        configuration={"stillhouse.format": "99"},
        raise_if_key_not_exists=False,
    )
    code, said = say()
    assert code == 1
    assert "format 99" in said
    assert "use a newer one" in said


def test_a_lease_of_another_version(say: Say, tmp_path: Path) -> None:
    pool = tmp_path / "store" / "pools" / "sums"
    pool.mkdir(parents=True)
    (pool / "writer.json").write_text('{"epoch": "many"}')
    code, said = say()
    assert code == 75
    assert "writer.json" in said


@pytest.mark.usefixtures("ray_here")
def test_hostile_prompts_cost_themselves_alone(say: Say, make_job: MakeJob, tmp_path: Path) -> None:
    """NUL, ten megabytes, beyond the context, twice: rows with reasons, or rows as any other."""
    path = write(
        tmp_path,
        GOOD,
        GOOD,
        json.dumps({"question": "nul \0 inside?", "answer": "0"}),
        json.dumps({"question": "y " * (LONG // 2), "answer": "1"}),
        json.dumps({"question": "{braces} %s \\ </think> <|im_end|>?", "answer": "{x}"}),
        json.dumps({"question": "What is 2 + 2?", "answer": None}),
    )
    source = prompts(path)
    code, said = say("generate", prompts=source)
    assert code == 0, said
    job = make_job(prompts=source)
    rows = job.pool.scan("samples").collect()
    assert rows["prompt_id"].n_unique() == 5
    failed = rows.filter(pl.col("outcome") == "failed")
    assert set(failed["failure_reason"]) == {"prompt_too_long"}
    assert failed["prompt_id"].n_unique() == 1
