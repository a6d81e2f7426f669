"""What scorers share that run programs: where those run, or why they cannot."""

from collections.abc import Mapping
from typing import ClassVar

from filters.scorer import FieldType
from schemas.errors import SandboxError
from schemas.ports import Sandbox
from schemas.score import Score


class InSandbox:
    """A scorer that is given a sandbox; until then it has none."""

    fields: ClassVar[Mapping[str, FieldType]]
    verifies: ClassVar[bool] = True
    deadline_s: ClassVar[float | None] = None
    """Programs have limits of their own."""

    def __init__(self) -> None:
        self.sandbox: Sandbox | None = None
        self._missing = "there is none"

    def use(self, sandbox: Sandbox | SandboxError) -> None:
        """Where programs run, or why they cannot."""
        self.sandbox = sandbox if not isinstance(sandbox, SandboxError) else None
        self._missing = str(sandbox) if isinstance(sandbox, SandboxError) else ""

    def unscored(self, reason: str, evidence: str | None = None) -> Score:
        """No verdict, and why."""
        return Score(dict.fromkeys(self.fields), None, reason, evidence)

    def without_sandbox(self) -> Score:
        """Nothing has run."""
        return self.unscored("no_sandbox", self._missing)
