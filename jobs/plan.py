"""Plan: what exists, what is missing, and what it will cost. Touches nothing."""

from typing import Any

import polars as pl

from infra.catalog import Catalog
from jobs.build import generator_name
from jobs.prompts import PromptList
from jobs.recipe import Job
from jobs.survey import MEASURED_FROM, Survey, survey
from schemas.manifest import Manifest
from schemas.sample import DONE


def plan(job: Job, prompts: PromptList) -> dict[str, Any]:
    """Everything that a run would rest on, as JSON values."""
    found = survey(job, prompts)
    last = Catalog(job.store, job.recipe.name).latest()
    return {
        "recipe": job.recipe.name,
        "store": str(job.store.root),
        "pool": job.recipe.pool,
        "teacher": {"id": job.teacher_id, "name": generator_name(job)},
        "prompts": prompts.frame.height,
        "prompts_by_domain": dict(
            prompts.frame["domain"].value_counts().sort("domain").iter_rows()
        ),
        "rows_dropped": prompts.dropped,
        "settled": found.settled,
        "samples_exist": found.samples.height,
        "samples_unscored": found.unscored,
        "estimate": _estimate(job, prompts, found),
        "last_version": last and last.version,
        "changed": _changed(job, last),
    }


def _estimate(job: Job, prompts: PromptList, found: Survey) -> dict[str, Any]:
    """Samples and tokens still to be drawn: at least, and at most."""
    open_prompts = prompts.frame.height - found.settled
    drawn_of_open = found.samples.height - _samples_of_settled(job, found)
    most = max(found.missing, open_prompts * job.recipe.samples.max - drawn_of_open)
    done = found.samples.filter(pl.col("outcome") == DONE)
    tokens = done.select((pl.col("reasoning_tokens") + pl.col("answer_tokens")).mean()).item()
    if done.height >= MEASURED_FROM and tokens:
        basis = f"mean length of {done.height:,} samples in the pool"
    else:
        tokens = None
        basis = "no samples to measure yet: every sample may take max_tokens; try --limit 50 first"
    each = tokens or job.recipe.sampling.max_tokens
    return {
        "samples_at_least": found.missing,
        "samples_at_most": most,
        "tokens_at_least": round(found.missing * each) if tokens else None,
        "tokens_at_most": round(most * each),
        "tokens_per_sample": tokens and round(tokens, 1),
        "rests_on": basis,
    }


def _samples_of_settled(job: Job, found: Survey) -> int:
    """Samples of prompts that need nothing more."""
    from filters.choose import with_eligible

    marked = with_eligible(found.samples, job.eligible)
    return marked.filter(pl.col("settled")).height


def _changed(job: Job, last: Manifest | None) -> list[str]:
    """Which identities differ from the last version's, and what that means."""
    if last is None:
        return []
    changed = []
    if last.teacher["id"] != job.teacher_id:
        changed.append("teacher: all samples would be drawn again")
    for name, scorer_id in job.scorer_ids.items():
        if last.scorers.get(name) != scorer_id:
            changed.append(f"scorer {name}: its scores would be computed again, nothing drawn")
    if (
        last.recipe["keep"] != job.resolved["keep"]
        or last.recipe["choose"] != job.resolved["choose"]
    ):
        changed.append("keep or choose: chosen again; prompts left short by it get more samples")
    return changed


def plan_text(found: dict[str, Any]) -> str:
    """The plan for a person."""
    estimate = found["estimate"]
    dropped = ", ".join(f"{n:,} {reason}" for reason, n in found["rows_dropped"].items())
    at_least = estimate["tokens_at_least"]
    lines = [
        f"recipe    {found['recipe']} (pool {found['pool']} in {found['store']})",
        f"teacher   {found['teacher']['name']}  ({found['teacher']['id']})",
        f"prompts   {found['prompts']:,}" + (f" (dropped: {dropped})" if dropped else ""),
        f"exist     {found['samples_exist']:,} samples, {found['samples_unscored']:,} of them "
        f"lack scores; {found['settled']:,} prompts are settled",
        f"missing   {estimate['samples_at_least']:,} to {estimate['samples_at_most']:,} samples",
        f"tokens    {'?' if at_least is None else f'{at_least:,}'} to "
        f"{estimate['tokens_at_most']:,} ({estimate['rests_on']})",
        f"published {found['last_version'] or 'nothing yet'}",
        *(f"changed   {change}" for change in found["changed"]),
    ]
    return "\n".join(lines)
