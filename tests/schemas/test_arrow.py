"""What is written to the tables comes back as it was."""

from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.arrow import PROMPTS, SAMPLES, SCORES
from schemas.prompt import Prompt
from schemas.sample import Sample
from schemas.score import Score, ScoreRow
from tests.builders import make_prompt, make_sample

STORABLE = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)


def through_parquet(row: dict[str, Any], schema: pa.Schema, path: Path) -> dict[str, Any]:
    pq.write_table(pa.Table.from_pylist([row], schema=schema), path)
    read: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return read[0]


@pytest.mark.parametrize(
    ("row", "schema"), [(Prompt, PROMPTS), (Sample, SAMPLES), (ScoreRow, SCORES)]
)
def test_every_field_has_a_column_in_its_order(row: Any, schema: pa.Schema) -> None:
    assert [field.name for field in fields(row)] == schema.names


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=STORABLE,
    ids=st.none() | st.lists(st.integers(0, 2**31 - 1)).map(tuple),
    logprobs=st.none() | st.lists(st.floats(max_value=0, width=32)).map(tuple),
)
def test_samples_come_back(
    text: str, ids: tuple[int, ...] | None, logprobs: tuple[float, ...] | None, tmp_path: Path
) -> None:
    sample = make_sample(text, token_ids=ids, token_logprobs=logprobs)
    assert Sample.from_row(through_parquet(sample.to_row(), SAMPLES, tmp_path / "x")) == sample


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(question=STORABLE, reference=st.none() | STORABLE)
def test_prompts_come_back(question: str, reference: str | None, tmp_path: Path) -> None:
    prompt = make_prompt(question, reference, source="here")
    assert Prompt.from_row(through_parquet(asdict(prompt), PROMPTS, tmp_path / "x")) == prompt


def test_scores_come_back(tmp_path: Path) -> None:
    row = ScoreRow.of(
        Score(values={"share": 0.25, "script": None}, reason="mixed"),
        scorer="language",
        scorer_id="k1",
        prompt_id="p1",
        teacher_id="t1",
        sample_index=3,
        text_digest="x1",
        reference_id="r1",
    )
    assert ScoreRow(**through_parquet(row.to_row(), SCORES, tmp_path / "x")) == row
