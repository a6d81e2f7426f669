"""Load: the job and the prompts that a command line names."""

from argparse import Namespace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobs.prompts import PromptList
    from jobs.recipe import Job


def load(arguments: Namespace) -> "tuple[Job, PromptList]":
    """Reads and checks both; RecipeError where something is wrong with them."""
    from jobs.prompt_copy import load_prompts
    from jobs.recipe import load_job
    from schemas.errors import RecipeError

    limit = getattr(arguments, "limit", None)
    if limit is not None and limit < 1:
        raise RecipeError(f"--limit {limit}: must be at least 1")
    job = load_job(arguments.recipe, arguments.overrides)
    prompts = load_prompts(job, drop_damaged=getattr(arguments, "drop_damaged", False))
    return job, prompts.first(limit)
