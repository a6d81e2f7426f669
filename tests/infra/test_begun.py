"""Half drawn samples on their way to another engine."""

from pathlib import Path

from infra.begun import read_begun, write_begun
from infra.messages import Place
from schemas.ports import Begun


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
