"""The parts of a recipe that say which samples are published."""

from typing import Literal, Self

from pydantic import Field, model_validator

from schemas.recipe_part import Count, Part


class Trim(Part):
    """Which lengths of a prompt's kept samples are not published: ⌈share · n⌉ of n on either side,
    but never all of them."""

    shortest: float = Field(0.0, ge=0, lt=1)
    longest: float = Field(0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _something_left(self) -> Self:
        if self.shortest + self.longest >= 1:
            raise ValueError("shortest and longest together must leave something")
        return self


class Choose(Part):
    """Which of the kept samples of a prompt are published."""

    per_prompt: Count = 1
    order_by: tuple[str, ...] = ()
    """Columns, best first; a leading `-` sorts descending. Ties go by a hash of the sample."""
    where: str | None = None
    """A rule over the columns of the sample and its prompt's `group.*`."""
    distinct: float | None = Field(None, gt=0, le=1)
    """A sample is left out if it says nearly what a better one of its prompt says: if their runs of
    five words have at least this Jaccard index; 0.8 are a few words in exchange for others. Needs
    the scorer `signature`."""
    trim: Trim = Trim()
    diverse: bool = False
    """After the best one, in turn the one that is least like those before it. Needs the scorer
    `signature`."""


class Pairs(Part):
    """Which samples of a prompt are a pair of the output `preference`: one that is kept and right,
    and one that is complete and wrong, with another final answer. A sample is in one pair at
    most."""

    per_prompt: Count = 4
    length_ratio: float = Field(2.0, ge=1)
    """The longer of the two has at most so many times the tokens of the shorter."""
    distinct: float = Field(0.8, gt=0, le=1)
    """As in `choose`: no sample of a prompt's pairs says nearly what another one says. Needs the
    scorer `signature`."""
    rejected: str | None = None
    """A rule that the wrong one has to meet, so that its answer is all that is wrong with it."""


class Stratum(Part):
    """A share of the `sft` rows."""

    where: str = "true"
    """A rule over `domain`, `source` and the `group.*` that all samples of a prompt have in common.
    A prompt is in the first stratum that it fits, and not published where it fits none."""
    share: float | None = Field(None, gt=0, le=1)
    """Of all rows. All strata have one, or none has."""
    most: Count | None = None
    """Of its rows, or tokens; whatever the shares, no more are published."""


class Mix(Part):
    """What the `sft` rows consist of. Prompts are taken in the order of their hash."""

    measure: Literal["rows", "tokens"] = "rows"
    """What shares, `most` and `total` count."""
    total: Count | None = None
    """Shares are of this; what a stratum lacks is told. Null: the most that all shares allow."""
    strata: dict[str, Stratum] = Field(min_length=1)

    @model_validator(mode="after")
    def _shares(self) -> Self:
        shares = [one.share for one in self.strata.values() if one.share is not None]
        if shares and (len(shares) < len(self.strata) or abs(sum(shares) - 1) > 1e-6):
            raise ValueError("mix.strata: give every stratum a share, with 1 as their sum, or none")
        if self.total is not None and not shares:
            raise ValueError("mix.total: is what shares are of; give every stratum a share")
        return self
