"""Scorers that never raise: what could not be scored is a score with a reason."""

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

from filters.scorer import NeedsSandbox, Response, Scorer, ScoresMany
from filters.scorers import warm_scorer
from infra.killable import Failed, Killable
from infra.sandbox.bubblewrap import Bubblewrap
from schemas.errors import SandboxError
from schemas.ports import Sandbox
from schemas.score import TIMEOUT, UNPARSABLE, Score


class Guarded(Protocol):
    """A scorer of many responses at once."""

    def __call__(self, responses: Sequence[Response]) -> list[Score]: ...

    def close(self) -> None:
        """Ends its processes."""
        ...


def guarded(scorer: Scorer, processes: int = 1, *, sandbox_must_be: bool = True) -> Guarded:
    """The scorer in this process or, if it may hang, in `processes` that can be killed; one that
    runs programs gets a sandbox with as many slots.

    SandboxError where there can be none on this machine; its scores say so instead, if it need
    not be.
    """
    if isinstance(scorer, NeedsSandbox):
        return _WithSandbox(scorer, processes, sandbox_must_be)
    if scorer.deadline_s is not None:
        return _InOwnProcesses(scorer, scorer.deadline_s, processes)
    return _InThisProcess(scorer)


class _InThisProcess:
    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    def __call__(self, responses: Sequence[Response]) -> list[Score]:
        if isinstance(self._scorer, ScoresMany):
            with suppress(Exception):  # then one after the other tells which one it was
                return self._scorer.many(responses)
        return [self._score(response) for response in responses]

    def _score(self, response: Response) -> Score:
        try:
            return self._scorer(response)
        except Exception as error:  # one bad sample costs itself alone
            return _could_not_score(self._scorer, type(error).__name__.lower())

    def close(self) -> None:
        return None


class _WithSandbox(_InThisProcess):
    def __init__(self, scorer: Any, slots: int, sandbox_must_be: bool) -> None:
        super().__init__(scorer)
        self._sandbox: Sandbox | None = None
        try:
            self._sandbox = Bubblewrap(slots, with_libraries=scorer.sees_libraries)
        except SandboxError as error:
            if sandbox_must_be:
                raise
            scorer.use(error)
        else:
            scorer.use(self._sandbox)

    def close(self) -> None:
        if self._sandbox is not None:
            self._sandbox.close()


class _InOwnProcesses:
    """A scorer with a deadline."""

    def __init__(self, scorer: Scorer, deadline_s: float, processes: int) -> None:
        self._scorer = scorer
        make = partial(warm_scorer, scorer.name)
        self._killable: Killable[Response, Score] = Killable(make, deadline_s, processes)
        self._killable.start()  # it loads its libraries while the engine loads its model

    def __call__(self, responses: Sequence[Response]) -> list[Score]:
        return [
            _could_not_score(self._scorer, result.reason) if isinstance(result, Failed) else result
            for result in self._killable(responses)
        ]

    def close(self) -> None:
        self._killable.close()


def _could_not_score(scorer: Scorer, why: str) -> Score:
    is_late = why == TIMEOUT
    verdict = TIMEOUT if is_late else UNPARSABLE
    return Score(
        values=dict.fromkeys(scorer.fields),
        verdict=verdict if scorer.verifies else None,
        reason=why if is_late else f"scorer_error_{why}",
    )
