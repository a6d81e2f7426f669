"""Who is told how a refresh ended: a command or a webhook, as the recipe says."""

import json
import os
import shutil
from collections.abc import Mapping
from typing import Any

from infra.hook_command import run_command
from infra.webhook import Webhook, post
from jobs.plain import one_line
from jobs.recipe import Job
from jobs.recipe_checks import VARIABLE, WEBHOOK, allowed_webhook
from schemas.errors import RecipeError
from schemas.recipe import Recipe
from schemas.refreshing import Notify


def assert_notifiable(job: Job) -> None:
    """RecipeError where this machine lacks what `notify` names: the command's program, or the
    environment variable with the URL. Before a refresh starts anything."""
    whom = job.recipe.notify
    if whom is None:
        return
    if whom.webhook is not None:
        _webhook(whom.webhook, job.recipe)
    if whom.command is not None and shutil.which(whom.command[0]) is None:
        raise RecipeError(
            f"notify.command: there is no program {whom.command[0]!r} here; install it, or "
            "name its path"
        )


def notify(job: Job, told: Mapping[str, Any]) -> str | None:
    """Tells whom the recipe names how a refresh ended; `told` is what `--json` prints. Null if that
    went well or nobody wants to hear of this status, else a sentence for people. A hook that fails
    raises nothing: the refresh ended as it did."""
    whom = job.recipe.notify
    if whom is None or told["status"] not in whom.when:
        return None
    # In ASCII, so that no text in it can fail to be encoded.
    problem = _tell(whom, job.recipe, json.dumps(told, default=str))
    return None if problem is None else f"the notification failed: {problem}"


def _tell(whom: Notify, recipe: Recipe, text: str) -> str | None:
    if whom.command is not None:
        failed = run_command(whom.command, text, whom.timeout_seconds)
        return failed and f"notify.command {one_line(failed)}"
    assert whom.webhook is not None
    try:
        webhook = _webhook(whom.webhook, recipe)
    except RecipeError as error:
        return str(error)
    failed = post(webhook, text, whom.timeout_seconds)
    return failed and f"{_field(whom.webhook)}: {failed}"


def _webhook(given: str, recipe: Recipe) -> Webhook:
    """RecipeError, which never has what `$NAME` stands for."""
    variable = VARIABLE.fullmatch(given)
    url = given if variable is None else os.environ.get(variable[1], "")
    if not url:
        raise RecipeError(
            f"{_field(given)}: this environment variable is not set; put the webhook's URL there"
        )
    return allowed_webhook(url, _field(given), recipe)


def _field(given: str) -> str:
    return f"{WEBHOOK} {given}"
