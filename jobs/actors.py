"""Calls to actors, and their deaths as errors of ours."""

from typing import Any

from schemas.errors import RunError

RESUME = "what was delivered is kept, and the same command goes on from there"


class ProcessDied(RunError):
    """A process is gone: killed, out of memory, or with its node."""


class CoordinatorDied(ProcessDied):
    """The coordinator is gone; a successor can take over."""


def get(reference: Any, died: type[ProcessDied] = CoordinatorDied) -> Any:
    """`ray.get` that raises the error itself, not Ray's wrapping of it; `died` where the process
    is gone."""
    import ray

    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
    except ray.exceptions.RayError as error:
        raise died(f"a process of the run died: {error}; {RESUME}") from error


def ended(runs: dict[Any, str]) -> list[Any]:
    """Of these references, those whose calls have ended."""
    import ray

    if not runs:
        return []
    found, _ = ray.wait([*runs], num_returns=len(runs), timeout=0)
    return list(found)
