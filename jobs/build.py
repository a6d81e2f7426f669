"""Build: a cut of the pool, and what of it is kept, chosen and written. It never generates."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import polars as pl
import pyarrow.parquet as pq

from filters.choose import PUBLISHED, with_eligible, with_fates
from filters.groups import with_groups
from filters.sft import sft_rows
from filters.target import SettledPrefix, cut_at_target
from infra.catalog import Catalog
from infra.checksum import file_sha256
from infra.data_file import scan_file
from infra.pool import reading
from infra.revision import code_digest
from infra.store import Store
from jobs.prompts import PromptList
from jobs.recipe import Job
from jobs.survey import narrow_samples
from schemas.arrow import SAMPLES
from schemas.errors import RunError
from schemas.identity import identity
from schemas.manifest import Cut, File, content_digest

PROMPTS_PER_SHARD = 50_000
ROWS_PER_GROUP = 2_000
CANNED = "refusal.canned"


@dataclass(frozen=True)
class Decided:
    """Every sample of the cut with its fate."""

    cut: Cut
    samples: pl.DataFrame
    prompts: int
    unsettled: int
    prefix: SettledPrefix | None = None
    """Where the recipe has a target."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Prompts that nothing is drawn for, by reason."""

    @property
    def target(self) -> Literal["reached", "missed"] | None:
        """Whether there are as many rows as the recipe wants."""
        if self.prefix is None:
            return None
        return "reached" if self.prefix.reached else "missed"

    @property
    def funnel(self) -> dict[str, int]:
        """How many samples ended where, the published first."""
        counts = dict(self.samples["fate"].value_counts(sort=True).sort("fate").iter_rows())
        return dict(sorted(counts.items(), key=lambda kv: (kv[0] != PUBLISHED, -kv[1], kv[0])))


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


def decide(job: Job, prompts: PromptList) -> Decided:
    """Fixes a cut and gives every sample in it a fate."""
    versions = job.pool.versions()
    samples = narrow_samples(job, prompts.with_left_out, versions)
    samples = fated(job, _left_out(samples, prompts))
    prefix = None
    if (wanted := job.recipe.target.published) is not None:
        ids = prompts.frame["prompt_id"]
        samples, prefix = cut_at_target(samples, ids, wanted, job.recipe.choose.per_prompt)
    drawn = pl.col("prompt_id").is_in(prompts.frame["prompt_id"].implode())
    settled = samples.filter(pl.col("settled") & drawn)["prompt_id"].n_unique()
    cut = Cut(
        tables=versions,
        prompts=prompts.digest,
        recipe=identity("e", job.resolved),
        code=code_digest(),
    )
    return Decided(
        cut,
        samples,
        prompts.frame.height,
        prompts.frame.height - settled,
        prefix,
        prompts.left_out_counts,
    )


def _left_out(samples: pl.DataFrame, prompts: PromptList) -> pl.DataFrame:
    """Samples drawn before a rule left their prompts out are not kept, and that is why."""
    if prompts.left_out.is_empty():
        return samples
    reasons = prompts.left_out.select("prompt_id", left_out="reason")
    return (
        samples.join(reasons, on="prompt_id", how="left")
        .with_columns(
            reason=pl.coalesce("left_out", "reason"),
            judged=pl.col("judged") | pl.col("left_out").is_not_null(),
            extensible=pl.col("extensible") & pl.col("left_out").is_null(),
        )
        .drop("left_out")
    )


def fated(job: Job, samples: pl.DataFrame) -> pl.DataFrame:
    """What becomes of samples with scores and reasons, by the rules of the recipe."""
    samples = with_eligible(samples, job.eligible)
    samples = with_groups(samples, job.recipe.samples.probe)
    samples = samples.with_columns(id=_sample_ids(samples))
    return with_fates(samples, job.chooser, partial(_with_texts, job))


def _sample_ids(samples: pl.DataFrame) -> pl.Series:
    keys = samples.select("prompt_id", "teacher_id", "sample_index").iter_rows()
    return pl.Series("id", [identity("y", list(key)) for key in keys], dtype=pl.String)


