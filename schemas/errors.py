"""The errors of Stillhouse, named by the boundary at which they happen.

    StillhouseError
    ├── RecipeError        the recipe, or a file that it names, is wrong       exit 2
    ├── StoreError         the store or a table in it cannot be trusted        exit 1
    │   ├── BusyError      another writer is at work; try again later          exit 75
    │   └── StoreUnavailableError   the store does not answer; try again later exit 75
    ├── ClusterError       the Ray cluster is not there, or refuses            exit 75
    ├── EngineError        an engine did not start, or died                    exit 1
    ├── SandboxError       programs cannot be run safely on this machine       (becomes a row)
    ├── RequestError       one request failed; the engine goes on              (becomes a row)
    ├── RunError           a run stopped before its prompts were settled       exit 1
    │   └── Interrupted    it was told to stop, and stopped in good order      exit 130, 143
    ├── RefusedError       a gate, or a price that nobody accepted, says no    exit 3
    └── VersionError       a version is missing, or is not what it was         exit 1

A bad sample is never an error: it is a row with a reason. All of them survive pickling, because
they travel between Ray actors.
"""

from collections.abc import Mapping
from typing import Any


class StillhouseError(Exception):
    """Base of every error that a user may see; the message says what, where and what to do."""

    exit_code = 1


class RecipeError(StillhouseError):
    """The recipe, a prompt file or a command line value is wrong; nothing was started."""

    exit_code = 2


class StoreError(StillhouseError):
    """The store or one of its tables is missing, damaged, or written by a newer format."""


class BusyError(StoreError):
    """Another writer holds the pool or the version number; the same command works later."""

    exit_code = 75


class StoreUnavailableError(StoreError):
    """The store could not be read or written for longer than a run waits: it is out, or full."""

    exit_code = 75


class ClusterError(StillhouseError):
    """The Ray cluster cannot be reached or does not let us in."""

    exit_code = 75


class EngineError(StillhouseError):
    """An engine did not start, or died: every request that it was running is lost."""


class SandboxError(StillhouseError):
    """Programs cannot be run on this machine such that nothing escapes, so that none was run."""


class RequestError(StillhouseError):
    """One request failed and the engine goes on.

    `kind` is `transient` (worth another attempt), `rejected` (it would fail every time, such as a
    prompt beyond the context) or `poisoned` (it kills engines); `reason` is the snake_case code
    that its row will carry.
    """

    def __init__(self, kind: str, reason: str, detail: str = "") -> None:
        super().__init__(kind, reason, detail)
        self.kind = kind
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.reason} ({self.kind}): {self.detail}"


class RunError(StillhouseError):
    """A run stopped before all its prompts were settled; what was committed is kept."""


class Interrupted(RunError):
    """A signal ended the run after everything that was finished had been committed."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message, signal_number)
        self.exit_code = 128 + signal_number

    def __str__(self) -> str:
        return str(self.args[0])


class RefusedError(StillhouseError):
    """Nothing is wrong with what was asked for, and it is not done all the same: a version does not
    meet the recipe's gates, or a refresh would buy again what is there.

    `facts` are JSON values for programs: which gates, where to look.
    """

    exit_code = 3

    def __init__(self, message: str, facts: Mapping[str, Any]) -> None:
        super().__init__(message, facts)
        self.facts = facts

    def __str__(self) -> str:
        return str(self.args[0])


class VersionError(StillhouseError):
    """A published version does not exist, or is not what its manifest says."""
