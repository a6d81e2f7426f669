"""Fates: what becomes of every sample of a cut, from its narrow columns."""

from collections.abc import Mapping, Sequence
from functools import partial

import polars as pl
import pyarrow as pa

from filters.choose import with_eligible, with_fates
from filters.groups import with_groups
from filters.mix import cut_to_mix
from filters.picking import Picking
from filters.scored import with_reasons
from filters.target import cut_at_target
from infra.pool import MEND, reading
from infra.rewriting import rows_at
from jobs.prompts import PromptList
from jobs.recipe import Job
from jobs.survey import narrow_samples
from schemas.errors import StoreError
from schemas.identity import identity_of

TEXTS = ("reasoning", "answer")


def samples_with_fates(job: Job, prompts: PromptList) -> pl.DataFrame:
    """All samples of the prompts, by `prompt_id` and `sample_index`, with everything that is known
    of them but their texts. A whole recipe's may be more than fits into a process: `decide` says
    how many ended where, however many they are."""
    samples = fates_at(job, prompts, job.pool.versions())
    if job.mixer is not None:
        return cut_to_mix(samples, job.mixer)[0]
    if (wanted := job.recipe.target.published) is None:
        return samples
    ids = prompts.frame["prompt_id"]
    return cut_at_target(samples, ids, wanted, job.recipe.choose.per_prompt)[0]


def fates_at(job: Job, prompts: PromptList, versions: Mapping[str, int | None]) -> pl.DataFrame:
    """The same at given versions of the tables, and as if there were neither target nor mix."""
    samples = narrow_samples(job, prompts.with_left_out, versions)
    return fated(job, _left_out(samples, prompts))


def rejudged(job: Job, samples: pl.DataFrame, prompts: PromptList) -> pl.DataFrame:
    """`jobs.survey.narrow_samples` with the reasons that they have by the rules of this recipe,
    whose scorers are the same; `prompts` says which prompts are left out."""
    max_tokens = job.recipe.sampling.max_tokens
    return _left_out(with_reasons(samples, job.rules.samples, max_tokens), prompts)


def fated(job: Job, samples: pl.DataFrame) -> pl.DataFrame:
    """What becomes of samples with scores and reasons, by the rules of the recipe."""
    samples = samples.sort("prompt_id", "sample_index")  # takes a quarter off what follows
    samples = with_eligible(samples, job.eligible)
    samples = with_groups(samples, job.recipe.samples.probe)
    samples = samples.with_columns(id=sample_ids(samples))
    return with_fates(samples, job.chooser, partial(with_texts, job))


def picking(job: Job) -> Picking:
    """What the recipe's outputs pick their rows by."""
    texts = partial(with_texts, job)
    return Picking(job.chooser, job.pairer, job.scorers, job.recipe.scorers, texts)


def with_texts(
    job: Job, samples: pl.DataFrame, texts: Sequence[str] = TEXTS, prefix: str = ""
) -> pl.DataFrame:
    """Samples with their texts, read from the rows where they lie; the prefix is that of all these
    columns."""
    place = [f"{prefix}path", f"{prefix}row"]
    found = [
        read_texts(job, path, group[place[1]], texts)
        for (path,), group in samples.group_by(place[0], maintain_order=True)
    ]
    read = pl.concat(found).select(pl.all().name.prefix(prefix))
    return samples.join(read, on=place, how="left", validate="1:1", maintain_order="left")


def read_texts(job: Job, path: str, rows: pl.Series, texts: Sequence[str]) -> pl.DataFrame:
    """`path`, `row` and the texts of these rows of a file; row groups without any are not read, and
    one at a time is in memory whole. StoreError where the file is gone or damaged."""
    numbers = rows.sort()
    try:
        with reading(job.pool):
            tables = [pl.DataFrame(table) for table in rows_at(path, {*numbers}, texts)]
            return pl.concat(tables).with_columns(path=pl.lit(path), row=numbers)
    except pa.ArrowException as error:
        raise StoreError(f"{path} cannot be read: {error}. {MEND}") from error


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


def sample_ids(samples: pl.DataFrame) -> pl.Series:
    """Identities of their keys, whose JSON is put together in columns: an encoder takes five times
    as long, and a million samples are looked at for every changed threshold."""
    key = pl.format('["{}","{}",{}]', "prompt_id", "teacher_id", "sample_index")
    keys = samples.select(key).to_series()
    return pl.Series("id", [identity_of("y", key) for key in keys], dtype=pl.String)
