"""The manifest of a version: what it holds, how it came about, and the proof of every byte."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.arrow import FORMAT
from schemas.identity import identity

RELATIVE = r"^([\w%+=@~-][\w.%+=@~-]*/)*[\w%+=@~-][\w.%+=@~-]*$"
"""A manifest from elsewhere must not have files written outside of a folder."""

ADDED = ("kept", "target", "prompts_left_out", "mix", "splits", "survivorship", "changes")
"""Fields of a manifest that there were not from the start: where they are empty, its digest is what
it was without them."""


class File(BaseModel):
    """One file of a version."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str = Field(pattern=RELATIVE)
    """Relative to the version's folder, and in it."""
    bytes: int
    sha256: str
    rows: int | None = None
    """Of a data file."""
    version: str | None = Field(None, pattern=r"^v\d{4,}$")
    """Whose folder it lies in, if not its own: an older one's, which this version brings back."""


class Cut(BaseModel):
    """The state of the pool that the version was built from; the same cut gives the same bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tables: dict[str, int | None]
    """Version of each Delta table."""
    prompts: str
    """Digest of the prompt list."""
    recipe: str
    code: str


class Manifest(BaseModel):
    """Written last: a version without it does not exist."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = FORMAT
    name: str
    version: str
    content_digest: str
    """Of the data files alone."""
    files: tuple[File, ...]
    rows: dict[str, int]
    """Rows of each output that has any."""
    prompts: int
    """Prompts with a row of the first output."""
    funnel: dict[str, int]
    """How many samples ended where: `published`, or a reason. Sums up to all samples drawn."""
    kept: int | None = None
    """How many of them pass the keep rules; null in versions that did not count them."""
    cut: Cut
    recipe: dict[str, Any]
    """The resolved recipe."""
    teacher: dict[str, Any]
    scorers: dict[str, str]
    """Identity of each scorer."""
    unsettled: int
    """Prompts whose needs under this recipe more samples could still meet."""
    target: Literal["reached", "missed"] | None = None
    """Whether it has as many rows as the recipe wants, where the recipe says so."""
    prompts_left_out: dict[str, int] = {}
    """Prompts that nothing was drawn for, by the rule that they break."""
    mix: dict[str, Any] = {}
    """What the recipe's `mix` came to, by stratum."""
    splits: dict[str, Any] = {}
    """What the recipe's `splits` came to, by split."""
    survivorship: dict[str, dict[str, dict[str, int]]] = {}
    """What there was before the choice, and after it, as `filters.survivorship` counts it."""
    changes: dict[str, Any] = {}
    """`since`: the version that it was compared with, null where there was none; and of each output
    how many rows are `added`, `dropped` and `changed`. `changes.parquet` names them. Empty in
    versions from before there were changes."""
    digest: str = ""
    """Of everything else in the manifest."""
    provenance: dict[str, Any]
    """Dates, attempts, cost and engine versions: never part of a digest."""

    def sealed(self) -> "Manifest":
        """With its digest, as it is written."""
        return self.model_copy(update={"digest": self._digest()})

    @property
    def intact(self) -> bool:
        """Whether nothing was changed since it was sealed."""
        return self.digest == self._digest()

    def _digest(self) -> str:
        exclude = {"digest", *(name for name in ADDED if not getattr(self, name))}
        content = self.model_dump(mode="json", exclude=exclude)
        for file in content["files"]:
            if file["version"] is None:
                del file["version"]
        return identity("m", content)


def content_digest(files: tuple[File, ...]) -> str:
    """Digest of a version's data files: their paths and checksums, in order of path."""
    data = sorted((f.path, f.sha256) for f in files if f.rows is not None)
    return identity("c", data)
