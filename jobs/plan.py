"""Plan: what exists, what is missing, what changed, and what it will cost. Touches nothing."""

from typing import Any

import polars as pl

from filters.choose import PUBLISHED
from infra.catalog import Catalog
from jobs.budget import cost
from jobs.build import generator_name
from jobs.changed_fields import Change, brief, changed_values
from jobs.estimate import estimate, estimate_lines, measured
from jobs.fates import fated
from jobs.moved import moved, moves
from jobs.prompts import PromptList
from jobs.recipe import Job
from jobs.regeneration import regeneration
from jobs.splits import shares, warnings
from jobs.survey import Survey, survey
from schemas.manifest import Manifest


def plan(job: Job, prompts: PromptList) -> dict[str, Any]:
    """Everything that a run would rest on, as JSON values."""
    found = survey(job, prompts)
    samples = fated(job, found.samples.with_columns(pl.col("prompt_id").cast(pl.String)))
    last = Catalog(job.store, job.recipe.name).latest()
    bought = regeneration(job, prompts, last, found)
    return {
        "recipe": job.recipe.name,
        "store": job.store.url,
        "pool": job.recipe.pool,
        "teacher": {"id": job.teacher_id, "name": generator_name(job)},
        "prompts": prompts.frame.height,
        "prompts_by_domain": dict(
            prompts.frame["domain"].value_counts().sort("domain").iter_rows()
        ),
        "rows_dropped": prompts.dropped,
        "prompts_left_out": prompts.left_out_counts,
        "splits": shares(prompts, job.recipe),
        "settled": found.settled,
        "samples_exist": found.samples.height,
        "samples_unscored": found.unscored,
        "samples_truncated": found.truncated.height,
        "bounds": _bounds(job, prompts, found, samples),
        "estimate": estimate(job, measured(prompts, samples), settled_rows=_settled_rows(samples)),
        "replicas": job.recipe.teacher.replicas.max,
        "spent": cost(job),
        "budget": job.resolved["budget"] if job.recipe.budget.limited else None,
        "last_version": last and last.version,
        "changed": [change.as_json for change in (*bought.changes, *_chosen(job, prompts, last))],
        "regeneration": bought.as_json,
    }


def _bounds(
    job: Job, prompts: PromptList, found: Survey, samples: pl.DataFrame
) -> dict[str, int | None]:
    """Samples and tokens still to be drawn: at least, and at most."""
    open_prompts = prompts.frame.height - found.settled
    drawn_of_open = samples.filter(~pl.col("settled") & ~pl.col("extensible")).height
    most = max(found.missing, open_prompts * job.recipe.samples.max - drawn_of_open)
    length = found.tokens_per_sample
    return {
        "samples_at_least": found.missing,
        "samples_at_most": most,
        "tokens_at_least": None if length is None else round(found.missing * length),
        "tokens_at_most": round(most * (length or job.recipe.sampling.max_tokens)),
    }


def _settled_rows(samples: pl.DataFrame) -> int:
    return samples.filter(pl.col("settled") & (pl.col("fate") == PUBLISHED)).height


def _chosen(job: Job, prompts: PromptList, last: Manifest | None) -> list[Change]:
    """What has others chosen of the same samples."""
    if last is None:
        return []
    names = ("keep", "choose")
    before, now = ({n: of.get(n) for n in names} for of in (last.recipe, job.resolved))
    why = "chosen again; prompts left short by it get more samples"
    changed = [Change(n, *brief(*values), why) for n, values in changed_values(before, now)]
    if last.recipe.get("decontaminate", []) != job.resolved["decontaminate"]:
        changed.append(Change("decontaminate", why="other prompts may be left out"))
    if not (gone := moved(job, prompts, last)).is_empty():
        why = f"nothing would be published, since prompts move: {moves(gone)}"
        changed.append(Change("splits", why=why))
    return changed


def _spent_text(spent: dict[str, Any], budget: dict[str, Any] | None) -> str:
    """What was spent of what, with what there is no limit for at the end."""
    limits = budget or {}
    parts = []
    for name, unit in (("tokens", "tokens"), ("gpu_hours", "GPU-hours"), ("usd", "US dollars")):
        if spent[name] is not None:
            limit = limits.get(name)
            of = "" if limit is None else f" of {limit:,.10g}"
            parts.append(f"{spent[name]:,}{of} {unit}")
    return ", ".join(parts)


def _splits_lines(splits: dict[str, Any]) -> list[str]:
    told = [
        f"{name} {own['prompts']:,} ({own['share']:.2%}, wanted {own['wanted_share']:.2%})"
        for name, own in splits.items()
    ]
    lines = [f"splits    {', '.join(told)}"] if told else []
    return lines + [f"          {warning}" for warning in warnings(splits)]


def _again_lines(again: dict[str, Any]) -> list[str]:
    """What all changes buy again together."""
    if not again["samples_again"]:
        return []
    told = (
        f"again     {again['samples_again']:,} of {again['samples_paid']:,} samples that are paid "
        f"for, {again['share']:.0%} of their tokens"
    )
    return [told + ("; `refresh` wants --accept-regeneration" if again["refused"] else "")]


def plan_text(found: dict[str, Any]) -> str:
    """The plan for a person."""
    bounds = found["bounds"]
    dropped = ", ".join(f"{n:,} {reason}" for reason, n in found["rows_dropped"].items())
    left_out = ", ".join(f"{n:,} {reason}" for reason, n in found["prompts_left_out"].items())
    at_least = bounds["tokens_at_least"]
    lines = [
        f"recipe    {found['recipe']} (pool {found['pool']} in {found['store']})",
        f"teacher   {found['teacher']['name']}  ({found['teacher']['id']})",
        f"prompts   {found['prompts']:,}" + (f" (dropped: {dropped})" if dropped else ""),
        *([f"left out  {left_out}"] if left_out else ()),
        *_splits_lines(found["splits"]),
        f"exist     {found['samples_exist']:,} samples, {found['samples_unscored']:,} of them "
        f"lack scores; {found['settled']:,} prompts are settled",
        f"missing   {bounds['samples_at_least']:,} to {bounds['samples_at_most']:,} samples, "
        f"{'?' if at_least is None else f'{at_least:,}'} to {bounds['tokens_at_most']:,} tokens",
        *(
            [f"          {truncated:,} that were truncated at fewer tokens are gone on with"]
            if (truncated := found["samples_truncated"])
            else ()
        ),
        *(
            estimate_lines(found["estimate"], found["replicas"])
            if bounds["samples_at_most"]
            else ()
        ),
        f"spent     {_spent_text(found['spent'], found['budget'])}",
        f"published {found['last_version'] or 'nothing yet'}",
        *(f"changed   {change['text']}" for change in found["changed"]),
        *_again_lines(found["regeneration"]),
    ]
    return "\n".join(lines)
