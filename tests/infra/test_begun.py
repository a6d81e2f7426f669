"""Half drawn samples on their way to another engine."""

import math
from array import array
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from infra.begun import read_begun, read_row, read_truncated, write_begun
from infra.messages import Place
from infra.spool import write_file, write_table
from schemas.arrow import SAMPLES
from schemas.ports import Begun
from tests.builders import make_sample, without_column


def test_they_are_found_by_their_place(tmp_path: Path) -> None:
    path = tmp_path / "begun.parquet"
    known, unknown = array("f", [-0.1, -0.25, -0.75]), array("f", [-0.5])
    samples = [Begun((1, 2, 3), known, -0.4), Begun((7,), unknown, None)]
    write_begun(str(path), samples)
    assert [read_begun(Place(str(path), row)) for row in (0, 1)] == samples


def test_one_that_is_lost_or_torn_is_drawn_anew(tmp_path: Path) -> None:
    assert read_begun(Place(str(tmp_path / "none.parquet"), 0)) is None
    torn = tmp_path / "torn.parquet"
    torn.write_bytes(b"PAR1 and no more")
    assert read_begun(Place(str(torn), 0)) is None


def test_truncated_samples_are_rows_of_the_table(tmp_path: Path) -> None:
    path = tmp_path / "apart.parquet"
    some = {"token_logprobs": (-0.75, -0.25), "mean_logprob": -0.5}
    samples = [make_sample(f"s{n}", token_ids=(n, 7), **some) for n in range(3)]
    write_file(str(path), SAMPLES, [sample.to_row() for sample in samples])
    place = Place(str(path), 2)
    assert read_truncated(place) == Begun((2, 7), array("f", [-0.75, -0.25]), -0.5)
    assert read_row(place)["text"] == "s2"
    with pytest.raises(FileNotFoundError):  # one that is drawn anew would be a short one
        read_truncated(Place(str(tmp_path / "none.parquet"), 0))


def picked(begun: Begun | None) -> tuple[Any, ...]:
    assert begun is not None
    return begun.token_ids, [math.isnan(one) for one in begun.token_logprobs], begun.mean_logprob


def test_one_from_before_logprobs_were_kept_says_that_they_are_not_known(tmp_path: Path) -> None:
    path = tmp_path / "apart.parquet"
    row = make_sample(token_ids=(4, 7), mean_logprob=-0.5).to_row()
    write_file(str(path), without_column(SAMPLES, "token_logprobs"), [row])
    assert picked(read_truncated(Place(str(path), 0))) == ((4, 7), [True, True], -0.5)
    handed = tmp_path / "begun.parquet"
    write_table(str(handed), pa.table({"token_ids": [[4, 7]], "logprob": [-1.0]}))
    assert picked(read_begun(Place(str(handed), 0))) == ((4, 7), [True, True], None)
    again = tmp_path / "again.parquet"
    write_begun(str(again), [Begun((4, 7), array("f", [math.nan, -0.5]), -0.25)])
    assert picked(read_begun(Place(str(again), 0))) == ((4, 7), [True, False], -0.25)
