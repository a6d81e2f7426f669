"""The parts of a recipe that `refresh` reads: what one may spend, and who hears of it."""

from typing import Literal, Self

from pydantic import Field, model_validator

from schemas.recipe_part import Part
from schemas.spending import Budget

Status = Literal["published", "unchanged", "refused", "busy", "failed"]


class Refresh(Part):
    """One refresh."""

    budget: Budget = Budget()
    """What one refresh may spend, beside what `budget` allows all attempts together. One that was
    killed and the one that goes on with it share it."""


class Notify(Part):
    """Who is told how a refresh ended, as a JSON object, the same that `--json` prints."""

    when: tuple[Status, ...] = ("published", "refused", "failed")
    command: tuple[str, ...] | None = Field(None, min_length=1)
    """A program and its arguments, run without a shell in the recipe's working directory; the
    object is its standard input."""
    webhook: str | None = None
    """A URL that the object is posted to. Beyond this machine it needs `egress: allow`. `$NAME`
    stands for the environment variable that holds it, since many are secrets."""
    timeout_seconds: float = Field(30, gt=0)

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.command is None) == (self.webhook is None):
            raise ValueError("needs either a command or a webhook")
        return self
