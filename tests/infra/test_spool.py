"""When a buffer is due, that what is taken is written, and that no file is half written."""

import resource
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from infra.spool import Files, Spool, write_file
from schemas.arrow import SAMPLES
from schemas.errors import StoreError, StoreUnavailableError
from schemas.recipe import Flush
from tests.builders import make_sample


def test_due_by_age_or_size() -> None:
    now = [100.0]
    spool: Spool[str] = Spool(Flush(seconds=10, megabytes=0.001), clock=lambda: now[0])
    assert not spool.due()
    spool.add("short", 5)
    now[0] += 9
    assert not spool.due()
    now[0] += 1
    assert spool.due()
    spool.take()
    assert not spool.due()
    spool.add("long", 2000)
    assert spool.due()


def test_the_oldest_item_tells_the_age() -> None:
    now = [100.0]
    spool: Spool[int] = Spool(Flush(), clock=lambda: now[0])
    assert spool.age() == 0
    spool.add(1, 1)
    now[0] += 5
    spool.add(2, 1)
    assert spool.age() == 5
    assert spool.take() == [1, 2]
    assert spool.age() == 0
    spool.add(3, 1)
    assert spool.age() == 0


def test_a_backlog_is_seen() -> None:
    spool: Spool[int] = Spool(Flush(megabytes=1))
    for item in range(6):
        spool.add(item, 2**19)
    assert spool.fill() == 3
    assert len(spool) == 6
    spool.take()
    assert (spool.fill(), len(spool)) == (0, 0)


def test_written_rows_keep_their_order(tmp_path: Path) -> None:
    rows = [make_sample(sample_index=index).to_row() for index in range(3)]
    file = Files(str(tmp_path), SAMPLES, "a1-r0").write(rows)
    written = pq.read_table(tmp_path / file.name)
    assert written["sample_index"].to_pylist() == [0, 1, 2]
    assert written.schema == SAMPLES
    assert file.rows == 3
    assert file.bytes == (tmp_path / file.name).stat().st_size


def test_every_file_has_its_own_name(tmp_path: Path) -> None:
    rows = [make_sample().to_row()]
    files = Files(str(tmp_path), SAMPLES, "a1-r0")
    names = {files.write(rows).name, files.write(rows).name}
    names.add(Files(str(tmp_path), SAMPLES, "a1-r1").write(rows).name)
    assert len(names) == 3
    assert {path.name for path in tmp_path.iterdir()} == names


def test_a_missing_folder_is_not_made(tmp_path: Path) -> None:
    files = Files(str(tmp_path / "away"), SAMPLES, "a1-r0")
    with pytest.raises(StoreUnavailableError, match="away"):
        files.write([make_sample().to_row()])
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "away").mkdir()
    assert files.write([make_sample().to_row()]).rows == 1, "back again, and it goes on"


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            write_file(str(tmp_path / "a.parquet"), SAMPLES, [make_sample().to_row()])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []


def test_no_file_is_ever_overwritten(tmp_path: Path) -> None:
    first = write_file(str(tmp_path / "a.parquet"), SAMPLES, [make_sample().to_row()])
    with pytest.raises(StoreError, match="exists already"):
        write_file(str(tmp_path / "a.parquet"), SAMPLES, [make_sample(sample_index=1).to_row()])
    assert (tmp_path / "a.parquet").stat().st_size == first.bytes
