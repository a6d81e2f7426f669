"""Run: generate ⇄ score → build → publish, resuming by itself."""

from dataclasses import dataclass, replace
from math import ceil

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
) -> Ran:
    """Everything that is still to be done, and nothing that is done."""
    if not pilot:
        assert_publishable(job, allow_simulated=allow_simulated)
        assert_unmoved(job, prompts)
    generated = _draw(job, prompts, repairs)
    if pilot:
        return Ran(generated, decide(job, prompts), None)
    remember_clusters(job, prompts)
    built = build(job, prompts)
    published = publish(job, built, allow_simulated=allow_simulated)
    return Ran(generated, built.decided, published)


def _draw(job: Job, prompts: PromptList, repairs: Repairs) -> Generated:
    """Draws until there are enough rows. The scheduler counts kept samples; where `choose.where`
    drops some of them, it is told to find as many more."""
    goal, done = job.goal, generate(job, prompts, repairs)
    while goal.target is not None and job.goal.target is not None and done.limit is None:
        decided = decide(job, prompts)
        if decided.prefix is None or decided.prefix.reached or not decided.unsettled:
            break
        rows, kept_rows = decided.prefix.rows, decided.prefix.kept_rows
        lacking = (job.goal.target - rows) * max(kept_rows, 1) / max(rows, 1)
        goal = replace(goal, target=max(goal.target + 1, kept_rows + ceil(lacking)))
        done += generate(job, prompts, goal=goal)
    return done
