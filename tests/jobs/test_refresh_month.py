"""Thirty nights of one dataset, each looked at in the morning."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from infra.catalog import Catalog
from infra.version import open_version
from jobs.cli import main
from jobs.recipe import load_job
from schemas.manifest import Manifest
from tests.conftest import ROOT
from tests.jobs.faults import KEY, wait_until
from tests.published import problems

pytestmark = pytest.mark.usefixtures("ray_here")

Told = dict[str, Any]
KILLED_WHILE_IT_DRAWS = "pass"
KILLED_BEHIND_THE_MANIFEST = (
    "import os; import jobs.refresh; jobs.refresh.write_ended = lambda *_: os.kill(os.getpid(), 9)"
)
COMMAND = "import sys; from jobs.cli import main; {patch}; sys.exit(main(sys.argv[1:]))"
SLOWLY = "teacher.engine_args={max_num_seqs: 4, tokens_per_second: 60}"
"""A quarter of a minute for twelve samples, so that there is a middle."""


@dataclass
class Month:
    """The recipe, its prompt files, and what every night has come to."""

    folder: Path
    capsys: pytest.CaptureFixture[str]
    recipe: dict[str, Any]
    a: dict[int, str] = field(default_factory=dict)
    """Numbers that are asked for -> the reference."""
    b: dict[int, str] | None = None
    twice: bool = False
    """Whether every prompt stands twice in its file."""
    nights: list[Told] = field(default_factory=list)
    killed: int = 0
    """Refreshes."""

    def __post_init__(self) -> None:
        self.write()

    def write(self) -> None:
        """The files as they are tonight."""
        for name, asked in (("a", self.a), ("b", self.b)):
            path = self.folder / f"{name}.jsonl"
            path.unlink(missing_ok=True)
            if asked is not None:
                lines = [_line(number, answer, name) for number, answer in asked.items()]
                path.write_text("".join(lines * (2 if self.twice else 1)))
        sources = [name for name, asked in (("a", self.a), ("b", self.b)) if asked is not None]
        recipe = {**self.recipe, "prompts": [self._source(name) for name in sources]}
        (self.folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))

    def _source(self, name: str) -> dict[str, Any]:
        fields = {"prompt": "question", "reference": "answer"}
        path = str(self.folder / f"{name}.jsonl")
        return {"path": path, "fields": fields, "domain": "math", "source": name}

    @property
    def arguments(self) -> list[str]:
        return ["refresh", str(self.folder / "recipe.yaml"), "--allow-simulated", "--json"]

    def night(self, status: str, *flags: str, code: int = 0, drawn: bool | None = False) -> Told:
        """A refresh, and what is looked at after every one. `drawn`: whether samples were (null:
        it does not matter)."""
        self.write()
        before = self.versions()
        self.capsys.readouterr()
        assert main([*self.arguments, *flags]) == code
        return self._looked_at(json.loads(self.capsys.readouterr().out), status, before, drawn)

    def elsewhere(
        self, status: str, *flags: str, root: Path = ROOT, drawn: bool | None = False
    ) -> Told:
        """The same in a process of its own, which may have other code."""
        before = self.versions()
        process = self.start(*flags, root=root)
        out, said = process.communicate(timeout=200)
        assert process.returncode == 0, said
        return self._looked_at(json.loads(out), status, before, drawn)

    def start(self, *flags: str, patch: str = "pass", root: Path = ROOT) -> subprocess.Popen[str]:
        """A refresh in a process of its own."""
        self.write()
        command = [sys.executable, "-c", COMMAND.format(patch=patch), *self.arguments, *flags]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        environment = {**os.environ, "PYTHONPATH": str(root)}
        return subprocess.Popen(command, cwd=root, env=environment, text=True, **pipes)

    def _looked_at(self, told: Told, status: str, before: list[str], drawn: bool | None) -> Told:
        assert told["status"] == status, told["reason"]
        self.nights.append(told)
        fresh = self.versions()[len(before) :]
        assert self.versions()[: len(before)] == before, "versions stay"
        assert len(fresh) == (status == "published")
        generated = told["generated"] or {"drawn": 0}
        assert drawn is None or bool(generated["drawn"]) == drawn, told["reason"]
        if fresh:
            assert told["version"] == fresh[-1]
            assert problems(Catalog(self.store, "month"), fresh[-1]) == []
            self._look_at_changes(told)
            self._look_at_rows()
        self.look_at_the_pool()
        return told

    def look_at_the_pool(self) -> None:
        """All that was ever drawn is there, and was drawn once."""
        samples = self.samples()
        done = [night["generated"] for night in self.nights if night["generated"]]
        told = {one["attempt"]: one["drawn"] for one in done if one["drawn"]}
        found = dict(samples["attempt"].value_counts().iter_rows())
        assert told.items() <= found.items()
        assert len(found) - len(told) <= self.killed, "whose driver could not tell"
        assert samples.select(KEY).n_unique() == samples.height

    def _look_at_changes(self, told: Told) -> None:
        """The file of changes is the difference of the rows of both versions."""
        versions = self.versions()
        now, before = (self._rows(number) for number in (versions[-1:], versions[-2:-1]))
        found = open_version("month", self.store.url).changes().collect()
        wanted = {(row, "added") for row in now.keys() - before.keys()}
        wanted |= {(row, "dropped") for row in before.keys() - now.keys()}
        wanted |= {(r, "changed") for r in now.keys() & before.keys() if now[r] != before[r]}
        assert set(found.select("id", "change").iter_rows()) == wanted
        assert wanted, "a version that is published differs"
        for kind, count in told["changes"]["sft"].items():
            assert count == sum(change == kind for _, change in wanted)

    def _rows(self, versions: list[str]) -> dict[str, Any]:
        rows: dict[str, Any] = {}
        for version in versions:
            opened = open_version(f"month@{version}", self.store.url)
            rows |= {row["id"]: row for row in opened.scan().collect().iter_rows(named=True)}
        return rows

    def _look_at_rows(self) -> None:
        """None of a prompt that is not in the list, and with tonight's references."""
        asked = {_question(n, "a"): ref for n, ref in self.a.items()}
        asked |= {_question(n, "b"): ref for n, ref in (self.b or {}).items()}
        for row in self._rows(self.versions()[-1:]).values():
            assert row["reference_answer"] == asked[row["prompt"]]

    def samples(self) -> pl.DataFrame:
        return load_job(str(self.folder / "recipe.yaml")).pool.scan("samples").collect()

    def versions(self) -> list[str]:
        return Catalog(self.store, "month").versions()

    @property
    def store(self) -> Any:
        return load_job(str(self.folder / "recipe.yaml")).store

    def newest(self) -> Manifest:
        found = Catalog(self.store, "month").latest()
        assert found is not None
        return found


