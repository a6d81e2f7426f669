"""Checks of a recipe beyond its fields: that engine, scorers and outputs fit together."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from filters.scorer import Scorer
from filters.scorers import scorers_of
from filters.signature import SignatureScorer
from infra.engines.simulated import SimulatedArgs
from infra.engines.tokenizer import tags_without_token
from infra.webhook import Webhook, parse_webhook
from schemas.errors import RecipeError
from schemas.reasoning import CLOSE, OPEN
from schemas.recipe import Recipe

SIGNATURE = SignatureScorer.name
VERIFIED = frozenset(["preference", "rl", "reward"])
"""Outputs whose rows rest on verdicts."""
VARIABLE = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")
WEBHOOK = "notify.webhook"


def check_verifier(recipe: Recipe, scorers: Mapping[str, Scorer]) -> None:
    """RecipeError where an output needs verdicts that nobody gives."""
    judged = [output for output in recipe.outputs if output in VERIFIED]
    if judged and not any(scorer.verifies for scorer in scorers.values()):
        raise RecipeError(
            f"outputs: `{judged[0]}` needs right and wrong answers, which only a verifying scorer "
            "can tell; add one to `scorers`, such as math"
        )
    for domain in {source.domain for source in recipe.prompts} if "preference" in judged else ():
        names = scorers_of(recipe.scorers, domain)
        if not any(scorers[name].verifies for name in names):
            raise RecipeError(
                f"outputs: `preference` wants a wrong answer of every prompt, and nothing verifies "
                f"those of the domain {domain!r}, so that all of them would be drawn to "
                "`samples.max`; add a verifying scorer to its `scorers`, or give it a recipe of "
                "its own with the same `pool`"
            )
        if SIGNATURE not in names:
            raise RecipeError(
                f"pairs.distinct: compares signatures; add `{SIGNATURE}` to the `scorers` of the "
                f"domain {domain!r}"
            )


def check_simulated(recipe: Recipe) -> None:
    """RecipeError where the simulated engine is given what it does not know."""
    if recipe.teacher.engine != "simulated":
        return
    try:
        SimulatedArgs(**recipe.teacher.engine_args)
    except ValidationError as error:
        problem = error.errors()[0]
        field = ".".join(["teacher", "engine_args", *map(str, problem["loc"])])
        known = ", ".join(SimulatedArgs.model_fields)
        raise RecipeError(f"{field}: {problem['msg']}; the simulated engine has {known}") from error


def check_thinking_budget(recipe: Recipe) -> None:
    """What is known without vLLM of whether it can keep to a budget; it checks the rest itself when
    it starts."""
    teacher = recipe.teacher
    if recipe.sampling.thinking_token_budget is None or teacher.engine != "vllm":
        return
    given = teacher.engine_args.get("reasoning_config")
    if given is not None and not _names_the_tags(given):
        raise RecipeError(
            "teacher.engine_args.reasoning_config: with a thinking_token_budget it must have "
            f"{OPEN} as reasoning_start_str and a reasoning_end_str that ends with {CLOSE}, or a "
            "reasoning_parser that knows them; without a reasoning_config, the two tags are used"
        )
    tokenizer = Path(teacher.engine_args.get("tokenizer", teacher.model))
    if missing := tags_without_token(tokenizer):
        raise RecipeError(
            f"sampling.thinking_token_budget: {tokenizer} has no single token for "
            f"{' and '.join(missing)}, so that vLLM cannot tell where thinking begins and ends"
        )


def _names_the_tags(config: Any) -> bool:
    if not isinstance(config, dict):
        return False
    parsed = bool(config.get("reasoning_parser"))
    start = config.get("reasoning_start_str") or (OPEN if parsed else "")
    end = config.get("reasoning_end_str") or (CLOSE if parsed else "")
    return start == OPEN and str(end).endswith(CLOSE)


def check_notify(recipe: Recipe) -> None:
    """RecipeError for a webhook that nothing may be sent to, or that may hold a secret. What
    `$NAME` stands for is `assert_notifiable`'s to check, since only a refresh needs it."""
    url = None if recipe.notify is None else recipe.notify.webhook
    if url is None or VARIABLE.fullmatch(url):
        return
    if "$" in url:
        raise RecipeError(f"{WEBHOOK}: `$NAME` must be all of it; put the whole URL there")
    webhook = allowed_webhook(url, WEBHOOK, recipe)
    # Of what may be a secret nothing is repeated.
    if webhook.authorization is not None or "?" in url or "#" in url:
        raise RecipeError(
            f"{WEBHOOK}: a URL with a user, a password or a query may hold a secret, and recipes "
            "are published with their versions; put it into an environment variable, and its name "
            "here, such as $NOTIFY_URL"
        )


def allowed_webhook(url: str, field: str, recipe: Recipe) -> Webhook:
    """The URL as it will be used; RecipeError, which does not repeat it, for none of http or https
    and for one beyond this machine without `egress: allow`."""
    try:
        webhook = parse_webhook(url)
    except ValueError as error:
        raise RecipeError(f"{field}: not the URL of a webhook: {error}") from None
    if recipe.egress != "allow" and not webhook.is_here:
        raise RecipeError(
            f"{field}: it lies beyond this machine (or not for sure on it, as localhost, "
            "127.0.0.1 and [::1] do); set `egress: allow` to have the outcome sent there"
        )
    return webhook
