"""Files are read in the thread that asks: threads of Arrow abort short commands at their end."""

import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infra.parquet import open_parquet, read_table

SHORT_COMMAND = """
import os, sys
from infra.begun import read_row
from infra.messages import Place
from infra.parquet import read_table
from infra.prompts import read_prompt
from infra.rewriting import rows_at
from infra.rows import read_rows

def threads():
    return len(os.listdir("/proc/self/task"))

before = threads()
uri = sys.argv[1]
assert read_table(uri).num_rows == 3000
assert read_table(uri, ["c1"]).num_columns == 1
assert sum(part.num_rows for part in rows_at(uri, {1, 2999})) == 2
assert read_row(Place(uri, 2))["c0"] == "2 0"
assert len([*read_rows(uri)]) == 3000
print(threads() - before)
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    """Columns and row groups enough for some threads."""
    columns = {f"c{c}": [f"{row} {c}" for row in range(3000)] for c in range(8)}
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table(columns), path, row_group_size=500)
    return str(path)


def test_no_thread_is_started(file: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SHORT_COMMAND, file], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "0\n", "")


def test_what_is_no_table_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_table(str(tmp_path / "none.parquet"))
    torn = tmp_path / "torn.parquet"
    torn.write_bytes(os.urandom(100))
    with pytest.raises(pa.ArrowInvalid), open_parquet(str(torn)):
        pass
