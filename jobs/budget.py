"""The budget: what all attempts of a recipe have spent together, and what is left."""

from math import inf
from typing import NamedTuple

from infra.meter import Meter, Spent, spent_by
from jobs.recipe import Job

MEASURED_HOURS = 1 / 60
"""Of replica time, before tokens are told from GPU-hours by how many there were so far."""


class Left(NamedTuple):
    """What may still be spent, as tokens, and the limit that says so."""

    tokens: float
    limit: str | None = None
    """The recipe's field, with what was spent and what is allowed."""


NO_LIMIT = Left(inf)


class Purse:
    """A recipe's budget, and what was spent of it by earlier attempts and by this one."""

    def __init__(self, job: Job) -> None:
        recipe = job.recipe
        self._budget = recipe.budget
        self._price = recipe.price.gpu_hour
        self._others = sum(
            spent_by(job.store, recipe.pool, recipe=recipe.name).values(), start=Spent()
        )
        self._meter: Meter | None = None
        self._first: Spent | None = None

    def meter(self, meter: Meter) -> None:
        """From now on this one counts too."""
        self._meter = meter

    def spent(self, now: float) -> Spent:
        """By all attempts."""
        return self._others if self._meter is None else self._others + self._meter.spent(now)

    def left(self, now: float) -> Left:
        """By the limit that is nearest."""
        spent = self.spent(now)
        limits = [NO_LIMIT]
        if self._budget.tokens is not None:
            limit = f"budget.tokens: {spent.tokens:,} of {self._budget.tokens:,.0f} spent"
            limits.append(Left(self._budget.tokens - spent.tokens, limit))
        if self._budget.gpu_hours is not None:
            hours = self._budget.gpu_hours - spent.gpu_hours
            limit = f"budget.gpu_hours: {spent.gpu_hours:,.2f} of {self._budget.gpu_hours:g} spent"
            limits.append(Left(self._tokens_in(hours, now), limit))
        if self._budget.usd is not None and self._price is not None:
            usd = spent.gpu_hours * self._price
            limit = f"budget.usd: {usd:,.2f} of {self._budget.usd:,.2f} spent"
            hours = (self._budget.usd - usd) / self._price
            limits.append(Left(self._tokens_in(hours, now), limit))
        return min(limits, key=lambda left: left.tokens)

    def _tokens_in(self, gpu_hours: float, now: float) -> float:
        """As many as were made since the first ones, in so much time."""
        if gpu_hours <= 0:
            return 0.0
        here = Spent() if self._meter is None else self._meter.spent(now)
        if self._first is None:
            self._first = here if here.tokens else None
            return inf
        hours = here.gpu_hours - self._first.gpu_hours
        if hours < MEASURED_HOURS:
            return inf
        return gpu_hours * (here.tokens - self._first.tokens) / hours


def cost(job: Job) -> dict[str, float | None]:
    """What all attempts of the recipe have spent, as JSON values."""
    spent = Purse(job).spent(0.0)
    price = job.recipe.price.gpu_hour
    return {
        "tokens": spent.tokens,
        "gpu_hours": round(spent.gpu_hours, 4),
        "usd": None if price is None else round(spent.gpu_hours * price, 2),
    }
