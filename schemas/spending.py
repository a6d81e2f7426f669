"""The parts of a recipe that say what a dataset may cost."""

from pydantic import Field

from schemas.recipe_part import Part


class Budget(Part):
    """What all attempts of this recipe on its pool may spend together. When a limit is near, no
    sample is begun that would end beyond it; the version is made of what there is then."""

    tokens: float | None = Field(None, gt=0)
    """Generated tokens, also of samples that were cancelled or lost."""
    gpu_hours: float | None = Field(None, gt=0)
    """From a replica's start to its end, times its GPUs."""
    usd: float | None = Field(None, gt=0)
    """GPU-hours times `price.gpu_hour`."""

    @property
    def limited(self) -> bool:
        """Whether there is any."""
        return any(limit is not None for limit in (self.tokens, self.gpu_hours, self.usd))


class Price(Part):
    """What the hardware costs."""

    gpu_hour: float | None = Field(None, gt=0)
    """In US dollars."""
