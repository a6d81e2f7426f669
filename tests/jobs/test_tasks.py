"""Work on items, here and on Ray."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from jobs.recipe import Job
from jobs.tasks import MakeJob, Tasks
from schemas.errors import RunError
from tests.conftest import MakeJob as MakeTestJob


@dataclass(frozen=True)
class Number:
    name: str
    value: int
    marks: Path | None = None


def doubled(job: Job, item: Number, tables: Iterable[pl.DataFrame]) -> tuple[Any, pl.DataFrame]:
    total = sum(int(table["x"].sum()) for table in tables)
    return (job.teacher_id, 2 * item.value, total), pl.DataFrame({"x": [item.value]})


def dying(_: Job, item: Number, __: Iterable[Any]) -> tuple[int, None]:
    """Its process dies the first time that it does the item."""
    assert item.marks is not None
    mark = item.marks / item.name
    if item.value == 1 and not mark.exists():
        mark.touch()
        os._exit(1)
    return item.value, None


def refusing(_: Job, item: Number, __: Iterable[Any]) -> tuple[int, None]:
    if item.value == 2:
        raise RunError("it is two")
    return item.value, None


NUMBERS = [Number(f"number {i}", i) for i in range(5)]


@pytest.mark.usefixtures("ray_here")
@pytest.mark.parametrize("here", [9, 1])
def test_items_come_back_in_their_order_and_tables_go_on(here: int, make_job: MakeTestJob) -> None:
    job = make_job()
    with Tasks(job) as tasks:
        first = tasks.run(doubled, NUMBERS, doing="doubled", here=here)
        assert [told for told, _ in first] == [(job.teacher_id, 2 * i, 0) for i in range(5)]
        tables = [[first[0][1], first[i][1], pl.DataFrame({"x": [100]})] for i in range(5)]
        second = tasks.run(doubled, NUMBERS, tables, doing="doubled", here=here)
    assert [told[2] for told, _ in second] == [100 + i for i in range(5)]


@pytest.mark.usefixtures("ray_here")
def test_an_item_whose_worker_dies_is_done_again(
    make_job: MakeTestJob, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    numbers = [Number(f"number {i}", i, tmp_path) for i in range(3)]
    with Tasks(make_job()) as tasks:
        done = tasks.run(dying, numbers, doing="done", here=0)
    assert [told for told, _ in done] == [0, 1, 2]
    assert (tmp_path / "number 1").exists(), "it did die"
    said = capfd.readouterr()
    assert said.out == "", "which is for data"
    assert "worker died" in said.err


@pytest.mark.usefixtures("ray_here")
@pytest.mark.parametrize("here", [9, 1])
def test_an_error_names_its_item(here: int, make_job: MakeTestJob) -> None:
    with Tasks(make_job()) as tasks, pytest.raises(RunError, match=r"^number 2: it is two$"):
        tasks.run(refusing, NUMBERS, doing="done", here=here)


def test_other_code_is_refused(make_job: MakeTestJob) -> None:
    made = MakeJob.of(make_job())
    assert made().teacher_id == make_job().teacher_id
    with pytest.raises(RunError, match="other code"):
        MakeJob(made.recipe, None, made.teacher_id, made.scorer_ids, "code1_other")()