def _question(number: int, source: str) -> str:
    return f"What is {number} + {7 if source == 'a' else 70}?"


def _line(number: int, reference: str, source: str) -> str:
    return json.dumps({"question": _question(number, source), "answer": reference}) + "\n"


def answers(numbers: range, source: str) -> dict[int, str]:
    return {number: str(number + (7 if source == "a" else 70)) for number in numbers}


@pytest.fixture
def month(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Month:
    """Before the first night: forty prompts, one of them with a wrong reference."""
    (tmp_path / "eval.jsonl").write_text('{"question": "How many legs have three old chairs?"}\n')
    recipe = {
        "name": "month",
        "store": str(tmp_path / "store"),
        "teacher": {"model": "sim", "engine": "simulated", "engine_args": {"max_num_seqs": 64}},
        "sampling": {"max_tokens": 512, "temperature": 0.6},
        "samples": {"probe": 2, "max": 4, "enough": 1},
        "scorers": {"math": ["math", "leaks"], "*": ["format"]},
        "keep": {"finished": "format.complete", "correct": "correct"},
        "choose": {"per_prompt": 1, "order_by": ["reasoning_tokens"]},
        "decontaminate": [str(tmp_path / "eval.jsonl")],
        "gates": {"max_source_share_drop": 0.3, "max_keep_rate_drop": 0.5},
        "flush": {"seconds": 0.3},
        "report": {"samples": 20},
    }
    return Month(tmp_path, capsys, recipe, {**answers(range(40), "a"), 3: "-1"})


def test_a_month(month: Month, tmp_path: Path) -> None:
    first_week(month)
    scores(month, tmp_path)
    sources(month)
    teachers(month)
    crashes(month)
    bad_night(month)
    budgets(month)
    assert len(month.nights) + month.killed >= 30
    assert month.versions() == [f"v{n:04d}" for n in range(1, len(month.versions()) + 1)]


def first_week(month: Month) -> None:
    """New prompts, duplicates of old ones, and nights without news."""
    told = month.night("published", drawn=True)
    assert told["generated"]["prompts_added"] == 40
    for _ in range(2):
        assert month.night("unchanged")["reason"].startswith("nothing has changed")
    month.a |= answers(range(40, 45), "a")
    told = month.night("published", drawn=True)
    assert (told["generated"]["prompts_added"], told["changes"]["sft"]["dropped"]) == (5, 0)
    month.twice = True
    month.night("unchanged")
    month.twice = False
    month.night("unchanged")


def scores(month: Month, tmp_path: Path) -> None:
    """What is judged anew is not drawn anew."""
    asked = month.samples().filter(pl.col("prompt_id").is_in(_prompt_ids(month, 3))).height
    assert asked == 4, "all that a prompt may have: none was right"
    month.a[3] = "10"
    told = month.night("published")
    assert told["generated"]["scored"] == asked, "a corrected reference"

    with (tmp_path / "eval.jsonl").open("a") as file:
        file.write('{"question": "How many wheels have nine small carts?"}\n')
    everything = month.samples().height
    told = month.night("unchanged")
    assert told["generated"]["scored"] == everything, "a longer list of evaluation sets"

    upgraded = with_another_scorer(tmp_path / "upgraded")
    told = month.elsewhere("unchanged", root=upgraded)
    assert told["generated"]["scored"] == everything, "an upgraded scorer"
    assert month.elsewhere("unchanged", root=upgraded)["same_as"] == told["refresh"]
    month.night("unchanged")


def _prompt_ids(month: Month, number: int) -> list[str]:
    job = load_job(str(month.folder / "recipe.yaml"))
    prompts = job.pool.scan("prompts").filter(pl.col("source") == "a").collect()
    text = pl.col("messages").list.last().struct.field("content")
    return prompts.filter(text == _question(number, "a"))["prompt_id"].to_list()


def with_another_scorer(root: Path) -> Path:
    """A copy of this code with the next version of a scorer."""
    for package in ("schemas", "filters", "infra", "jobs"):
        shutil.copytree(ROOT / package, root / package, ignore=shutil.ignore_patterns("*.pyc"))
    path = root / "filters/format.py"
    text = path.read_text()
    bumped = re.sub(r"(version: ClassVar\[int\] = )\d+", r"\g<1>999", text)
    assert bumped != text
    path.write_text(bumped)
    shutil.copy(ROOT / "pyproject.toml", root)
    shutil.copytree(ROOT / "requirements", root / "requirements")
    return root


def sources(month: Month) -> None:
    """One comes, goes, and comes back: it is paid for once."""
    month.b = answers(range(40), "b")
    told = month.night("published", drawn=True)
    assert told["generated"]["prompts_added"] == 40
    rows = told["rows"]["sft"]
    kept, month.b = month.b, None
    told = month.night("published")
    assert told["changes"]["sft"]["dropped"] == rows - told["rows"]["sft"] > 0
    month.night("unchanged")
    month.b = kept
    assert month.night("published")["rows"]["sft"] == rows
    del month.a[7]
    told = month.night("published")
    assert told["changes"]["sft"] == {"added": 0, "dropped": 1, "changed": 0}


def teachers(month: Month) -> None:
    """Another one is only bought if somebody says so, and the old one's samples stay."""
    month.recipe["sampling"]["temperature"] = 0.9
    told = month.night("refused", code=3)
    assert told["regeneration"]["refused"]
    assert "sampling.temperature" in told["reason"]
    before = month.samples().height
    told = month.night("published", "--accept-regeneration", drawn=True)
    assert told["generated"]["drawn"] == month.samples().height - before
    month.night("unchanged")
    month.recipe["sampling"]["temperature"] = 0.6
    month.night("published")


def crashes(month: Month) -> None:
    """Killed while it draws; killed when everything is done; and two at once."""
    month.a |= answers(range(100, 112), "a")
    had = month.samples().height
    process = month.start("--set", SLOWLY)
    wait_until(lambda: month.samples().height > had, "nothing was committed")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    month.killed += 1
    told = month.night("published", drawn=True)
    assert told["goes_on_with"] is not None

    month.a |= {112: "119"}
    process = month.start(patch=KILLED_BEHIND_THE_MANIFEST)
    process.communicate(timeout=200)
    assert process.returncode == -signal.SIGKILL
    month.killed += 1
    told = month.night("unchanged")
    assert told["goes_on_with"] is not None
    assert told["rows"]["sft"] == month.nights[-2]["rows"]["sft"] + 1

    month.a |= answers(range(113, 119), "a")
    had = month.samples().height
    process = month.start("--set", SLOWLY)
    wait_until(lambda: month.samples().height > had, "nothing was committed")
    assert main(month.arguments) == 75
    told = json.loads(month.capsys.readouterr().out)
    assert (told["status"], told["generated"]) == ("busy", None)
    assert f"process {process.pid} on" in told["reason"]
    out, said = process.communicate(timeout=200)
    assert process.returncode == 0, said
    month._looked_at(json.loads(out), "published", month.versions()[:-1], drawn=True)
    month.night("unchanged")


def bad_night(month: Month) -> None:
    """A source of which half is missing is a mistake, until somebody says that it is none."""
    assert month.b is not None
    whole = dict(month.b)
    month.b = {number: whole[number] for number in range(12)}
    told = month.night("refused", code=3)
    assert [breach["gate"] for breach in told["gates"]] == ["max_source_share_drop"]
    assert "share of source b" in told["reason"]
    assert Path(told["report"]).exists()
    assert month.night("refused", code=3)["same_as"] == told["refresh"]
    month.b = whole
    month.night("unchanged")
    month.b = {number: whole[number] for number in range(12)}
    month.night("published", "--force", "the rest of b was wrong")
    assert month.newest().provenance["forced"]["reason"] == "the rest of b was wrong"
    assert {file.path for file in month.newest().files} >= {"changes.parquet", "report.html"}


def budgets(month: Month) -> None:
    """A night that may not spend enough, and the one after."""
    month.a |= answers(range(200, 230), "a")
    slowly = "teacher.engine_args={max_num_seqs: 4, tokens_per_second: 600}"
    budget = ("--set", "refresh.budget.tokens=1500", "--set", slowly)
    told = month.night("published", *budget, drawn=True)
    assert "refresh.budget.tokens" in told["generated"]["limit"]
    told = month.night("published", drawn=True)
    assert told["generated"]["limit"] is None
    for _ in range(2):
        month.night("unchanged")
