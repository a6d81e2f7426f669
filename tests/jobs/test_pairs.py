"""Pairs of a pool's samples, with the texts that these samples have there."""

from functools import partial

import polars as pl
import pytest

from filters.pairs import pairs_of
from filters.preference import preference_rows, with_both_texts
from jobs.fates import samples_with_fates, with_texts
from jobs.generate import generate
from jobs.prompts import read_prompts
from schemas.outputs import PREFERENCE
from tests.conftest import MakeJob


@pytest.mark.usefixtures("ray_here")
def test_pairs_of_a_pool(make_job: MakeJob) -> None:
    job = make_job(
        outputs=["preference"],
        scorers={"math": ["math"], "*": ["format", "signature"]},
        samples={"probe": 8, "max": 8},
        pairs={"per_prompt": 2, "length_ratio": 3},
    )
    prompts = read_prompts(job.recipe)
    generate(job, prompts)
    assert job.pairer is not None
    texts = partial(with_texts, job)
    pairs = pairs_of(samples_with_fates(job, prompts), job.chooser, job.pairer, texts)
    assert pairs.height > 6
    asked = job.pool.scan("prompts").select("prompt_id", "messages", "reference", "license")
    wide = with_both_texts(pairs, texts).join(asked.collect(), on="prompt_id", how="left")
    rows = preference_rows(wide, "sim")
    assert rows.schema == pl.Schema(PREFERENCE)
    assert rows["license"].unique().to_list() == ["CC0-1.0"]

    pool = job.pool.scan("samples").select("prompt_id", "sample_index", "text", "text_digest")
    written = pool.collect()
    for side in ("chosen", "rejected"):
        own = rows.join(
            written,
            left_on=["prompt_id", f"{side}_index"],
            right_on=["prompt_id", "sample_index"],
            validate="1:1",
        )
        assert own.height == rows.height
        assert own["text_digest"].equals(own[f"{side}_digest"], check_names=False)
        for content, text in zip(
            own[side].list.first().struct["content"], own["text"], strict=True
        ):
            thinking, answer = content.removeprefix("<think>\n").split("\n</think>\n\n")
            assert thinking in text
            assert answer in text.partition("</think>")[2]
    told = rows.select("chosen_answer", "reference_answer", "rejected_answer")
    assert all(right == reference != wrong for right, reference, wrong in told.iter_rows())
