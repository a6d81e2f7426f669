"""The protocols that others implement or need."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from types import CodeType
from typing import Any, Protocol

from schemas.identity import Messages
from schemas.recipe import RepetitionDetection


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn; the fields of vLLM's SamplingParams of the same names."""

    temperature: float
    top_p: float
    top_k: int
    min_p: float
    repetition_penalty: float
    stop: tuple[str, ...]
    max_tokens: int
    repetition_detection: RepetitionDetection | None = None
    thinking_token_budget: int | None = None


@dataclass(frozen=True, slots=True)
class RenderedPrompt:
    """A prompt as the model reads it."""

    text: str
    token_ids: Sequence[int]
    thinking_open: bool
    """The text ends inside a `<think>` that the chat template opened."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A sample that is not at its end, to be gone on with from here."""

    token_ids: tuple[int, ...]
    token_logprobs: "array[float]"
    mean_logprob: float | None
    """These two as in `Completion`."""


ABORTED = "abort"
"""Finish reason of a request that was interrupted."""
REPETITION = "repetition"
"""Finish reason of one that repetition detection ended."""


@dataclass(frozen=True, slots=True)
class Completion:
    """One finished request, with the tokens that it began with."""

    text: str
    token_ids: Sequence[int]
    finish_reason: str
    """`stop`, `length`, `repetition`, or what else the engine says; the only truth about
    truncation."""
    stop_reason: str | None
    token_logprobs: "array[float]"
    """Natural log-probability of each generated token under the model's own distribution, before
    temperature and top_p: float32, one a token, NaN for those of which it was not kept."""
    mean_logprob: float | None
    """Their mean, which may be known where they are not; null where nothing is."""
    thinking_cut: bool | None = False
    """Whether the thinking ended because its budget was used up; null where that cannot be told.
    The forced tag counts in `mean_logprob` with what the model gave it."""
    closing_at: int | None = None
    """Where in the text the tag stands that closes the thinking, by its token: for texts that quote
    it too. Null: where it stands first; negative: nowhere, though it is quoted."""


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """What a started engine is; goes into every row that it writes."""

    engine: str
    version: str
    dtype: str
    max_model_len: int
    slots: int
    """Requests that the engine decodes at once."""
    think_end_token: int | None
    """Token id of `</think>` where it is a single token."""


class Engine(Protocol):
    """A model that completes prompts, many at once.

    `start` raises EngineError, `render` RequestError for messages that the chat template refuses.
    `generate` raises RequestError when this request failed and
    EngineError when the engine is dead and takes every running request with it. Cancelling the
    task that awaits `generate` stops the request in the engine; `interrupt` has it return what
    there is, with the finish reason `abort`. A request may go on from what another one `begun`.
    """

    async def start(self) -> EngineFacts: ...

    def render(self, messages: Messages) -> RenderedPrompt: ...

    async def generate(
        self,
        request_id: str,
        prompt: RenderedPrompt,
        sampling: Sampling,
        seed: int,
        begun: Begun | None = None,
    ) -> Completion: ...

    async def interrupt(self, request_id: str) -> None: ...

    def tokens(self) -> int:
        """Tokens read and generated since the start; grows while requests run, or the engine
        hangs."""
        ...

    def generated(self) -> int:
        """Tokens generated since the start."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class ProgramTest:
    """One run of a program: as a script that reads `stdin`, or, with an `expression`, as a module
    in which that is evaluated after the statements of `setup`, with `arguments` in reach."""

    stdin: bytes = b""
    expression: str = ""
    setup: str = ""
    arguments: tuple[Any, ...] = ()
    """Of `None`, `bool`, `int`, `float`, `str`, `bytes`, `list`, `tuple`, `set` and `dict`."""


@dataclass(frozen=True, slots=True)
class ProgramLimits:
    """What a run of a program may use."""

    cpu_s: float = 4.0
    memory_bytes: int = 512 * 2**20
    output_bytes: int = 4 * 2**20
    """Of each stream, and of a result."""


@dataclass(frozen=True, slots=True)
class ProgramRun:
    """How one test ended. Everything in here was said by the program and may be a lie."""

    how: str
    """`ended`, `killed` (by the signal `status`), `late`, `greedy` (of memory), `flooded` (all
    tests together wrote too much), or `not_compiled`, which `stderr` explains and which is then the
    only run."""
    status: int = 0
    cpu_s: float = 0.0
    stdout: bytes = b""
    stderr: bytes = b""
    """The end of it."""
    result: str | None = None
    """Of the expression: JSON in which values say their types, such as `["tuple", 1, 2]`."""


@dataclass(frozen=True, slots=True)
class ApartTest:
    """A test that runs in a sandbox of its own, and uses a program in another one."""

    code: CodeType
    """Defines `main(peer, *arguments)`. `peer` is its side of a channel (`infra/sandbox/peer.py`),
    through which it uses what the program has defined: data crosses as data, for other objects
    there are proxies."""
    arguments: tuple[Any, ...]
    given: tuple[str, ...] = ()
    """Names that the program finds defined, as the test has them."""
    fixed: tuple[str, ...] = ()
    """Those among them that stay the test's, also where the program defines them."""


LIBRARIES = "/libraries"
"""Where a sandbox shows them, if it does."""


class Sandbox(Protocol):
    """Runs programs that nobody trusts.

    Both raise SandboxError where they cannot, never because of what a program does; from many
    threads, as many run at once as there are slots.
    """

    isolation: str
    """What keeps programs in, such as `bubblewrap+cgroup`."""

    def run(
        self, source: str, tests: Sequence[ProgramTest], limits: ProgramLimits
    ) -> list[ProgramRun]:
        """A run for each test, up to the first that ended the others too, as one that was late
        does."""
        ...

    def run_apart(
        self, source: str, test: ApartTest, limits: ProgramLimits
    ) -> tuple[ProgramRun, ProgramRun]:
        """A program and its test, each in a sandbox of its own: the program's run and the test's,
        whose `result` is what its `main` returns."""
        ...

    def close(self) -> None: ...
