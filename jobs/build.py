"""Build: a cut of the pool, and what of it is kept, chosen and written. It never generates."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from filters.sft import PROMPT_COLUMNS, sft_rows
from infra.catalog import Catalog
from infra.checksum import file_sha256
from jobs.decide import Chosen, Decided, decide_by
from jobs.fates import with_texts
from jobs.parts import Part, batches, parts_of, row_groups
from jobs.prompts import PromptList
from jobs.recipe import Job
from jobs.tasks import Tasks
from schemas.errors import RunError, StoreUnavailableError
from schemas.manifest import File, content_digest

PARTS_HERE = 1
"""More of them are written side by side, by tasks on Ray."""
FEW_VALUES = ("domain", "source", "license", "generator", "teacher_id")
"""Columns with a dictionary."""
NARROW = ("id", "prompt_id", "sample_index")
"""Columns with statistics. Of texts they would be long, and nobody looks for a range of them."""


@dataclass(frozen=True)
class Built:
    """The data files of a version, staged and not yet published."""

    decided: Decided
    staging: str
    """Where the files lie, as a key of the store."""
    staged: Mapping[str, str]
    """Path in the version -> key of the store."""
    files: tuple[File, ...]

    @property
    def content_digest(self) -> str:
        """Digest of the data files."""
        return content_digest(self.files)


@dataclass(frozen=True)
class PartWork:
    """A part that is to be written, and what its rows have from elsewhere."""

    part: Part
    prompts: pl.DataFrame
    generator: str
    staging: str

    @property
    def name(self) -> str:
        """The part's."""
        return self.part.name


def build(job: Job, prompts: PromptList) -> Built:
    """Writes the data files of the cut into staging; RunError if nothing is published.

    Nothing stays in staging where that fails.
    """
    with Tasks(job) as tasks:
        decided, chosen = decide_by(tasks, job, prompts)
        if chosen.by_prompt.is_empty():
            raise RunError(
                f"no sample is published; the funnel is {dict(decided.funnel) or 'empty'}"
            )
        catalog = Catalog(job.store, job.recipe.name)
        staging = catalog.staging()
        try:
            written = _write_parts(tasks, job, prompts, chosen, staging)
        except BaseException:
            catalog.discard(staging)
            raise
    staged = {file.path: key for file, key in written}
    return Built(decided, staging, staged, tuple(file for file, _ in written))


def _write_parts(
    tasks: Tasks, job: Job, prompts: PromptList, chosen: Chosen, staging: str
) -> list[tuple[File, str]]:
    generator = generator_name(job)
    work, tables = [], []
    for part in parts_of(chosen.by_prompt):
        with_rows = _between(chosen.by_prompt, part).select("prompt_id")
        asked = _between(prompts.frame, part).join(with_rows, on="prompt_id", how="semi")
        asked = asked.select("prompt_id", *PROMPT_COLUMNS)
        work.append(PartWork(part, asked, generator, staging))
        tables.append(
            [
                _between(table, part) if isinstance(table, pl.DataFrame) else table
                for shard, table in zip(chosen.shards, chosen.tables, strict=True)
                if shard.first <= part.last and part.first <= shard.last
            ]
        )
    done = tasks.run(write_part, work, tables, doing="parts written", here=PARTS_HERE)
    return [written for written, _ in done]


def _between(rows: pl.DataFrame, part: Part) -> pl.DataFrame:
    """Of rows in the order of their prompts those of a part."""
    start = rows["prompt_id"].search_sorted(part.first, "left")
    return rows[start : rows["prompt_id"].search_sorted(part.last, "right")]


def write_part(
    job: Job, work: PartWork, tables: Sequence[pl.DataFrame]
) -> tuple[tuple[File, str], None]:
    """Writes a part, a row group at a time, from the chosen rows of its shards."""
    chosen = pl.concat(_between(table, work.part) for table in tables)

    def rows() -> Iterator[pl.DataFrame]:
        for some in batches(chosen):
            texts = with_texts(job, some).join(
                work.prompts, on="prompt_id", how="left", validate="m:1", maintain_order="left"
            )
            yield sft_rows(texts, job.scorers, work.generator)

    number, count = work.part.number, work.part.count
    key = f"{work.staging}/sft-{number:05d}.parquet"
    with job.store.new_file(key) as path:
        write_parquet(path, map(_arrow, row_groups(rows())))
        sha256, size = file_sha256(path), path.stat().st_size
    name = f"sft/train-{number:05d}-of-{count:05d}-{sha256[:8]}.parquet"
    return (File(path=name, bytes=size, sha256=sha256, rows=chosen.height), key), None


def _arrow(rows: pl.DataFrame) -> pa.Table:
    # In one chunk: lists of texts of 100 kB have pages that end where chunks end, which would tell
    # what was read at once.
    return rows.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())


def write_parquet(path: Path, groups: Iterable[pa.Table]) -> None:
    """Writes row groups into a file of this machine. StoreUnavailableError where it cannot be
    written."""
    groups = iter(groups)
    first = next(groups)
    try:
        with path.open("wb") as file, _writer(file, first.schema) as writer:
            for table in _chained(first, groups):
                writer.write_table(table, row_group_size=len(table))
    except OSError as error:
        raise StoreUnavailableError(f"{path} cannot be written now: {error}") from error


def _chained(first: pa.Table, others: Iterator[pa.Table]) -> Iterator[pa.Table]:
    yield first
    yield from others


def _writer(file: Any, schema: pa.Schema) -> pq.ParquetWriter:
    return pq.ParquetWriter(
        file,
        schema,
        compression="zstd",
        compression_level=3,
        write_page_index=True,
        use_content_defined_chunking=True,
        use_dictionary=[*FEW_VALUES],
        write_statistics=[*NARROW],
    )


def generator_name(job: Job) -> str:
    """The teacher as a reader knows it: a Hub id with its revision, or a folder's name."""
    teacher = job.recipe.teacher
    revision = teacher.revision or next(iter(job.model.values()))
    return (
        f"{Path(teacher.model).name if Path(teacher.model).is_dir() else teacher.model}@{revision}"
    )
