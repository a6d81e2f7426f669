"""Prompts that the next version would have in another split than an earlier one: there must be
none, or who trained on a version has seen what the next one holds out."""

import json

import polars as pl

from infra.catalog import Catalog
from infra.version import Version, split_of
from jobs.clusters import TABLE
from jobs.prompts import PromptList
from jobs.recipe import Job
from schemas.errors import RecipeError, StoreError, VersionError
from schemas.manifest import Manifest
from schemas.recipe import TRAIN

EXAMPLES = 2


def assert_unmoved(job: Job, prompts: PromptList) -> None:
    """RecipeError where a prompt would move, with how many from where to where and what to do.
    VersionError where a version that may have it elsewhere cannot be read."""
    catalog = Catalog(job.store, job.recipe.name)
    for version in reversed(catalog.versions()):
        last = catalog.manifest(version)
        if (gone := moved(job, prompts, last)).is_empty():
            continue
        examples = ", ".join(gone["prompt_id"].head(EXAMPLES))
        before = last.recipe.get("splits", {})
        raise RecipeError(
            f"splits: {gone.height:,} prompts of {last.name}@{last.version} would be in another "
            f"split: {moves(gone)} (such as {examples}). Nothing is published, since a prompt "
            f"never changes its split: {_remedy(job, before)}, or publish under another `name`, "
            f"with `pool: {job.recipe.pool}`, so that nothing is drawn again"
        )


def _remedy(job: Job, before: dict[str, float]) -> str:
    if [*before.items()] == [*job.recipe.splits.items()]:
        return f"put the table {job.pool.folder(TABLE)} back from a copy"
    return f"set `splits` back to {json.dumps(before)}"


def moves(gone: pl.DataFrame) -> str:
    """How many prompts from where to where."""
    counts = gone.group_by("before", "after").len().sort("before", "after")
    return ", ".join(f"{count:,} from {one} to {other}" for one, other, count in counts.rows())


def moved(job: Job, prompts: PromptList, last: Manifest) -> pl.DataFrame:
    """`prompt_id`, `before` and `after` of the list's prompts that a version has in another split.
    What is not in the list is not in the next version either. VersionError where the version cannot
    be read, of whose rows the column `prompt_id` alone is."""
    if _cannot_have_moved(job, last):
        return pl.DataFrame(schema=dict.fromkeys(("prompt_id", "before", "after"), pl.String))
    if prompts.splits.width:
        now = prompts.splits.select("prompt_id", after=pl.col("split").cast(pl.String))
    else:
        now = prompts.with_left_out.frame.select("prompt_id", after=pl.lit(TRAIN))
    both = now.join(_published(job, last), on="prompt_id")
    return (
        both.filter(pl.col("before") != pl.col("after"))
        .sort("prompt_id")
        .select("prompt_id", "before", "after")
    )


def _cannot_have_moved(job: Job, last: Manifest) -> bool:
    """Whether splits and pool are those of the version, and the pool has everything yet that its
    clusters were read from."""
    before, now = last.recipe, job.recipe
    if [*before.get("splits", {}).items()] != [*now.splits.items()]:
        return False
    if not now.splits:
        return True
    version = last.cut.tables.get(TABLE)
    if before.get("pool") != now.pool or version is None:
        return False
    try:
        return {*job.pool.files(TABLE, version)} <= {*job.pool.files(TABLE)}
    except StoreError:
        return False  # a table that was begun anew does not know the version


def _published(job: Job, last: Manifest) -> pl.DataFrame:
    """`prompt_id` and `before` of the version's prompts."""
    version = Version(last, Catalog(job.store, last.name))
    data = [file for file in last.files if file.rows is not None]
    parts = {(file.path.partition("/")[0], split_of(file)) for file in data}
    rows = [
        version.scan(output, split).select("prompt_id", before=pl.lit(split))
        for output, split in sorted(parts)
    ]
    try:
        return pl.concat(rows).unique().collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise VersionError(
            f"{version.name} cannot be read: {error}; `stillhouse verify {version.name}` tells "
            "what is wrong"
        ) from error
