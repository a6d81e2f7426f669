"""Rows scored again by the scorers of their recipe."""

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from infra.catalog import Catalog
from infra.folder_store import FolderStore
from infra.version import open_version
from jobs.cli import main
from jobs.prompts import read_prompts
from jobs.recipe import Job
from jobs.rescore import rescore
from jobs.run import run
from jobs.verify import verify
from schemas.errors import RecipeError, SandboxError
from schemas.manifest import Manifest
from tests.conftest import MakeJob
from tests.published import publish, publish_as_is, recipe_of

SCORERS = {"math": ["math"], "*": ["format", "language", "repetition", "refusal", "pii", "control"]}


RAN: list[Path] = []


@pytest.fixture
def job(make_job: MakeJob, ray_here: None, tmp_path_factory: pytest.TempPathFactory) -> Job:
    """A version of real samples, some of whose answers are wrong; drawn once."""
    made = make_job(scorers=SCORERS, keep={"finished": "format.complete"})
    if not RAN:
        run(made, read_prompts(made.recipe), pilot=False, allow_simulated=True)
        RAN.append(tmp_path_factory.mktemp("ran") / "store")
        shutil.copytree(made.store.url, RAN[0])
    else:
        shutil.copytree(RAN[0], made.store.url)
    return made


def again(job: Job, tmp_path: Path, change: Any, **facts: Any) -> Manifest:
    """The next version, with changed rows and everything else as it was."""
    version = open_version("sums", job.store.url)
    rows = version.arrow().to_pylist()
    for number, row in enumerate(rows):
        change(number, row)
    kept = ("recipe", "scorers", "teacher", "cut")
    same = {name: getattr(version.manifest, name) for name in kept}
    part = pa.Table.from_pylist(rows, schema=version.arrow().schema)
    catalog = Catalog(job.store, "sums")
    return publish_as_is(catalog, tmp_path, part, **{**same, **facts})


def nothing(_: int, __: dict[str, Any]) -> None:
    """Changes no row."""


