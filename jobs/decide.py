"""Decide: a cut of the pool, and what becomes of every sample in it, shard by shard.

A shard is a range of prompts. What becomes of a sample depends on the samples of its prompt alone,
and a target on a few numbers of each prompt, so that no process has all samples at once.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from filters.choose import PUBLISHED
from filters.sft import sample_columns
from filters.target import BEYOND_TARGET, SettledPrefix, rows_by_prompt, settled_prefix
from infra.revision import code_digest
from jobs.fates import fates_at
from jobs.parts import tokens_in_part
from jobs.prompts import PromptList
from jobs.recipe import Job
from jobs.tasks import Tasks
from schemas.identity import identity
from schemas.manifest import Cut

PROMPTS_PER_SHARD = 50_000
"""With eight samples of each, one takes 3 s, and all of a million samples at most 1.1 GB."""
SHARDS_HERE = 4
"""So many are done in this process about as soon as Ray and its workers have started."""
OF_PROMPTS = ("prompt_id", "reference_id", "domain", "source")
"""What a shard has to know of its prompts."""
CANNED = "refusal.canned"


@dataclass(frozen=True)
class Decided:
    """How many samples of a cut ended where."""

    cut: Cut
    funnel: Mapping[str, int]
    """How many samples ended where, the published first."""
    tokens: int
    prompts_published: int
    tokens_published: int
    prompts: int
    unsettled: int
    engine_versions: Sequence[str]
    canned_answers: int | None
    """Of the teacher's finished samples, kept or not: how many recite a political line. Null where
    the recipe has no `refusal`, or none could be looked at."""
    prefix: SettledPrefix | None
    """Where the recipe has a target."""
    left_out: Mapping[str, int]
    """Prompts that nothing is drawn for, by reason."""

    @property
    def target(self) -> Literal["reached", "missed"] | None:
        """Whether there are as many rows as the recipe wants."""
        if self.prefix is None:
            return None
        return "reached" if self.prefix.reached else "missed"


@dataclass(frozen=True)
class Chosen:
    """The samples that are published."""

    by_prompt: pl.DataFrame
    """Of each prompt with any, in their order: `prompt_id`, `rows` and `size`, as `jobs.parts` cuts
    by it."""
    shards: Sequence["Shard"]
    tables: Sequence[Any]
    """Of each shard: their narrow columns, sorted, or where Ray has them. With those beyond a
    target."""


@dataclass(frozen=True)
class Shard:
    """A range of prompts, and the state of the pool that they are looked at in."""

    name: str
    prompts: PromptList
    versions: Mapping[str, int | None]
    first: str
    last: str


@dataclass(frozen=True)
class Tally:
    """What is told of a shard."""

    funnel: Mapping[str, int]
    tokens: int
    engine_versions: frozenset[str]
    canned_answers: int | None
    by_prompt: pl.DataFrame
    """Of each prompt with samples: `settled`, `rows`, `kept_rows`, and of its published ones
    `tokens` and `size`."""


def decide(job: Job, prompts: PromptList) -> Decided:
    """Fixes a cut and gives every sample in it a fate."""
    with Tasks(job) as tasks:
        return decide_by(tasks, job, prompts)[0]


def decide_by(tasks: Tasks, job: Job, prompts: PromptList) -> tuple[Decided, Chosen]:
    """The same by given tasks, with the samples that are published."""
    cut = Cut(
        tables=job.pool.versions(),
        prompts=prompts.digest,
        recipe=identity("e", job.resolved),
        code=code_digest(),
    )
    shards = _shards(prompts, cut.tables)
    done = tasks.run(decide_shard, shards, doing="shards decided", here=SHARDS_HERE)
    tallies: list[Tally] = [tally for tally, _ in done]
    by_prompt = pl.concat(tally.by_prompt for tally in tallies)
    prefix, within = None, by_prompt
    if (wanted := job.recipe.target.published) is not None:
        prefix = settled_prefix(by_prompt, prompts.frame["prompt_id"], wanted)
        if prefix.last is not None:
            within = by_prompt.filter(pl.col("prompt_id") <= prefix.last)
    funnel = sum((Counter(tally.funnel) for tally in tallies), Counter[str]())
    if beyond := int(by_prompt["rows"].sum()) - int(within["rows"].sum()):
        funnel += Counter({BEYOND_TARGET: beyond})
        funnel -= Counter({PUBLISHED: beyond})
    published = within.filter(pl.col("rows") > 0)
    looked_at = [tally.canned_answers for tally in tallies if tally.canned_answers is not None]
    drawn_for = by_prompt["prompt_id"].is_in(prompts.frame["prompt_id"].implode())
    decided = Decided(
        cut=cut,
        funnel=dict(sorted(funnel.items(), key=lambda kv: (kv[0] != PUBLISHED, -kv[1], kv[0]))),
        tokens=sum(tally.tokens for tally in tallies),
        prompts_published=published.height,
        tokens_published=int(published["tokens"].sum()),
        prompts=prompts.frame.height,
        unsettled=prompts.frame.height - int((by_prompt["settled"] & drawn_for).sum()),
        engine_versions=sorted(frozenset().union(*(tally.engine_versions for tally in tallies))),
        canned_answers=sum(looked_at) if looked_at else None,
        prefix=prefix,
        left_out=prompts.left_out_counts,
    )
    chosen = published.select("prompt_id", "rows", "size")
    return decided, Chosen(chosen, shards, [table for _, table in done])


def _shards(prompts: PromptList, versions: Mapping[str, int | None]) -> list[Shard]:
    """Ranges of the prompts, with what is left out among them."""
    every, own = prompts.with_left_out.frame["prompt_id"], prompts.frame
    count = -(-len(every) // PROMPTS_PER_SHARD)
    shards = []
    for number in range(count):
        ids = every[number * PROMPTS_PER_SHARD : (number + 1) * PROMPTS_PER_SHARD]
        first, last = ids[0], ids[-1]
        start = own["prompt_id"].search_sorted(first, "left")
        end = own["prompt_id"].search_sorted(last, "right")
        left_out = prompts.left_out
        if left_out.width:
            among = pl.col("prompt_id").is_between(pl.lit(first), pl.lit(last))
            left_out = left_out.filter(among).select(*OF_PROMPTS, "reason")
        mine = PromptList(own[start:end].select(OF_PROMPTS), {}, left_out=left_out)
        shards.append(Shard(f"shard {number + 1} of {count}", mine, versions, first, last))
    return shards


def decide_shard(job: Job, shard: Shard, _: Sequence[Any]) -> tuple[Tally, pl.DataFrame]:
    """How its samples ended, and those that are published."""
    samples = fates_at(job, shard.prompts, shard.versions)
    chosen = samples.filter(pl.col("fate") == PUBLISHED)
    chosen = chosen.select(*sample_columns(job.scorers), "path", "row")
    sizes = chosen.group_by("prompt_id").agg(tokens=_tokens().sum(), size=tokens_in_part().sum())
    by_prompt = (
        rows_by_prompt(samples, job.recipe.choose.per_prompt)
        .join(sizes, on="prompt_id", how="left")
        .sort("prompt_id")
        .with_columns(pl.col("tokens", "size").fill_null(0))
    )
    tally = Tally(
        dict(samples["fate"].value_counts().iter_rows()),
        samples.select(_tokens().sum()).item() or 0,
        frozenset(samples["engine_version"].unique()),
        canned_answers(samples),
        by_prompt,
    )
    return tally, chosen


def _tokens() -> pl.Expr:
    return (pl.col("reasoning_tokens") + pl.col("answer_tokens")).cast(pl.Int64)


def canned_answers(samples: pl.DataFrame) -> int | None:
    """How many of them recite a political line; null where none was looked at."""
    if CANNED not in samples.columns:
        return None
    found = samples[CANNED].drop_nulls()
    return None if found.is_empty() else int(found.sum())


def summary(decided: Decided) -> dict[str, Any]:
    """What a person wants to know of a cut, as JSON values."""
    return {
        "prompts": decided.prompts,
        "prompts_left_out": dict(decided.left_out),
        "prompts_published": decided.prompts_published,
        "unsettled": decided.unsettled,
        "target": decided.target,
        "samples": sum(decided.funnel.values()),
        "published": decided.funnel.get(PUBLISHED, 0),
        "tokens": decided.tokens,
        "tokens_published": decided.tokens_published,
        "funnel": dict(decided.funnel),
    }
