"""When a buffer is due, and that what is taken is written."""

from pathlib import Path

import pyarrow.parquet as pq

from infra.spool import Spool
from schemas.arrow import SAMPLES
from schemas.recipe import Flush
from tests.builders import make_sample


def test_due_by_age_or_size(tmp_path: Path) -> None:
    now = [100.0]
    spool: Spool[int] = Spool(
        tmp_path, SAMPLES, "r0", Flush(seconds=10, megabytes=0.001), clock=lambda: now[0]
    )
    assert not spool.due()
    spool.add(make_sample("short").to_row(), 0)
    now[0] += 9
    assert not spool.due()
    now[0] += 1
    assert spool.due()
    spool.take()
    assert not spool.due()
    spool.add(make_sample("long" * 1000).to_row(), 0)
    assert spool.due()


def test_written_rows_keep_their_order_and_entries(tmp_path: Path) -> None:
    spool: Spool[str] = Spool(tmp_path, SAMPLES, "r0", Flush())
    for index in range(3):
        spool.add(make_sample(sample_index=index).to_row(), f"entry {index}")
    batch = spool.write(spool.take())
    assert batch.entries == ("entry 0", "entry 1", "entry 2")
    assert len(spool) == 0
    written = pq.read_table(tmp_path / batch.file.name)
    assert written["sample_index"].to_pylist() == [0, 1, 2]
    assert batch.file.rows == 3
    assert batch.file.bytes == (tmp_path / batch.file.name).stat().st_size


def test_every_file_has_its_own_name(tmp_path: Path) -> None:
    spool: Spool[None] = Spool(tmp_path, SAMPLES, "r0", Flush())
    spool.add(make_sample().to_row(), None)
    rows = spool.take()
    assert spool.write(rows).file.name != spool.write(rows).file.name
