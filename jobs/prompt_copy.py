"""A copy of a recipe's prompt list in its pool: parsing the files takes 20 µs a prompt, reading the
copy back next to nothing, and every start needs the list."""

import io
import json
from dataclasses import replace

import polars as pl

from infra.revision import code_digest
from infra.rows import file_digests
from jobs.prompt_rules import by_prompt_rules
from jobs.prompts import PromptList, read_prompts
from jobs.recipe import Job
from schemas.arrow import PROMPTS
from schemas.errors import RecipeError, StoreError
from schemas.identity import identity

ORIGIN = "stillhouse.origin"
DROPPED = "stillhouse.dropped"
OF_SPLITS = ("cluster", "split")


def load_prompts(job: Job, *, drop_damaged: bool = False) -> PromptList:
    """The recipe's prompts: from the copy if it is of these files, this recipe and this code, else
    from the files. RecipeError as `read_prompts`; StoreError where splits or a rule rest on what
    the pool remembers, and a file of it is damaged and not dropped. What is dropped has to be found
    anew."""
    origin = _origin(job)
    copy = io.BytesIO(job.store.get(_key(job)) or b"")
    try:
        about = pl.read_parquet_metadata(copy)
        if origin is not None and about.get(ORIGIN) == origin and not drop_damaged:
            return _from_copy(pl.read_parquet(copy), json.loads(about[DROPPED]))
    except pl.exceptions.PolarsError:
        pass  # not there, or torn: it is only a copy
    prompts = by_prompt_rules(job, read_prompts(job.recipe), drop_damaged=drop_damaged)
    return replace(prompts, origin=origin)


def keep_prompts(job: Job, prompts: PromptList) -> None:
    """Puts a copy into the pool, in place of an older one, if the whole list was just read from the
    files and they are still the same. StoreUnavailableError where the store cannot be written."""
    if prompts.origin is None or prompts.origin != _origin(job):
        return
    content = io.BytesIO()
    about = {ORIGIN: prompts.origin, DROPPED: json.dumps(prompts.dropped)}
    rows = [prompts.frame, prompts.left_out] if prompts.left_out.width else [prompts.frame]
    every = pl.concat(rows, how="diagonal")
    if prompts.splits.width:
        every = every.join(prompts.splits, on="prompt_id", how="left", maintain_order="left")
    every.write_parquet(content, metadata=about)
    key = _key(job)
    job.store.replace_if(key, content.getvalue(), expected=job.store.get(key))


def _from_copy(every: pl.DataFrame, dropped: dict[str, int]) -> PromptList:
    prompts = PromptList(every, dropped)
    if "split" in every.columns:
        splits = every.select("prompt_id", *OF_SPLITS).sort("prompt_id")
        every = every.drop(OF_SPLITS)
        prompts = PromptList(every, dropped, splits=splits)
    if "reason" not in every.columns:
        return prompts
    kept = every.filter(pl.col("reason").is_null()).select(PROMPTS.names)
    left_out = every.filter(pl.col("reason").is_not_null())
    return replace(prompts, frame=kept, left_out=left_out)


def _key(job: Job) -> str:
    return f"pools/{job.recipe.pool}/prompt_lists/{job.recipe.name}.parquet"


def _origin(job: Job) -> str | None:
    """Identity of all that the list depends on; null where the files cannot be read."""
    sources = [source.model_dump() for source in job.recipe.prompts]
    evaluation = [one.model_dump() for one in job.recipe.decontaminate]
    paths = [source.path for source in job.recipe.prompts]
    paths += [one.path for one in job.recipe.decontaminate]
    rules = [job.recipe.keep] if evaluation or job.rules.prompts else []
    splits = [*job.recipe.splits.items()]  # whose order counts
    try:
        files = [list(one) for path in paths for one in file_digests(path)]
    except (OSError, RecipeError, StoreError):
        return None
    system = job.recipe.teacher.system
    return identity("q", [code_digest(), sources, evaluation, rules, splits, system, files])
