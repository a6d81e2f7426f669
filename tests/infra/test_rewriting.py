"""Files without some of their rows, and those rows."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.data_file import DataFile
from infra.rewriting import rows_at, write_without


@settings(max_examples=30)
@given(
    count=st.integers(1, 12),
    group=st.integers(1, 5),
    gone=st.sets(st.integers(0, 11)),
)
def test_both_parts_make_the_whole(
    count: int, group: int, gone: set[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    gone = {row for row in gone if row < count}
    path = tmp_path_factory.mktemp("rows") / "whole.parquet"
    table = pa.table({"x": range(count), "text": [f"t{n}" for n in range(count)]})
    pq.write_table(table, path, row_group_size=group)
    target = path.with_name("left.parquet")
    left = write_without(str(path), gone, str(target))
    stays = [row for row in range(count) if row not in gone]
    if not stays:
        assert left is None
        assert not target.exists()
    else:
        assert left == DataFile("left.parquet", len(stays), target.stat().st_size)
        assert pq.read_table(target) == table.take(stays)
    taken = [*rows_at(str(path), gone)]
    assert [x for part in taken for x in part["x"].to_pylist()] == sorted(gone)
