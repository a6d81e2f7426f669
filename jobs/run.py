"""Run: generate ⇄ score → build → publish, resuming by itself."""

from dataclasses import dataclass, replace
from math import ceil

from infra.meter import Spent
from jobs.build import build
from jobs.decide import Decided, decide
from jobs.generate import Generated, generate
from jobs.ingest import remember_clusters
from jobs.moved import assert_unmoved
from jobs.prompts import PromptList
from jobs.publish import Published, assert_publishable, publish
from jobs.recipe import Job
from jobs.repair import NO_REPAIRS, Repairs


@dataclass(frozen=True)
class Ran:
    """What a run did."""

    generated: Generated
    decided: Decided
    published: Published | None
    """Null for a pilot, which publishes nothing."""


def run(
    job: Job,
    prompts: PromptList,
    *,
    pilot: bool,
    allow_simulated: bool,
    repairs: Repairs = NO_REPAIRS,
    force: str | None = None,
) -> Ran:
    """Everything that is still to be done, and nothing that is done. RefusedError as `publish`,
    which `force` is for."""
    if not pilot:
        assert_publishable(job, allow_simulated=allow_simulated)
        assert_unmoved(job, prompts)
    generated = draw(job, prompts, repairs)
    if pilot:
        return Ran(generated, decide(job, prompts), None)
    remember_clusters(job, prompts)
    built = build(job, prompts)
    published = publish(job, built, allow_simulated=allow_simulated, force=force)
    return Ran(generated, built.decided, published)


def draw(
    job: Job, prompts: PromptList, repairs: Repairs = NO_REPAIRS, before: Spent | None = None
) -> Generated:
    """Draws until there are enough rows. The scheduler counts kept samples; where `choose.where`
    drops some of them, it is told to find as many more. `before`: see `Purse`."""
    goal, done = job.goal, generate(job, prompts, repairs, before=before)
    while goal.target is not None and job.goal.target is not None and done.limit is None:
        decided = decide(job, prompts)
        if decided.prefix is None or decided.prefix.reached or not decided.unsettled:
            break
        rows, kept_rows = decided.prefix.rows, decided.prefix.kept_rows
        lacking = (job.goal.target - rows) * max(kept_rows, 1) / max(rows, 1)
        goal = replace(goal, target=max(goal.target + 1, kept_rows + ceil(lacking)))
        done += generate(job, prompts, goal=goal, before=before)
    return done
