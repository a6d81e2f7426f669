"""What the coordinator, replicas and scorer workers tell each other: keys, places and counts.

No text ever passes through the coordinator: a prompt or a sample is named by the file and the row
where it lies.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from infra.scheduler import Key


class Place(NamedTuple):
    """A row of a Parquet file."""

    path: str
    row: int


class Work(NamedTuple):
    """A sample to draw."""

    key: Key
    tries: int
    prompt: Place


@dataclass(frozen=True, slots=True)
class Grant:
    """The answer to a replica that asks for work."""

    work: tuple[Work, ...]
    finished: bool
    """All prompts are settled: flush, and go."""


class Drawn(NamedTuple):
    """A sample in a file that a replica delivers."""

    key: Key
    done: bool
    """False: it failed for good, and will not be scored."""
    tokens: int
    reason: str | None
    """Why it failed."""


class ToScore(NamedTuple):
    """A committed sample that waits for its scores."""

    key: Key
    row: int
    prompt: Place


@dataclass(frozen=True, slots=True)
class ScoreTask:
    """Samples of one file to be scored together."""

    number: int
    path: str
    samples: tuple[ToScore, ...]
    scorers: tuple[str, ...] | None = None
    """Only these scorers; null: all of them, and then the verdict."""


class Judged(NamedTuple):
    """A sample's verdict: kept if there is no reason."""

    key: Key
    reason: str | None


@dataclass(frozen=True, slots=True)
class Known:
    """What the pool knows of a run's prompts at its start, one entry a prompt."""

    paths: Sequence[str]
    """Files of the prompts table."""
    places: Sequence[tuple[int, int]]
    """Of each prompt: number of its file, row."""
    done: Sequence[int]
    judged: Sequence[int]
    kept: Sequence[int]
    """Bit sets over sample indexes."""


@dataclass
class Progress:
    """How far a run is; counts are of this execution unless they say otherwise."""

    prompts: int = 0
    settled: int = 0
    in_flight: int = 0
    drawn: int = 0
    failed: int = 0
    judged: int = 0
    kept: int = 0
    tokens: int = 0
    waiting_for_scores: int = 0
    replicas: int = 0
    working_s: float = 0.0
    """Since the first replica was ready."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Why samples were not kept."""
    finished: bool = False
