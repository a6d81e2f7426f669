"""Rows of files, here and in a bucket: the same files by the same patterns, the same rows."""

import json
from pathlib import Path

import polars as pl
import pytest

from infra.rows import find_files, read_rows
from infra.store import Store, open_store
from schemas.errors import RecipeError, StoreError
from tests.s3_servers import S3Server

ROWS = [{"question": f"Frage {i}: größer?", "answer": str(i)} for i in range(3000)]
FILES = ("a.jsonl", "b/a.csv", "b/c/d.parquet", "b/c/e.json", "b/x1.jsonl", "b/x2.jsonl", "bx.csv")
PATTERNS = (
    "a.jsonl",
    "b",
    "b/",
    "*.jsonl",
    "b/*",
    "b/*.jsonl",
    "b/x?.jsonl",
    "b/x[13].jsonl",
    "b/x[!1].jsonl",
    "**/*.jsonl",
    "b/**/*.parquet",
    "**/e.json",
    "b*/*.csv",
    "b/c/*.j*n",
)


@pytest.fixture
def url(store: Store) -> str:
    """Where the files lie."""
    for name in FILES:
        with store.new_file(f"data/{name}") as path:
            write(path)
    return f"{store.url}/data"


def names(root: str, pattern: str) -> list[str]:
    return [file.removeprefix(f"{root}/") for file in find_files(f"{root}/{pattern}")]


def write(path: Path) -> None:
    frame = pl.DataFrame(ROWS)
    if path.suffix == ".csv" or ".csv" in path.name:
        frame.write_csv(path)
    elif ".parquet" in path.name:
        frame.write_parquet(path, row_group_size=700)
    elif ".jsonl" in path.name:
        frame.write_ndjson(path)
    else:
        path.write_text(json.dumps(ROWS))


def test_patterns_name_the_same_files(url: str, tmp_path: Path) -> None:
    for name in FILES:
        (tmp_path / "here" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "here" / name).touch()
    for pattern in PATTERNS:
        here = [
            f.removeprefix(f"{tmp_path}/here/") for f in find_files(f"{tmp_path}/here/{pattern}")
        ]
        there = [f.removeprefix(f"{url}/") for f in find_files(f"{url}/{pattern}")]
        assert there == here, pattern
        assert here, pattern


@pytest.mark.s3
def test_a_whole_bucket_and_its_top(seaweedfs: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in seaweedfs.environment.items():
        monkeypatch.setenv(name, value)
    bucket = f"s3://{seaweedfs.make_bucket()}"
    store = open_store(bucket)
    for key in ("a.jsonl", "b/c.csv", "notes.txt"):
        store.put_if_absent(key, b"")
    assert (
        find_files(bucket) == find_files(f"{bucket}/") == [f"{bucket}/a.jsonl", f"{bucket}/b/c.csv"]
    )
    assert find_files(f"{bucket}/*.jsonl") == [f"{bucket}/a.jsonl"]
    assert find_files(f"{bucket}/**/*.csv") == [f"{bucket}/b/c.csv"]


def test_rows_are_the_same(url: str) -> None:
    for name in FILES[:4]:
        rows = list(read_rows(f"{url}/{name}"))
        assert [row.values for row in rows] == ROWS, name
        assert f"{url}/{name}" in rows[-1].where


@pytest.mark.parametrize("pattern", ["none.jsonl", "*.csv.gz", "b/none/*", "nowhere"])
def test_what_names_nothing_is_said(pattern: str, url: str) -> None:
    with pytest.raises(RecipeError, match="no such file"):
        find_files(f"{url}/{pattern}")


def test_what_cannot_be_read_is_said(store: Store) -> None:
    store.put_if_absent("data/notes.txt", b"1")
    store.put_if_absent("data/torn.parquet", b"PAR1")
    store.put_if_absent("data/torn.jsonl", b'{"a": 1}\n{"a":')
    store.put_if_absent("data/latin.csv", "a\ngrün".encode("latin-1"))
    with pytest.raises(RecipeError, match=r"cannot read '\.txt'"):
        find_files(store.uri("data/notes.txt"))
    for name, says in {
        "torn.parquet": "cannot be read",
        "torn.jsonl": r"torn.jsonl:2: not JSON",
        "latin.csv": "cannot be read",
    }.items():
        with pytest.raises(RecipeError, match=says):
            list(read_rows(store.uri(f"data/{name}")))


def test_other_places_are_not_read() -> None:
    with pytest.raises(RecipeError, match="here and from s3://"):
        find_files("hf://datasets/org/name")


def test_a_bucket_that_is_not_there(store: Store) -> None:
    if store.url.startswith("s3://"):
        with pytest.raises(StoreError, match="the bucket is not there"):
            find_files("s3://no-such-bucket-anywhere/*.jsonl")
