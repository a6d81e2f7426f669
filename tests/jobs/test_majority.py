"""Prompts without a reference: what most samples answer stands in for it, and is marked."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from jobs.prompts import read_prompts
from jobs.run import run
from jobs.shard import canned_answers
from tests.conftest import MakeJob


def read_manifest(folder: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return loaded


@pytest.mark.usefixtures("ray_here")
def test_the_majority_is_the_reference_where_there_is_none(
    make_job: MakeJob, tmp_path: Path
) -> None:
    path = tmp_path / "open.jsonl"
    rows = [
        {"q": f"What is {n} + {n * n}?", "a": "7" if n % 2 == 0 else " " if n == 3 else None}
        for n in range(3, 13)
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    job = make_job(
        prompts=[
            {"path": str(path), "fields": {"prompt": "q", "reference": "a"}, "domain": "math"}
        ],
        teacher={
            "model": "sim",
            "engine": "simulated",
            "engine_args": {"max_num_seqs": 32, "accuracy": 0.8},
        },
        samples={"probe": 8, "max": 8, "enough": 8},
        keep={"finished": "format.complete"},
        scorers={"math": ["math"], "*": ["format", "refusal"]},
        choose={"per_prompt": 1, "where": "group.agrees and group.vote_share > 0.5"},
    )
    ran = run(job, read_prompts(job.recipe), pilot=False, allow_simulated=True)
    assert ran.published is not None
    assert read_manifest(Path(ran.published.location))["teacher"]["canned_answers"] == 0
    canned = pl.DataFrame({"refusal.canned": [True, None, False, True]})
    assert canned_answers(canned) == 2
    assert canned_answers(canned.drop("refusal.canned")) is None
    rows_read = pl.read_parquet(Path(ran.published.location) / "sft" / "*.parquet")
    assert rows_read.height == 10, "of eight samples that are right at 0.8 most agree"
    said = rows_read.filter(pl.col("reference_from") == "majority")
    assert said.height == 5
    for prompt, reference, answer, correct in said.select(
        "prompt", "reference_answer", "answer", "correct"
    ).iter_rows():
        left, right = prompt.removeprefix("What is ").removesuffix("?").split(" + ")
        assert reference == answer == str(int(left) + int(right))
        assert correct is None, "nobody has verified it"
    given = rows_read.filter(pl.col("reference_from") == "prompt")
    assert given["reference_answer"].unique().to_list() == ["7"], "a given one is never replaced"
    assert not given["correct"].any()
