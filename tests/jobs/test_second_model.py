"""The whole path with a model that is nothing like the tiny teacher, on a real vLLM engine."""

from pathlib import Path

import polars as pl
import pytest

from infra.catalog import Catalog
from jobs.prompts import read_prompts
from jobs.run import run
from tests.conftest import MakeJob
from tests.models import make_random_llama
from tests.published import problems

pytestmark = [
    pytest.mark.engine,
    pytest.mark.timeout(600),
    pytest.mark.usefixtures("ray_here"),
]


def test_nothing_is_fitted_to_the_tiny_teacher(make_job: MakeJob, tmp_path: Path) -> None:
    """Random weights over bytes: no think tags, another template, text that is barely Unicode."""
    model = make_random_llama(tmp_path / "llama")
    job = make_job(
        teacher={
            "model": str(model),
            "engine_args": {"dtype": "float32", "enforce_eager": True, "max_num_seqs": 16},
        },
        sampling={"max_tokens": 48, "temperature": 1.0},
        samples={"probe": 2, "max": 3, "enough": 1},
        keep={"long": "answer_tokens >= 40"},
        choose={"per_prompt": 1},
    )
    prompts = read_prompts(job.recipe)
    ran = run(job, prompts, pilot=False, allow_simulated=False)

    samples = job.pool.scan("samples").collect()
    assert samples.height == ran.generated.drawn >= 24
    assert set(samples["engine"]) == {"vllm"}
    assert samples["reasoning"].null_count() == samples.height
    assert samples["reasoning_tokens"].to_list() == [0] * samples.height
    assert not samples["thinking_open"].any()
    truncated = samples.filter(pl.col("finish_reason") == "length")
    assert truncated["token_ids"].list.len().unique().to_list() == [48]
    assert ran.decided.unsettled == 0
    assert ran.published is not None
    rows = pl.read_parquet(Path(ran.published.location) / "sft" / "*.parquet")
    assert 0 < rows.height <= 12
    assert (
        rows["messages"].list.last().struct.field("content").to_list() == rows["response"].to_list()
    )
    assert problems(Catalog(job.store, "sums"), "v0001") == []

    again = run(job, prompts, pilot=False, allow_simulated=False)
    assert again.generated.attempt is None
    assert again.published is not None
    assert not again.published.fresh
