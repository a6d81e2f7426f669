"""The ways to load a version that docs/trainers.md names, on a folder and on S3."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from datasets import Dataset, load_dataset

from infra.version import Version, open_version
from jobs.pull import pull
from tests.conftest import REAL_STORES
from tests.trainers.made_up import assistant, outputs, publish

STORES = REAL_STORES


@pytest.fixture
def here(store_url: str, tmp_path: Path) -> Version:
    return publish(store_url, tmp_path, outputs())


def test_every_output_loads_as_what_was_written(here: Version, store_url: str) -> None:
    version = open_version("team@latest", store_url)
    for output, written in outputs().items():
        assert Dataset(version.arrow(output)).to_list() == written.to_pylist()
        assert version.scan(output).collect().to_dicts() == written.to_pylist()
        assert len(version.pandas(output)) == written.num_rows


def test_a_pulled_folder_loads_by_output(here: Version, store_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "pulled"
    pull(store_url, "team", str(folder))
    for output, written in outputs().items():
        rows = load_dataset(str(folder), output, split="train")
        assert rows.to_list() == written.to_pylist()
        streamed = load_dataset(str(folder), output, split="train", streaming=True)
        assert list(streamed) == written.to_pylist()
        assert pl.read_parquet(folder / output / "*.parquet").to_dicts() == written.to_pylist()


def test_rows_come_one_after_another(here: Version) -> None:
    """What docs/trainers.md gives for versions in a bucket that are larger than memory."""

    def rows() -> Any:
        for batch in here.scan("sft").select("messages").collect_batches(chunk_size=1):
            yield from batch.to_dicts()

    from datasets import IterableDataset

    found = [row["messages"][-1:] for row in IterableDataset.from_generator(rows)]
    assert found == [
        assistant(row["reasoning"], row["answer"]) for row in here.scan().collect().to_dicts()
    ]
