"""Half drawn samples on their way to another engine."""

from pathlib import Path

import pytest

from infra.begun import read_begun, read_row, read_truncated, write_begun
from infra.messages import Place
from infra.spool import write_file
from schemas.arrow import SAMPLES
from schemas.ports import Begun
from tests.builders import make_sample


def test_they_are_found_by_their_place(tmp_path: Path) -> None:
    path = tmp_path / "begun.parquet"
    samples = [Begun((1, 2, 3), -0.5), Begun((7,), None)]
    write_begun(path, samples)
    assert [read_begun(Place(str(path), row)) for row in (0, 1)] == samples


def test_one_that_is_lost_or_torn_is_drawn_anew(tmp_path: Path) -> None:
    assert read_begun(Place(str(tmp_path / "none.parquet"), 0)) is None
    torn = tmp_path / "torn.parquet"
    torn.write_bytes(b"PAR1 and no more")
    assert read_begun(Place(str(torn), 0)) is None


def test_truncated_samples_are_rows_of_the_table(tmp_path: Path) -> None:
    path = tmp_path / "apart.parquet"
    samples = [make_sample(f"s{n}", token_ids=(n, 7), mean_logprob=-0.5) for n in range(3)]
    write_file(path, SAMPLES, [sample.to_row() for sample in samples])
    place = Place(str(path), 2)
    assert read_truncated(place) == Begun((2, 7), -1.0)
    assert read_row(place)["text"] == "s2"
    with pytest.raises(FileNotFoundError):  # one that is drawn anew would be a short one
        read_truncated(Place(str(tmp_path / "none.parquet"), 0))
