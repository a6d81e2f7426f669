"""Programs as a domain of their own: published when they pass, refused where nothing isolates."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from examples.small_programs import INPUTS, tasks
from infra.catalog import Catalog
from jobs import guarded
from jobs.annotate import annotate
from jobs.judge import RecipeJudge
from jobs.prompts import read_prompts, reference_text
from jobs.recipe import Job
from jobs.run import run
from schemas.errors import SandboxError
from tests.conftest import MakeJob
from tests.published import folder_of

ROOT = Path(__file__).parents[2]
SCORERS = {"math": ["math"], "code": ["code"], "*": ["format"]}


def mixed(make_job: MakeJob, sums: Path) -> Job:
    source = {"source": "made", "license": "CC0-1.0"}
    return make_job(
        name="mixed",
        prompts=[
            source
            | {
                "path": str(sums),
                "fields": {"prompt": "question", "reference": "answer"},
                "domain": "math",
            },
            source
            | {
                "path": str(ROOT / "examples" / "programs.jsonl"),
                "fields": {"prompt": "question", "reference": "tests"},
                "domain": "code",
            },
        ],
        scorers=SCORERS,
    )


def answers(program: str, tests: list[dict[str, Any]]) -> list[Any]:
    """What the program says to the tests' inputs, in a plain interpreter."""
    code = program.split("```python\n")[1].split("```")[0]
    found = []
    for test, x in zip(tests, INPUTS, strict=True):
        call = f"\nprint(f({x}))" if "call" in test else ""
        command = [sys.executable, "-c", code + call]
        ran = subprocess.run(command, input=f"{x}\n", capture_output=True, text=True, check=True)
        found.append(int(ran.stdout))
    return found


@pytest.mark.usefixtures("ray_here")
def test_mathematics_and_programs_in_one_version(make_job: MakeJob, sums: Path) -> None:
    job = mixed(make_job, sums)
    ran = run(job, read_prompts(job.recipe), pilot=False, allow_simulated=True)
    assert ran.published is not None
    rows = pl.read_parquet(folder_of(Catalog(job.store, "mixed"), "v0001") / "sft" / "*.parquet")
    by_domain = {domain[0]: part for domain, part in rows.group_by("domain")}
    assert set(by_domain) == {"math", "code"}
    expected = {task.question: task.tests for task, _ in zip(tasks(3), range(60), strict=False)}
    for row in by_domain["code"].head(6).iter_rows(named=True):
        tests = expected[row["prompt"]]
        wanted = [int(test.get("returns") or test.get("output", 0)) for test in tests]
        assert answers(row["response"], tests) == wanted
    scores = job.pool.scan("scores").filter(pl.col("scorer") == "code").collect()
    reasons = set(scores["reason"].drop_nulls())
    assert (
        {"wrong_answer", "crash", "syntax_error"}
        <= reasons
        <= {
            "wrong_answer",
            "crash",
            "syntax_error",
            "no_code",
        }
    )
    isolations = {json.loads(values)["isolation"] for values in scores["values"]}
    assert all(isolation.startswith("bubblewrap") for isolation in isolations)


ROWS = [
    {"prompt": "?", "response": "```python\ndef f(x): return x + 1\n```", "tests": tests}
    for tests in (["assert f(1) == 2"], [{"call": "f", "arguments": [1], "returns": 3}], "", None)
]


def annotated(tmp_path: Path) -> pl.DataFrame:
    source = tmp_path / "in.jsonl"
    source.write_text("\n".join(map(json.dumps, ROWS)))
    annotate(str(source), ["code"], str(tmp_path / "out.jsonl"))
    return pl.read_ndjson(tmp_path / "out.jsonl")


def test_annotate_runs_the_tests_of_a_column(tmp_path: Path) -> None:
    frame = annotated(tmp_path)
    assert frame["code.correct"].to_list() == [True, False, None, None]
    assert frame["code.reason"].to_list() == [None, "wrong_answer", *["no_reference"] * 2]


@pytest.fixture
def nothing_isolates(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(slots: int, *, with_libraries: bool) -> None:
        raise SandboxError("sandbox: there is no bubblewrap")

    monkeypatch.setattr(guarded, "Bubblewrap", refuse)


@pytest.mark.usefixtures("nothing_isolates")
def test_annotate_says_that_nothing_isolates(tmp_path: Path) -> None:
    frame = annotated(tmp_path)
    assert frame["code.reason"].to_list() == ["no_sandbox"] * 2 + ["no_reference"] * 2
    assert frame["code.verdict"].to_list() == [None] * 4


@pytest.mark.usefixtures("nothing_isolates")
def test_a_run_stops_where_nothing_isolates(make_job: MakeJob, sums: Path) -> None:
    with pytest.raises(SandboxError, match="no bubblewrap"):
        RecipeJudge(mixed(make_job, sums))
    RecipeJudge(make_job()).close()


def test_references_that_are_tests_are_json() -> None:
    assert reference_text([{"b": 1, "a": "é"}]) == '[{"a": "é", "b": 1}]'
    assert reference_text("x") == "x"
    assert reference_text(5) == "5"
    assert reference_text(None) is None
