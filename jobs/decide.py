"""Decide: a cut of the pool, and what becomes of every sample in it, shard by shard.

A shard is a range of prompts. What becomes of a sample depends on the samples of its prompt alone,
and a target on a few numbers of each prompt, so that no process has all samples at once.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import polars as pl

from filters import score_counts
from filters.choose import PUBLISHED
from filters.mix import Mixed, mixed, with_beyond
from filters.outputs import OUTPUTS
from filters.shown import shown
from filters.survivorship import Counts, added_up
from filters.target import BEYOND_TARGET, SettledPrefix, settled_prefix
from infra.revision import code_digest
from jobs.prompts import PromptList
from jobs.recipe import Job
from jobs.shard import Shard, Tally, decide_shard, outputs_of
from jobs.tasks import Tasks
from schemas.identity import identity
from schemas.manifest import Cut

PROMPTS_PER_SHARD = 50_000
"""With eight samples of each, one takes 3 s, and all of a million samples at most 1.1 GB."""
SHARDS_HERE = 4
"""So many are done in this process about as soon as Ray and its workers have started."""
SHOWN_OF_SHARD = 200
"""At least so many samples of a shard may be shown: what is rare may all be in one."""
OF_PROMPTS = ("prompt_id", "reference_id", "domain", "source")
"""What a shard has to know of its prompts."""


@dataclass(frozen=True)
class Decided:
    """How many samples of a cut ended where."""

    cut: Cut
    funnel: Mapping[str, int]
    """How many samples ended where, the published first."""
    rows: Mapping[str, int]
    """Of each output."""
    tokens: int
    prompts_published: int
    """Prompts with rows of the first output that has any."""
    tokens_published: int
    """Of `sft`. Where a mix takes a part of a prompt's rows, the same part of their tokens."""
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
    mix: Mapping[str, Any]
    """What came of the recipe's mix, if it has one."""
    drawn: Counts
    """What there was before the choice."""
    kept: int
    tokens_by_fate: Mapping[str, int]
    """Fate -> generated tokens."""
    scores: pl.DataFrame = field(compare=False)
    """As `filters.score_counts` counts them."""
    shown: pl.DataFrame = field(compare=False)
    """Samples that a report shows, as `jobs.shard.Tally` has them."""

    @property
    def target(self) -> Literal["reached", "missed"] | None:
        """Whether there are as many rows as the recipe wants."""
        if self.prefix is None:
            return None
        return "reached" if self.prefix.reached else "missed"


@dataclass(frozen=True)
class Picked:
    """What is written."""

    by_prompt: Mapping[str, pl.DataFrame]
    """Of each output and each prompt with rows of it, in their order: `prompt_id`, `rows` and
    `size`, as `jobs.parts` cuts by it."""
    shards: Sequence["Shard"]
    tables: Sequence[Any]
    """Of each shard: output -> narrow columns of its rows, sorted, or where Ray has these. With
    those beyond a target or a mix."""
    allowed: pl.DataFrame | None
    """Where the recipe has a mix or a target: `prompt_id`, how many of its samples are `allowed` to
    be published, and the fate of those `beyond`. Prompts that are not in it have no bound."""


def decide(job: Job, prompts: PromptList) -> Decided:
    """Fixes a cut and gives every sample in it a fate."""
    with Tasks(job) as tasks:
        return decide_by(tasks, job, prompts)[0]


def decide_by(tasks: Tasks, job: Job, prompts: PromptList) -> tuple[Decided, Picked]:
    """The same by given tasks, with what is written."""
    cut = cut_now(job, prompts)
    shards = _shards(prompts, cut.tables, job.recipe.report.samples)
    done = tasks.run(decide_shard, shards, doing="shards decided", here=SHARDS_HERE)
    tallies: list[Tally] = [tally for tally, _ in done]
    by_prompt = pl.concat(tally.by_prompt for tally in tallies)
    prefix = _prefix(job, prompts, by_prompt)
    of_mix = None if job.mixer is None else mixed(job.mixer, by_prompt)
    picked = {name: pl.concat(tally.picked[name] for tally in tallies) for name in outputs_of(job)}
    picked = {
        name: rows if OUTPUTS[name].everything else _within(rows, prefix)
        for name, rows in picked.items()
    }
    within = _within(by_prompt, prefix)
    if of_mix is not None:
        within = _allowed(within, of_mix, "tokens")
        picked["sft"] = _allowed(picked["sft"], of_mix, "size")
    allowed = _beyond_target(by_prompt, prefix) if of_mix is None else of_mix.allowed
    looked_at = [tally.canned_answers for tally in tallies if tally.canned_answers is not None]
    drawn_for = by_prompt["prompt_id"].is_in(prompts.frame["prompt_id"].implode())
    decided = Decided(
        cut=cut,
        funnel=_funnel(tallies, by_prompt, prefix, of_mix),
        rows={name: int(rows["rows"].sum()) for name, rows in picked.items()},
        tokens=sum(tally.tokens for tally in tallies),
        prompts_published=next((rows.height for rows in picked.values() if rows.height), 0),
        tokens_published=int(within["tokens"].sum()),
        prompts=prompts.frame.height,
        unsettled=prompts.frame.height - int((by_prompt["settled"] & drawn_for).sum()),
        engine_versions=sorted(frozenset().union(*(tally.engine_versions for tally in tallies))),
        canned_answers=sum(looked_at) if looked_at else None,
        prefix=prefix,
        left_out=prompts.left_out_counts,
        mix={} if of_mix is None else of_mix.report,
        drawn=added_up(tally.drawn for tally in tallies),
        kept=sum(tally.kept for tally in tallies),
        tokens_by_fate=_tokens_by_fate(tallies, by_prompt, allowed),
        scores=score_counts.added_up(tally.scores for tally in tallies),
        shown=_shown(job, tallies, allowed),
    )
    return decided, Picked(picked, shards, [table for _, table in done], allowed)


