"""The part of a recipe that says when a version is not good enough to be published."""

from pydantic import Field

from schemas.recipe_part import Count, Part


class Gates(Part):
    """What a version has to meet, or it is refused. Drops are parts of what the last version has:
    0.1 refuses a keep rate of 0.44 after one of 0.5. Null: not asked."""

    min_published: Count | None = None
    """Rows of the first output."""
    max_keep_rate_drop: float | None = Field(None, ge=0, le=1)
    """Of the share of kept samples among all."""
    max_source_share_drop: float | None = Field(None, ge=0, le=1)
    """Of any source's share of the rows. Counted among the sources that both versions have prompts
    of: one that was removed, or that is new, is no drop."""
    max_mean_length_drop: float | None = Field(None, ge=0, le=1)
    """Of the mean tokens of a published sample."""
    max_source_share: float | None = Field(None, gt=0, le=1)
    """The most that one source may have of the rows."""
    no_leaks: bool = False
    """Refuses a version with a row whose prompt, or whose text by the scorer `leaks`, leaks a
    question of `decontaminate`."""

    @property
    def about_sft(self) -> list[str]:
        """Those that are asked, and say nothing without the output `sft`."""
        names = ("max_source_share_drop", "max_mean_length_drop", "max_source_share")
        return [name for name in names if getattr(self, name) is not None]
