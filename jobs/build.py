"""Build: a cut of the pool, and what of it is kept, chosen and written. It never generates."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from filters.mix import with_beyond, within
from filters.outputs import OUTPUTS
from filters.picking import PROMPT_COLUMNS
from filters.survivorship import Counts, added_up, published_counts
from infra.catalog import Catalog
from infra.checksum import file_sha256
from jobs.decide import Decided, Picked, decide_by
from jobs.fates import with_texts
from jobs.parts import Part, batches, parts_of, row_groups
from jobs.prompts import PromptList
from jobs.recipe import Job
from jobs.tasks import Tasks
from schemas.errors import RunError, StoreUnavailableError
from schemas.manifest import File, content_digest
from schemas.recipe import TRAIN

TOKENS_HERE = 120_000_000
"""A version with more is written by tasks on Ray, side by side: to start it takes five seconds."""
FEW_VALUES = (
    "domain",
    "source",
    "license",
    "generator",
    "teacher_id",
    "verifier",
    "fate",
    "verdict",
    "outcome",
    "failure_reason",
    "finish_reason",
)
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
    survivorship: Counts
    """What there was before the choice, and after it."""
    prompts: PromptList

    @property
    def content_digest(self) -> str:
        """Digest of the data files."""
        return content_digest(self.files)


@dataclass(frozen=True)
class PartWork:
    """A part that is to be written, and what its rows have from elsewhere."""

    part: Part
    prompts: pl.DataFrame
    """Those with rows in it: `prompt_id`, `PROMPT_COLUMNS` and, where there is a mix or a target,
    `allowed` and `beyond`."""
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
    assert prompts.splits.width or not job.recipe.splits, "the list was not asked for its splits"
    with Tasks(job) as tasks:
        decided, picked = decide_by(tasks, job, prompts)
        if not decided.rows.get("sft", sum(decided.rows.values())):
            raise RunError(
                f"there is no row of {'sft' if 'sft' in decided.rows else ', '.join(decided.rows)}"
                f"; the funnel is "
                f"{dict(decided.funnel) or 'empty'}" + _mix_hint(decided)
            )
        catalog = Catalog(job.store, job.recipe.name)
        staging = catalog.staging()
        try:
            written = _write_parts(tasks, job, prompts, picked, staging)
        except BaseException:
            catalog.discard(staging)
            raise
    staged = {file.path: key for file, key, _ in written}
    files = tuple(file for file, _, _ in written)
    counts = added_up([decided.drawn, *(counts for _, _, counts in written)])
    return Built(decided, staging, staged, files, counts, prompts)


def _mix_hint(decided: Decided) -> str:
    scarce = decided.mix.get("limited_by")
    return "" if scarce is None else f"; mix.strata.{scarce} has none, and its share limits all"


def _write_parts(
    tasks: Tasks, job: Job, prompts: PromptList, picked: Picked, staging: str
) -> list[tuple[File, str, Counts]]:
    tokens = sum(int(by_prompt["size"].sum()) for by_prompt in picked.by_prompt.values())
    written = []
    # One output after another: the prompts' texts are in this process once for each.
    for name in picked.by_prompt:
        parts = _parts(name, prompts, picked)
        work = [PartWork(part, asked, generator_name(job), staging) for part, asked in parts]
        tables = [
            [
                table
                for shard, table in zip(picked.shards, picked.tables, strict=True)
                if shard.first <= one.part.last and one.part.first <= shard.last
            ]
            for one in work
        ]
        here = len(work) if tokens <= TOKENS_HERE else 1
        doing = f"parts of {name} written"
        written += [told for told, _ in tasks.run(write_part, work, tables, doing=doing, here=here)]
    return written


def _parts(output: str, prompts: PromptList, picked: Picked) -> Iterator[tuple[Part, pl.DataFrame]]:
    """The parts of an output, and the prompts of each."""
    every = prompts.with_left_out if OUTPUTS[output].everything else prompts
    own = _with_splits(picked.by_prompt[output], prompts)
    bounded = output == "sft" or OUTPUTS[output].everything
    if bounded and picked.allowed is not None:
        own = own.join(picked.allowed, on="prompt_id", how="left", maintain_order="left")
    splits = own.partition_by("split", as_dict=True, include_key=False)
    for (split,), by_prompt in sorted(splits.items()):
        for part in parts_of(by_prompt, output, split):
            asked = _between(every.frame, part).select("prompt_id", *PROMPT_COLUMNS)
            with_rows = _between(by_prompt, part).drop("rows", "size")
            yield part, asked.join(with_rows, on="prompt_id", maintain_order="left")


def _with_splits(by_prompt: pl.DataFrame, prompts: PromptList) -> pl.DataFrame:
    if not prompts.splits.width:
        return by_prompt.with_columns(split=pl.lit(TRAIN))
    splits = prompts.splits.select("prompt_id", pl.col("split").cast(pl.String))
    return by_prompt.join(splits, on="prompt_id", how="left", maintain_order="left")


def _between(rows: pl.DataFrame, part: Part) -> pl.DataFrame:
    """Of rows in the order of their prompts those of a part."""
    start = rows["prompt_id"].search_sorted(part.first, "left")
    return rows[start : rows["prompt_id"].search_sorted(part.last, "right")]


def write_part(
    job: Job, work: PartWork, tables: Iterable[Mapping[str, pl.DataFrame]]
) -> tuple[tuple[File, str, Counts], None]:
    """Writes a part, a row group at a time, from the picked rows of its shards."""
    part, output, prompt_ids = work.part, OUTPUTS[work.part.output], work.prompts["prompt_id"]
    picked = pl.concat(
        _between(table[part.output], part).filter(pl.col("prompt_id").is_in(prompt_ids.implode()))
        for table in tables
    )
    if "allowed" in work.prompts.columns:
        allowed = work.prompts.select("prompt_id", "allowed", "beyond")
        picked = with_beyond(picked, allowed) if output.everything else within(picked, allowed)

    def rows() -> Iterator[pl.DataFrame]:
        for some in batches(picked):
            for prefix in output.samples:
                some = with_texts(job, some, output.texts, prefix)
            asked = some.join(
                work.prompts, on="prompt_id", how="left", validate="m:1", maintain_order="left"
            )
            yield output.rows(asked, job.scorers, work.generator)

    key = f"{work.staging}/{part.output}-{part.split}-{part.number:05d}.parquet"
    with job.store.new_file(key) as path:
        write_parquet(path, map(_arrow, row_groups(rows())))
        sha256, size = file_sha256(path), path.stat().st_size
    place = f"{part.split}-{part.number:05d}-of-{part.count:05d}-{sha256[:8]}.parquet"
    file = File(path=f"{part.output}/{place}", bytes=size, sha256=sha256, rows=picked.height)
    return (file, key, published_counts(picked) if part.output == "sft" else {}), None


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
        use_dictionary=[name for name in FEW_VALUES if name in schema.names],
        write_statistics=[name for name in NARROW if name in schema.names],
    )


def generator_name(job: Job) -> str:
    """The teacher as a reader knows it: a Hub id with its revision, or a folder's name."""
    teacher = job.recipe.teacher
    revision = teacher.revision or next(iter(job.model.values()))
    return (
        f"{Path(teacher.model).name if Path(teacher.model).is_dir() else teacher.model}@{revision}"
    )
