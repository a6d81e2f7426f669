"""The budget: what all attempts of a recipe have spent together, and what is left."""

from collections.abc import Iterator
from math import inf
from typing import NamedTuple

from infra.meter import Meter, Spent, spent_by
from jobs.recipe import Job
from schemas.spending import Budget

MEASURED_HOURS = 1 / 60
"""Of replica time, before tokens are told from GPU-hours by how many there were so far."""


class Left(NamedTuple):
    """What may still be spent, as tokens, and the limit that says so."""

    tokens: float
    limit: str | None = None
    """The recipe's field, with what was spent and what is allowed."""


NO_LIMIT = Left(inf)


class Purse:
    """A recipe's budget, and what was spent of it by earlier attempts and by this one. `before` is
    what had been spent when the refresh began that it is a part of, which has a budget of its
    own; null outside of one."""

    def __init__(self, job: Job, before: Spent | None = None) -> None:
        recipe = job.recipe
        self._budgets = _budgets(job, before)
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
        for name, budget, before in self._budgets:
            tokens, hours = spent.tokens - before.tokens, spent.gpu_hours - before.gpu_hours
            limits += self._limits(name, budget, tokens, hours, now)
        return min(limits, key=lambda left: left.tokens)

    def _limits(
        self, name: str, budget: Budget, tokens: int, hours: float, now: float
    ) -> Iterator[Left]:
        """Of one budget, of which so much is spent."""
        if budget.tokens is not None:
            limit = f"{name}.tokens: {tokens:,} of {budget.tokens:,.0f} spent"
            yield Left(budget.tokens - tokens, limit)
        if budget.gpu_hours is not None:
            limit = f"{name}.gpu_hours: {hours:,.2f} of {budget.gpu_hours:g} spent"
            yield Left(self._tokens_in(budget.gpu_hours - hours, now), limit)
        if budget.usd is not None and self._price is not None:
            usd = hours * self._price
            limit = f"{name}.usd: {usd:,.2f} of {budget.usd:,.2f} spent"
            yield Left(self._tokens_in((budget.usd - usd) / self._price, now), limit)

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


def limited(job: Job, before: Spent | None) -> bool:
    """Whether there is any limit; `before` as for `Purse`."""
    return any(budget.limited for _, budget, _ in _budgets(job, before))


def _budgets(job: Job, before: Spent | None) -> list[tuple[str, Budget, Spent]]:
    """Each by its name, with what had been spent before it began to count."""
    whole = [("budget", job.recipe.budget, Spent())]
    if before is None:
        return whole
    return [*whole, ("refresh.budget", job.recipe.refresh.budget, before)]


def cost(job: Job) -> dict[str, float | None]:
    """What all attempts of the recipe have spent, as JSON values."""
    spent = Purse(job).spent(0.0)
    price = job.recipe.price.gpu_hour
    return {
        "tokens": spent.tokens,
        "gpu_hours": round(spent.gpu_hours, 4),
        "usd": None if price is None else round(spent.gpu_hours * price, 2),
    }