def build(job: Job, prompts: PromptList) -> Built:
    """Writes the data files of the cut into staging; RunError if nothing is published."""
    decided = decide(job, prompts)
    chosen = decided.samples.filter(pl.col("fate") == PUBLISHED)
    if chosen.is_empty():
        raise RunError(f"no sample is published; the funnel is {decided.funnel or 'empty'}")
    staging = Catalog(job.store, job.recipe.name).staging()
    shards = _shards(prompts.frame, chosen)
    staged: dict[str, str] = {}
    files = []
    for number, shard in enumerate(shards):
        texts = _with_prompts(_with_texts(job, shard), prompts)
        rows = sft_rows(texts, job.scorers, generator_name(job))
        file, key = _write_part(job.store, staging, "sft", number, len(shards), rows)
        files.append(file)
        staged[file.path] = key
    return Built(decided, staging, staged, tuple(files))


def _shards(prompts: pl.DataFrame, chosen: pl.DataFrame) -> list[pl.DataFrame]:
    """The chosen samples, a range of prompts at a time; ranges depend on the prompt list alone."""
    shards = []
    for start in range(0, prompts.height, PROMPTS_PER_SHARD):
        ids = prompts["prompt_id"][start : start + PROMPTS_PER_SHARD]
        shard = chosen.filter(pl.col("prompt_id").is_between(pl.lit(ids[0]), pl.lit(ids[-1])))
        if shard.height:
            shards.append(shard.sort("prompt_id", "sample_index"))
    return shards


def _with_texts(job: Job, samples: pl.DataFrame) -> pl.DataFrame:
    """Samples with their texts, read from the rows where they lie."""
    with reading(job.pool):
        texts = pl.concat(
            scan_file(path, SAMPLES)
            .filter(pl.col("row").is_in(group["row"].to_list()))
            .select("row", "reasoning", "answer")
            .with_columns(path=pl.lit(path))
            for (path,), group in samples.group_by("path", maintain_order=True)
        ).collect()
    return samples.join(
        texts, on=["path", "row"], how="left", validate="1:1", maintain_order="left"
    )


def _with_prompts(chosen: pl.DataFrame, prompts: PromptList) -> pl.DataFrame:
    about = prompts.frame.select("prompt_id", "messages", "reference", "license")
    rows = chosen.join(about, on="prompt_id", how="left", validate="m:1")
    return rows.sort("prompt_id", "sample_index")


def _write_part(
    store: Store, staging: str, output: str, number: int, count: int, rows: pl.DataFrame
) -> tuple[File, str]:
    """One Parquet file, named by its content."""
    key = f"{staging}/{output}-{number:05d}.parquet"
    with store.new_file(key) as path:
        pq.write_table(
            rows.to_arrow(compat_level=pl.CompatLevel.oldest()),
            path,
            compression="zstd",
            compression_level=3,
            row_group_size=ROWS_PER_GROUP,
            write_page_index=True,
            use_content_defined_chunking=True,
            use_dictionary=["domain", "source", "license", "generator", "teacher_id"],
            write_statistics=["id", "prompt_id", "sample_index"],
        )
        sha256, size = file_sha256(path), path.stat().st_size
    name = f"{output}/train-{number:05d}-of-{count:05d}-{sha256[:8]}.parquet"
    return File(path=name, bytes=size, sha256=sha256, rows=rows.height), key


def generator_name(job: Job) -> str:
    """The teacher as a reader knows it: a Hub id with its revision, or a folder's name."""
    teacher = job.recipe.teacher
    revision = teacher.revision or next(iter(job.model.values()))
    return (
        f"{Path(teacher.model).name if Path(teacher.model).is_dir() else teacher.model}@{revision}"
    )


def canned_answers(decided: Decided) -> int | None:
    """Of the teacher's finished samples, kept or not: how many recite a political line. Null where
    the recipe has no `refusal`, or none could be looked at."""
    if CANNED not in decided.samples.columns:
        return None
    found = decided.samples[CANNED].drop_nulls()
    return None if found.is_empty() else int(found.sum())


def summary(decided: Decided) -> dict[str, Any]:
    """What a person wants to know of a cut, as JSON values."""
    samples = decided.samples
    published = samples.filter(pl.col("fate") == PUBLISHED)
    tokens = (pl.col("reasoning_tokens") + pl.col("answer_tokens")).sum()
    return {
        "prompts": decided.prompts,
        "prompts_left_out": dict(decided.left_out),
        "prompts_published": published["prompt_id"].n_unique(),
        "unsettled": decided.unsettled,
        "target": decided.target,
        "samples": samples.height,
        "published": published.height,
        "tokens": samples.select(tokens).item() or 0,
        "tokens_published": published.select(tokens).item() or 0,
        "funnel": decided.funnel,
    }
