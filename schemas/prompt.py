"""A prompt: the messages that a teacher answers, and what its verifier needs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from schemas.identity import prompt_id, reference_id


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
    def make(
        cls,
        messages: tuple[dict[str, str], ...],
        *,
        reference: str | None,
        domain: str,
        source: str | None,
        license: str | None,  # noqa: A002 - the column's name
    ) -> "Prompt":
        """A prompt with the identities that its content gives it."""
        return cls(
            prompt_id(messages),
            reference_id(reference),
            messages,
            reference,
            domain,
            source,
            license,
        )

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "Prompt":
        """A prompt from a row of the prompts table."""
        return cls(**{**row, "messages": tuple(dict(m) for m in row["messages"])})

    def to_row(self) -> dict[str, Any]:
        """The row of the prompts table."""
        # `asdict` copies deeply: 40 % of the time that reading 125,000 prompts took.
        row = {name: getattr(self, name) for name in self.__slots__}
        return row | {"messages": [dict(m) for m in self.messages]}

    @property
    def question(self) -> str:
        """The last user message: what the answer answers."""
        return next((m["content"] for m in reversed(self.messages) if m["role"] == "user"), "")
