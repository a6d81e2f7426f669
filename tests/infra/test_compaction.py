"""Small files become large ones, of settled prompts only, and no row is lost or changed."""

import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infra.compaction import LARGE_BYTES, LAST_MANY, MANY, Compaction, Merge, merge
from infra.data_file import DataFile
from infra.pool import Pool
from infra.pool_writer import PoolWriter
from infra.spool import write_file
from schemas.arrow import SAMPLES, SCORES
from schemas.score import Score, ScoreRow
from tests.builders import make_sample, without_column

KEY = ["prompt_id", "teacher_id", "sample_index"]


def all_due(compaction: Compaction, settled_below: int, *, last: bool) -> list[Merge]:
    found = []
    while (due := compaction.due(settled_below, last=last)) is not None:
        found.append(due)
    return found


def small(number: int, size: int = 1000) -> DataFile:
    return DataFile(f"f{number:04d}.parquet", 1, size)


def committed(
    files: int, *, prompts_below: int = 0, size: int = 1000, table: str = "samples"
) -> Compaction:
    compaction = Compaction(Pool(Path("/nowhere")))
    for number in range(files):
        compaction.committed(table, small(number, size), prompts_below)
    return compaction


def test_every_row_is_kept_in_the_order_of_the_keys(tmp_path: Path) -> None:
    keys = [(f"p1_{p}", t, i) for p in range(5) for t in ("t1_a", "t1_b") for i in range(12)]
    random.Random(3).shuffle(keys)
    rows = [
        make_sample(f"{p} {i} é", prompt_id=p, teacher_id=t, sample_index=i, token_ids=(i, 2))
        for p, t, i in keys
    ]
    parts = [rows[start : start + 23] for start in range(0, len(rows), 23)]
    files = [
        write_file(str(tmp_path / f"{n}.parquet"), SAMPLES, [row.to_row() for row in part])
        for n, part in enumerate(parts)
    ]
    merged = merge(str(tmp_path), files, "merged.parquet")
    table = pq.read_table(tmp_path / "merged.parquet")
    whole = [*pq.read_table([tmp_path / file.name for file in files]).to_pylist()]
    assert table.to_pylist() == sorted(whole, key=lambda row: tuple(row[name] for name in KEY))
    assert table.schema == SAMPLES
    path = tmp_path / merged.name
    assert merged == DataFile("merged.parquet", len(rows), path.stat().st_size)
    assert all((tmp_path / file.name).is_file() for file in files), "for readers of older versions"


def test_a_large_merge_is_written_in_row_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.compaction.ROW_GROUP_BYTES", 1)
    parts = [[make_sample(sample_index=9 - 3 * n - i) for i in range(3)] for n in range(3)]
    files = [
        write_file(str(tmp_path / f"{n}.parquet"), SAMPLES, [row.to_row() for row in part])
        for n, part in enumerate(parts)
    ]
    merged = merge(str(tmp_path), files, "merged.parquet")
    file = pq.ParquetFile(tmp_path / merged.name)
    groups = [file.read_row_group(i)["sample_index"].to_pylist() for i in range(3)]
    assert groups == [[7, 8, 9], [4, 5, 6], [1, 2, 3]]
    assert merged.rows == 9


def test_files_from_before_and_after_a_column_was_added(tmp_path: Path) -> None:
    sample = make_sample(token_logprobs=(-0.5, -0.25))
    before = without_column(SAMPLES, "thinking_cut", "token_logprobs")
    files = [
        write_file(str(tmp_path / f"{n}.parquet"), schema, [sample.to_row() | {"sample_index": n}])
        for n, schema in enumerate([before, SAMPLES, before])
    ]
    merge(str(tmp_path), files, "merged.parquet")
    table = pq.read_table(tmp_path / "merged.parquet")
    assert sorted(table.schema.names) == sorted(SAMPLES.names)
    assert table["sample_index"].to_pylist() == [0, 1, 2]
    assert table["thinking_cut"].to_pylist() == [None, False, None]
    assert table["token_logprobs"].to_pylist() == [None, [-0.5, -0.25], None]


def test_a_merge_that_fails_leaves_nothing(tmp_path: Path) -> None:
    files = [
        write_file(str(tmp_path / f"{n}.parquet"), SAMPLES, [make_sample().to_row()])
        for n in range(2)
    ]
    (tmp_path / files[1].name).write_bytes(b"torn")
    with pytest.raises(pa.ArrowInvalid):
        merge(str(tmp_path), files, "merged.parquet")
    assert not (tmp_path / "merged.parquet").exists()


def score_row(prompt: str, scorer: str) -> dict[str, object]:
    key = {"prompt_id": prompt, "teacher_id": "t", "sample_index": 0, "text_digest": "x"}
    made = ScoreRow.of(Score(), scorer=scorer, scorer_id=scorer, reference_id="r", **key)
    return made.to_row()