def cut_now(job: Job, prompts: PromptList) -> Cut:
    """The cut that a version would be made of now."""
    return Cut(
        tables=job.pool.versions(),
        prompts=prompts.digest,
        recipe=_recipe_id(job),
        code=code_digest(),
    )


def _recipe_id(job: Job) -> str:
    """With the order of splits and strata, which counts; that of other fields does not."""
    mix = job.recipe.mix
    order = [[*job.recipe.splits], [] if mix is None else [*mix.strata]]
    return identity("e", [job.resolved, *order] if any(order) else job.resolved)


def _prefix(job: Job, prompts: PromptList, by_prompt: pl.DataFrame) -> SettledPrefix | None:
    if (wanted := job.recipe.target.published) is None:
        return None
    return settled_prefix(by_prompt, prompts.frame["prompt_id"], wanted)


def _within(by_prompt: pl.DataFrame, prefix: SettledPrefix | None) -> pl.DataFrame:
    """The prompts that a target is reached with."""
    if prefix is None or prefix.last is None:
        return by_prompt
    return by_prompt.filter(pl.col("prompt_id") <= prefix.last)


def _beyond_target(by_prompt: pl.DataFrame, prefix: SettledPrefix | None) -> pl.DataFrame | None:
    """The prompts of which nothing is published, as `filters.mix.Mixed.allowed` has them."""
    if prefix is None or prefix.last is None:
        return None
    beyond = by_prompt.filter(pl.col("prompt_id") > prefix.last)
    return beyond.select("prompt_id", allowed=pl.lit(0, pl.Int64), beyond=pl.lit(BEYOND_TARGET))


def _allowed(by_prompt: pl.DataFrame, of_mix: Mixed, amount: str) -> pl.DataFrame:
    """The prompts that a mix takes, with the rows that it takes of them, and their part of the
    amount."""
    taken = pl.col(amount) * pl.col("allowed") // pl.col("rows")
    return (
        by_prompt.join(of_mix.allowed, on="prompt_id", maintain_order="left")
        .filter(pl.col("allowed") > 0)
        .with_columns(taken.alias(amount), rows="allowed")
        .drop("allowed", "beyond")
    )


def _funnel(
    tallies: Iterable[Tally],
    by_prompt: pl.DataFrame,
    prefix: SettledPrefix | None,
    of_mix: Mixed | None,
) -> dict[str, int]:
    funnel = sum((Counter(tally.funnel) for tally in tallies), Counter[str]())
    lost = Counter(of_mix.left_out if of_mix is not None else {})
    beyond = int(by_prompt["rows"].sum()) - int(_within(by_prompt, prefix)["rows"].sum())
    lost += Counter({BEYOND_TARGET: beyond})
    funnel += lost
    funnel -= Counter({PUBLISHED: lost.total()})
    return dict(sorted(funnel.items(), key=lambda kv: (kv[0] != PUBLISHED, -kv[1], kv[0])))


def _tokens_by_fate(
    tallies: Iterable[Tally], by_prompt: pl.DataFrame, allowed: pl.DataFrame | None
) -> dict[str, int]:
    """With those of rows beyond a target or a mix, of a prompt the same part as of its rows."""
    tokens = sum((Counter(tally.tokens_by_fate) for tally in tallies), Counter[str]())
    if allowed is not None:
        beyond = by_prompt.join(allowed, on="prompt_id").filter(pl.col("allowed") < pl.col("rows"))
        left_out = pl.col("tokens") - pl.col("tokens") * pl.col("allowed") // pl.col("rows")
        for fate, lost in beyond.group_by("beyond").agg(left_out.sum()).iter_rows():
            tokens[fate] += lost
            tokens[PUBLISHED] -= lost
    return dict(sorted(tokens.items()))


def _shown(job: Job, tallies: Sequence[Tally], allowed: pl.DataFrame | None) -> pl.DataFrame:
    own = pl.concat(tally.shown for tally in tallies)
    if allowed is not None:
        own = with_beyond(own, allowed)
    return shown(own, job.recipe.report.samples)


def _shards(
    prompts: PromptList, versions: Mapping[str, int | None], shown_of_all: int
) -> list[Shard]:
    """Ranges of the prompts, with what is left out among them."""
    every, own = prompts.with_left_out.frame["prompt_id"], prompts.frame
    count = -(-len(every) // PROMPTS_PER_SHARD)
    most = min(shown_of_all, max(SHOWN_OF_SHARD, -(-2 * shown_of_all // max(count, 1))))
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
        shards.append(Shard(f"shard {number + 1} of {count}", mine, versions, first, last, most))
    return shards


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
        "rows": dict(decided.rows),
        "tokens": decided.tokens,
        "tokens_published": decided.tokens_published,
        "funnel": dict(decided.funnel),
        **({"mix": dict(decided.mix)} if decided.mix else {}),
    }
