"""What a scorer is, and the response that it judges."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

from schemas.errors import SandboxError
from schemas.identity import identity
from schemas.ports import Sandbox
from schemas.reasoning import split_reasoning
from schemas.score import Score

FieldType = type[bool] | type[int] | type[float] | type[str]
Questions = Mapping[str, Sequence[str]]
"""Of evaluation sets, by set."""


@dataclass(frozen=True, slots=True)
class Response:
    """What a scorer may look at: one finished sample, its prompt and its reference."""

    prompt: str
    reasoning: str | None
    answer: str
    finish_reason: str | None
    reference: str | None = None
    said_before: str = ""
    """The messages before the prompt, in a prompt of several."""
    thinking_open: bool = False
    opened: bool = True
    """By the prompt or by the text."""
    closed: bool = True

    @classmethod
    def of_text(
        cls,
        text: str,
        *,
        prompt: str,
        reference: str | None,
        finish_reason: str | None,
        thinking_open: bool,
        said_before: str = "",
        closing_at: int | None = None,
    ) -> "Response":
        """The response that a generated text is; `closing_at` as `split_reasoning` takes it."""
        split = split_reasoning(text, thinking_open=thinking_open, closing_at=closing_at)
        return cls(
            prompt=prompt,
            reasoning=split.reasoning,
            answer=split.answer,
            finish_reason=finish_reason,
            reference=reference,
            said_before=said_before,
            thinking_open=thinking_open,
            opened=thinking_open or bool(split.before),
            closed=split.closed,
        )


class Scorer(Protocol):
    """Judges one response at a time; pure, so that its scores can be stored and used again.

    `fields` are the columns `<name>.<field>` that it fills, `<name>.reason` comes by itself. A
    `verifies` scorer also has `<name>.verdict` and `<name>.correct`, and needs a reference. Where
    `deadline_s` is set, it may hang on hostile input: it is run in a process of its own that is
    killed after so many seconds, and the verdict is `timeout`.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    """Grows with every change that can change a score."""
    fields: ClassVar[Mapping[str, FieldType]]
    verifies: ClassVar[bool]
    deadline_s: ClassVar[float | None]

    def __call__(self, response: Response) -> Score: ...

    def libraries(self) -> Mapping[str, str]:
        """Versions of the libraries that its scores depend on."""
        ...


@runtime_checkable
class ScoresMany(Protocol):
    """A scorer to which many responses at once cost less than one after the other."""

    def many(self, responses: Sequence[Response]) -> list[Score]: ...


@runtime_checkable
class NeedsSandbox(Protocol):
    """A scorer that runs programs: it is given where, or why it cannot."""

    sees_libraries: ClassVar[bool]
    """Whether its programs may import what is installed here; those of models may not."""

    def use(self, sandbox: Sandbox | SandboxError) -> None: ...


@runtime_checkable
class NeedsQuestions(Protocol):
    """A scorer that compares with evaluation sets. It is given how to read them, and does so when
    its first score or its identity needs them."""

    def compare_with(self, read: Callable[[], Questions]) -> None: ...

    def questions(self) -> Questions:
        """What it compares with; nothing if it was given nothing."""
        ...

    def parameters(self) -> Mapping[str, str]:
        """What its scores depend on: a digest of each set."""
        ...


def scorer_id(scorer: Scorer) -> str:
    """Identity of a scorer: its name, version and libraries, and its parameters if it has any."""
    known = [scorer.name, scorer.version, dict(scorer.libraries())]
    if isinstance(scorer, NeedsQuestions):
        known.append(dict(scorer.parameters()))
    return identity("k", known)
