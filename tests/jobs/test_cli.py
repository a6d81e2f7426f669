"""The command line: what it prints where, and its exit codes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from jobs.cli import main
from jobs.commands import COMMANDS
from tests.conftest import ROOT, MakeJob


@pytest.fixture
def recipe(make_job: MakeJob, tmp_path: Path) -> str:
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(make_job().resolved))
    return str(path)


def test_plan_touches_nothing(
    recipe: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", recipe, "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert (plan["prompts"], plan["samples_exist"]) == (12, 0)
    assert plan["bounds"]["samples_at_least"] == 36
    assert plan["bounds"]["samples_at_most"] == 72
    assert plan["bounds"]["tokens_at_most"] == 72 * 512
    assert not (tmp_path / "store").exists()
    assert main(["run", recipe, "--dry-run"]) == 0
    assert not (tmp_path / "store").exists()


@pytest.mark.usefixtures("ray_here")
def test_a_dataset_by_the_command_line(
    recipe: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = str(tmp_path / "store")
    assert main(["run", recipe, "--allow-simulated", "--json"]) == 0
    ran = json.loads(capsys.readouterr().out)
    assert (ran["status"], ran["version"]) == ("published", "v0001")
    assert ran["samples"] == sum(ran["funnel"].values()) == ran["generated"]["drawn"]

    assert main(["run", recipe, "--allow-simulated"]) == 0
    assert "nothing to do" in capsys.readouterr().out

    assert main(["plan", recipe, "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["settled"] == plan["prompts"] == 12
    assert plan["bounds"]["samples_at_most"] == 0

    assert main(["build", recipe, "--set", "choose.per_prompt=1", "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["published"] <= 12
    assert main(["versions", "sums", "--store", store, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["versions"]) == 1
    assert main(["show", "sums@v0001", "--store", store]) == 0
    assert "published" in capsys.readouterr().out
    assert main(["peek", recipe, "--count", "2", "--seed", "7", "--json"]) == 0
    peeked = json.loads(capsys.readouterr().out)
    assert (len(peeked["kept"]), len(peeked["rejected"])) == (2, 2)
    assert all(row["reason"] for row in peeked["rejected"])

    assert main(["verify", "sums", "--store", store]) == 0
    part = next(Path(ran["location"]).glob("sft/*.parquet"))
    damaged = bytearray(part.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    part.write_bytes(damaged)
    assert main(["verify", "sums@v0001", "--store", store]) == 1
    assert "sha256" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "code", "message"),
    [
        (["run", "none.yaml"], 2, "none.yaml"),
        (["run", "{recipe}", "--set", "samples.maxx=1"], 2, "did you mean 'max'"),
        (["run", "{recipe}", "--limit", "0"], 2, "at least 1"),
        (["run", "{recipe}"], 2, "--allow-simulated"),
        (["build", "{recipe}", "--allow-simulated"], 1, "there is no row of sft"),
        (["annotate", "{recipe}", "--scorer", "math", "-o", "o.jsonl"], 2, "cannot read '.yaml'"),
        (["verify", "none"], 1, "no published version"),
        (["verify", "none@v0001"], 1, "no version 'v0001'"),
        (["annotate", "none.jsonl", "--scorer", "mth", "-o", "o.jsonl"], 2, "did you mean 'math'"),
    ],
)
def test_exit_codes(
    argv: list[str], code: int, message: str, recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([part.format(recipe=recipe) for part in argv]) == code
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.out == ""
    assert "Traceback" not in captured.err


def test_doctor_is_content_here(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    assert all(check["sound"] for check in json.loads(capsys.readouterr().out)["checks"])


@pytest.mark.parametrize("command", [command.name for command in COMMANDS])
def test_help_teaches(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    assert len(capsys.readouterr().out) > 100


def test_usage_errors_exit_with_2() -> None:
    with pytest.raises(SystemExit) as caught:
        main(["nonsense"])
    assert caught.value.code == 2


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, jobs.cli; jobs.cli.parser().format_help(); "
        "print([m for m in ('ray', 'vllm', 'polars', 'pyarrow', 'torch') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout.strip() == "[]"