def test_scores_of_one_sample_stay_in_their_order(tmp_path: Path) -> None:
    first = [score_row("b", "math"), score_row("b", "format"), score_row("a", "math")]
    files = [
        write_file(str(tmp_path / "1.parquet"), SCORES, first),
        write_file(str(tmp_path / "2.parquet"), SCORES, [score_row("a", "format")]),
    ]
    merge(str(tmp_path), files, "merged.parquet")
    table = pq.read_table(tmp_path / "merged.parquet")
    assert table["prompt_id"].to_pylist() == ["a", "a", "b", "b"]
    assert table["scorer"].to_pylist() == ["math", "format", "math", "format"]


def test_a_pool_reads_the_same_after_its_merge(tmp_path: Path) -> None:
    pool = Pool(tmp_path)
    writer = PoolWriter(pool, epoch=1)
    for index in range(LAST_MANY):
        path = Path(pool.folder("samples")) / f"{9 - index}.parquet"
        rows = [make_sample(sample_index=index).to_row()]
        writer.commit("samples", [write_file(str(path), SAMPLES, rows)])
    before = pool.scan("samples").drop("path", "row").collect().sort(KEY)
    (task,) = all_due(Compaction(pool), 0, last=True)
    merged = merge(pool.folder(task.table), task.files, "m.parquet")
    writer.commit(task.table, [merged], replaced=task.files)
    assert pool.files("samples") == [merged]
    assert pool.scan("samples").drop("path", "row").collect().equals(before)


def test_files_of_unsettled_prompts_wait() -> None:
    compaction = committed(MANY, prompts_below=10)
    assert all_due(compaction, 9, last=False) == []
    assert all_due(compaction, 9, last=True) == []
    (due,) = all_due(compaction, 10, last=False)
    assert due == Merge("samples", tuple(small(number) for number in range(MANY)))


def test_only_the_settled_part_is_merged() -> None:
    compaction = committed(MANY - 1, prompts_below=5)
    compaction.committed("samples", small(9000), 99)
    assert all_due(compaction, 50, last=False) == []
    compaction.committed("samples", small(9001), 50)
    (due,) = all_due(compaction, 50, last=False)
    assert small(9000) not in due.files
    assert small(9001) in due.files
    assert all_due(compaction, 99, last=True) == [], "one is left, which is not worth it"


def test_few_wait_until_the_last() -> None:
    compaction = committed(LAST_MANY)
    assert all_due(compaction, 0, last=False) == []
    assert [len(due.files) for due in all_due(compaction, 0, last=True)] == [LAST_MANY]
    assert all_due(committed(LAST_MANY - 1), 0, last=True) == []


def test_what_was_named_is_not_named_again() -> None:
    compaction = committed(MANY)
    assert len(all_due(compaction, 0, last=False)) == 1
    assert all_due(compaction, 0, last=True) == []


def test_a_merged_file_that_is_still_small_is_merged_again() -> None:
    compaction = committed(MANY)
    for number in range(MANY):
        (due,) = all_due(compaction, 0, last=False)
        compaction.replaced("samples", due.files, [small(1000 + number)])
        for more in range(MANY - 1):
            compaction.committed("samples", small(2000 + MANY * number + more), 0)
    (due,) = all_due(compaction, 0, last=False)
    assert due.files[0] == small(1000 + MANY - 1)


def test_files_that_were_dropped_are_not_merged() -> None:
    compaction = committed(MANY)
    compaction.replaced("samples", [small(3)], [])
    assert all_due(compaction, 0, last=False) == []
    (due,) = all_due(compaction, 0, last=True)
    assert small(3) not in due.files
    compaction.replaced("prompts", [], [small(1)])


def test_large_files_are_left_alone() -> None:
    compaction = committed(MANY, size=LARGE_BYTES)
    assert all_due(compaction, 0, last=True) == []


def test_merged_files_are_not_larger_than_needed() -> None:
    compaction = committed(6, size=LARGE_BYTES // 2)
    dues = all_due(compaction, 0, last=False)
    assert [len(due.files) for due in dues] == [2, 2, 2]


def test_tables_are_not_mixed() -> None:
    compaction = committed(MANY)
    for number in range(MANY):
        compaction.committed("scores", small(number + 500), 0)
    dues = all_due(compaction, 0, last=False)
    assert sorted(due.table for due in dues) == ["samples", "scores"]
    assert all(len(due.files) == MANY for due in dues)


def test_files_of_earlier_runs_are_merged_too(tmp_path: Path) -> None:
    pool = Pool(tmp_path)
    writer = PoolWriter(pool, epoch=1)
    path = Path(pool.folder("samples")) / "old.parquet"
    old = write_file(str(path), SAMPLES, [make_sample().to_row()])
    writer.commit("samples", [old])
    compaction = Compaction(pool)
    for number in range(LAST_MANY - 1):
        compaction.committed("samples", small(number), 7)
    assert all_due(compaction, 6, last=True) == []
    (due,) = all_due(compaction, 7, last=True)
    assert old in due.files


def test_files_that_are_left_alone_are_not_merged() -> None:
    compaction = committed(MANY + 2)
    compaction.leave_alone([small(0), small(1)])
    (merge_of_others,) = all_due(compaction, 1, last=False)
    assert {file.name for file in merge_of_others.files} == {
        small(number).name for number in range(2, MANY + 2)
    }