def test_scores_are_what_they_were(job: Job, capsys: pytest.CaptureFixture[str]) -> None:
    store = job.store.url
    rows = open_version("sums", store).scan().collect()
    assert rows["correct"].n_unique() == 2
    text, told, code = verify(store, "sums", 1.0)
    assert (code, told["problems"]) == (0, [])
    assert told["rescored"]["rows"] == rows.height
    assert f"{rows.height} rows were scored again" in text
    assert "rows lack what they depend on: format.missing_open, format.longest_paragraph" in text
    assert main(["verify", "sums", "--store", store, "--rescore", "0.5", "--json"]) == 0
    half = json.loads(capsys.readouterr().out)["rescored"]["rows"]
    assert 0 < half < rows.height
    assert main(["verify", "sums", "--store", store, "--rescore", "0.5", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rescored"]["rows"] == half
    assert main(["verify", "sums", "--store", store, "--rescore", "1.5"]) == 2
    with pytest.raises(RecipeError, match="must be a share"):
        verify(store, "sums", 0.0)


def test_every_difference_is_told(job: Job, tmp_path: Path) -> None:
    def forge(number: int, row: dict[str, Any]) -> None:
        if number < 5:
            row["scores"]["math"]["verdict"], row["correct"] = "timeout", None
        if number == 7:
            row["scores"]["language"]["reason"] = "made_up"
            row["scores"]["repetition"]["share"] = 0.5

    rows = open_version("sums", job.store.url).scan().collect()
    again(job, tmp_path, forge)
    text, told, code = verify(job.store.url, "sums", 1.0)
    assert code == 1
    assert told["rescored"]["differences"] == {
        "language.reason": 1,
        "math.verdict": 5,
        "repetition.share": 1,
    }
    language, math, repetition = told["problems"]
    assert language.startswith(f"language.reason differs in 1 of {rows.height} rows")
    assert f"{rows['id'][7]} ('made_up', now None)" in language
    now = "true" if rows["correct"][0] else "false"
    assert f"{rows['id'][0]} ('timeout', now '{now}')" in math
    assert math.endswith(", …"), "the first few"
    assert math.count("'timeout'") == 3
    assert "(0.5, now 0.0)" in repetition
    assert "damaged" in text


def test_a_changed_text_has_other_scores(job: Job, tmp_path: Path) -> None:
    def answer(number: int, row: dict[str, Any]) -> None:
        if number == 0:
            row["response"] = "Write to jane@acme-widgets.com: \\boxed{-7}"

    again(job, tmp_path, answer)
    differences = verify(job.store.url, "sums", 1.0)[1]["rescored"]["differences"]
    assert {"math.answer", "pii.reason"} <= set(differences)


def test_what_cannot_be_asked_is_said(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scorer of another version, one that is not known any more, one whose evaluation sets are
    not here, and one that has no sandbox here."""
    scorers = {**job.scorer_ids, "math": "k1_of_then", "gone": "k", "leaks": "k", "code": "k"}
    recipe = {**job.resolved, "decontaminate": [{"path": str(tmp_path / "no.jsonl")}]}
    again(job, tmp_path, nothing, scorers=scorers, recipe=recipe)

    def refuse(*_: object, **__: object) -> None:
        raise SandboxError("no namespaces")

    monkeypatch.setattr("jobs.guarded.Bubblewrap", refuse)
    text, told, code = verify(job.store.url, "sums", 1.0)
    assert (code, told["problems"]) == (0, [])
    assert f"math is another scorer now: {job.scorer_ids['math']}" in text
    for name, why in (("gone", "unknown scorer"), ("leaks", "no.jsonl"), ("code", "no namespaces")):
        assert any(line.strip().startswith(f"{name} was not asked: ") for line in text.splitlines())
        assert why in text


def test_what_has_no_answer_is_not_scored(job: Job, tmp_path: Path) -> None:
    def cut(number: int, row: dict[str, Any]) -> None:
        if number == 3:
            row["response"] = ""

    again(job, tmp_path, cut)
    done = rescore(open_version("sums", job.store.url), 1.0, lambda _: None)
    assert (done.unanswered, done.counts) == (1, {})
    assert any("1 rows without an answer" in remark for remark in done.remarks())


def test_a_majority_is_no_reference(job: Job, tmp_path: Path) -> None:
    """Scored without one, the rows of a prompt that has none have no verdict."""

    def vote(_: int, row: dict[str, Any]) -> None:
        row["reference_from"] = "majority"

    again(job, tmp_path, vote)
    done = rescore(open_version("sums", job.store.url), 1.0, lambda _: None)
    assert {now for *_, name, _, now in done.differences if name == "verdict"} == {None}
    assert done.counts["math", "verdict"] == done.rows


def test_programs_run_again(tmp_path: Path) -> None:
    """In the sandbox, against the tests that the row has as its reference."""
    store = FolderStore(tmp_path / "store")
    store.create()
    rows = {
        "domain": ["code"] * 2,
        "response": [f"```python\nprint({n})\n```" for n in (3, 4)],
        "reference_answer": ['[{"input": "", "output": "3\\n"}]'] * 2,
        "reference_from": ["prompt"] * 2,
        "finish_reason": ["stop"] * 2,
        "scores": [{"code": {"verdict": "true"}}] * 2,
        "correct": [True] * 2,
    }
    recipe = recipe_of("data", scorers={"code": ["code"]})
    publish(Catalog(store, "data"), tmp_path, pa.table(rows), recipe=recipe, scorers={"code": "k"})
    _, told, _ = verify(str(store.root), "data", 1.0)
    assert told["problems"] == [
        "code.verdict (which is another scorer now) differs in 1 of 2 rows: "
        "y000001 ('true', now 'false')"
    ]
