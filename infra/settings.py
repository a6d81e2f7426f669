"""What actors are started with."""

from dataclasses import dataclass

from infra.goal import Goal
from schemas.ports import Sampling
from schemas.recipe import Flush, Teacher


@dataclass(frozen=True, slots=True)
class CoordinatorSettings:
    """What a coordinator is started with."""

    name: str
    pool: str
    """Where it lies."""
    epoch: int
    goal: Goal
    max_failed: float
    patience_s: float
    code: str


@dataclass(frozen=True, slots=True)
class ReplicaSettings:
    """What a replica is started with."""

    teacher: Teacher
    teacher_id: str
    sampling: Sampling
    flush: Flush
    samples: str
    """Where the files of the samples table lie."""
    attempt: str
    coordinator: str
    """The name of the coordinator's actor."""
    code: str
