"""Run: generate ⇄ score → build → publish, resuming by itself."""

from dataclasses import dataclass

from jobs.build import Decided, build, decide
from jobs.generate import Generated, generate
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
    generated = generate(job, prompts, repairs)
    if pilot:
        return Ran(generated, decide(job, prompts), None)
    built = build(job, prompts)
    published = publish(job, built, allow_simulated=allow_simulated)
    return Ran(generated, built.decided, published)
