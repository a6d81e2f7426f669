"""A prompt: the messages that a teacher answers, and what its verifier needs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Prompt:
    """One row of the prompts table; `messages` is before the teacher's chat template."""

    prompt_id: str
    reference_id: str
    messages: tuple[dict[str, str], ...]
    reference: str | None
    domain: str
    source: str | None
    license: str | None

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "Prompt":
        """A prompt from a row of the prompts table."""
        return cls(**{**row, "messages": tuple(dict(m) for m in row["messages"])})

    @property
    def question(self) -> str:
        """The last user message: what the answer answers."""
        return next((m["content"] for m in reversed(self.messages) if m["role"] == "user"), "")

    @property
    def said_before(self) -> str:
        """All messages before the last."""
        return "\n".join(m["content"] for m in self.messages[:-1])
