"""What the coordinator, replicas and scorer workers tell each other: keys, places and counts.

No text ever passes through the coordinator: a prompt or a sample is named by the file and the row
where it lies.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from infra.sampling import Bits
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
    poisoned: bool
    """Not to be drawn: to be delivered as failed."""
    begun: Place | None = None
    """What another replica has of it, to be gone on with."""
    truncated: Place | None = None
    """What the table has of it, which ended at a smaller `max_tokens`, to be gone on with."""


@dataclass(frozen=True, slots=True)
class Grant:
    """The answer to a replica that asks for work."""

    work: tuple[Work, ...]
    leave: bool
    """Nothing is left to do here: stop what runs, flush, and go."""


class Orders(NamedTuple):
    """The answer to a replica's beat."""

    leave: bool
    cancel: tuple[Key, ...] = ()
    """Samples that are not needed any more."""
    hand_over: bool = False
    """Before it leaves, it leaves its samples to others as far as they have come."""


class Beat(NamedTuple):
    """What a replica says of itself every second."""

    held: int
    """Samples that it has leased and not delivered yet."""
    tokens: int
    """That went through the engine since its start; must grow while requests run."""
    loop_lag_s: float
    """The longest time that its event loop was blocked since the beat before."""
    trouble: str | None = None
    """What it waits for, such as a store that cannot be written."""
    slots: int = 1
    """Samples that it decodes at once."""
    generated: int = 0
    """Tokens that it generated since its start."""


class Seen(NamedTuple):
    """A replica's last beat, how many there were, and how many samples it has delivered."""

    beat: Beat
    beats: int
    delivered: int


class Lost(NamedTuple):
    """What a replica that is gone leaves behind."""

    requeued: int
    """Samples that will be drawn again."""
    delivered: int
    handed_over: int = 0
    """Half drawn, to others."""


class Drawn(NamedTuple):
    """A sample in a file that a replica delivers."""

    key: Key
    done: bool
    """False: it failed for good, and will not be scored."""
    tokens: int
    """Without those that the table had of it already."""
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
    wrong: bool = False
    """It is complete, and its answer is not right."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the pool knows of a run's prompts at its start; prompts are numbered in this order."""

    paths: Sequence[str]
    """Files of the prompts table."""
    files: NDArray[np.uint32]
    """Of each prompt: the number of its file in `paths`."""
    rows: NDArray[np.uint32]
    """Of each prompt: its row in that file."""
    sources: NDArray[np.uint16]
    """Of each prompt: the number of its source."""
    before: Sequence[Bits]
    """The different ones: most prompts went like many others."""
    before_of: NDArray[np.uint32]
    """Of each prompt: the number of its bits in `before`."""
    tokens_per_sample: float | None = None
    """Mean length of the samples that there are, if they are many."""
    truncated: Mapping[Key, Place] = field(default_factory=dict)
    """Samples that are gone on with. Their bits are not in `before`."""

    @classmethod
    def of(
        cls,
        paths: Sequence[str],
        files: NDArray[np.uint32],
        rows: NDArray[np.uint32],
        sources: NDArray[np.uint16],
        bits: Iterable[Bits],
        tokens_per_sample: float | None = None,
        truncated: Mapping[Key, Place] | None = None,
    ) -> "Known":
        """From the bits of each prompt."""
        numbers: dict[Bits, int] = {}
        before_of = np.array([numbers.setdefault(own, len(numbers)) for own in bits], np.uint32)
        return cls(
            paths, files, rows, sources, [*numbers], before_of, tokens_per_sample, truncated or {}
        )

    @classmethod
    def nothing(cls) -> "Known":
        """No prompts: nothing will be drawn."""
        none = np.empty(0, np.uint32)
        return cls.of((), none, none, np.empty(0, np.uint16), ())

    def place(self, prompt: int) -> Place:
        """Where a prompt lies."""
        return Place(self.paths[self.files[prompt]], int(self.rows[prompt]))


@dataclass
class Progress:
    """How far a run is; counts are of this execution unless they say otherwise."""

    prompts: int = 0
    settled: int = 0
    parked: int = 0
    """Prompts that are put off, since others bring more for what is left of the budget."""
    in_flight: int = 0
    drawn: int = 0
    failed: int = 0
    cancelled: int = 0
    """Ended before their end, because their prompt was settled without them."""
    judged: int = 0
    kept: int = 0
    handed_over: int = 0
    """Left to another replica half drawn."""
    tokens: int = 0
    waiting_for_scores: int = 0
    replicas: Mapping[str, Seen] = field(default_factory=dict)
    """Those that are at work."""
    working_s: float = 0.0
    """Since the first replica was ready."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Why samples were not kept."""
    loop_lag_s: float = 0.0
    """The longest time that any event loop was blocked."""
    trouble: str | None = None
    """What the coordinator waits for, such as a store that cannot be written."""
    unaffordable: bool = False
    """What is left of the budget is not enough for one sample more."""
    finished: bool = False
    drained: bool = False
    """It was told to drain, and nothing is on its way any more."""
