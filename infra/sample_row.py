"""What becomes of a finished request: a row of the samples table, and what is told of it."""

from dataclasses import dataclass
from typing import Any

from infra.begun import read_begun, read_row, read_truncated
from infra.confidence import WINDOW, lowest_and_tail
from infra.messages import Drawn, Work
from infra.prompts import read_prompt
from infra.settings import ReplicaSettings
from schemas.arrow import SAMPLES
from schemas.errors import RequestError
from schemas.identity import sample_seed, text_digest
from schemas.ports import Begun, Completion, Engine, EngineFacts, RenderedPrompt
from schemas.prompt import Prompt
from schemas.reasoning import split_reasoning
from schemas.sample import DONE, FAILED

ROW_BYTES = 500
"""Of a row without its text."""
POISONED = RequestError("poisoned", "engine_died", "engines died with it, the last one alone")


@dataclass(frozen=True, slots=True)
class Ready:
    """A sample that can be drawn."""

    work: Work
    prompt: Prompt
    rendered: RenderedPrompt | RequestError
    seed: int
    begun: Begun | None = None
    had: int = 0
    """Tokens that the table has of it already."""

    @property
    def request_id(self) -> str:
        """Of the engine's request; a second try must not meet the first one's."""
        return f"{self.prompt.prompt_id}-{self.work.key.sample_index}-{self.work.tries}"


@dataclass(frozen=True, slots=True)
class Finished:
    """A sample that was drawn, or failed for good."""

    ready: Ready
    outcome: Completion | RequestError
    duration_s: float

    @property
    def size(self) -> int:
        """Bytes of its row, about."""
        text = self.outcome.text if isinstance(self.outcome, Completion) else self.outcome.detail
        return ROW_BYTES + len(text)

    def told(self) -> Drawn:
        """What the coordinator is told."""
        work = self.ready.work
        if isinstance(self.outcome, RequestError):
            return Drawn(work.key, False, 0, self.outcome.reason)
        return Drawn(work.key, True, len(self.outcome.token_ids) - self.ready.had, None)


def assert_longer(ready: Ready, completion: Completion) -> None:
    """RequestError for a truncated sample that the engine could not go on with."""
    if ready.had and len(completion.token_ids) <= ready.had:
        raise RequestError("rejected", "context_full", f"no room beyond {ready.had} tokens")


def prepare(work: tuple[Work, ...], engine: Engine, settings: ReplicaSettings) -> list[Ready]:
    """Reads and renders prompts; siblings come next to each other and share the work."""
    ready: list[Ready] = []
    for one in work:
        if ready and ready[-1].work.prompt == one.prompt:
            prompt, rendered = ready[-1].prompt, ready[-1].rendered
        else:
            prompt = read_prompt(one.prompt)
            rendered = _render(prompt, engine, settings.teacher.system)
        seed = sample_seed(prompt.prompt_id, settings.teacher_id, one.key.sample_index)
        begun = None if one.begun is None else read_begun(one.begun)
        truncated = None if one.truncated is None else read_truncated(one.truncated)
        had = 0 if truncated is None else len(truncated.token_ids)
        rendered_or_poisoned = POISONED if one.poisoned else rendered
        ready.append(Ready(one, prompt, rendered_or_poisoned, seed, begun or truncated, had))
    return ready


def _render(prompt: Prompt, engine: Engine, system: str | None) -> RenderedPrompt | RequestError:
    first = [] if system is None else [{"role": "system", "content": system}]
    try:
        return engine.render([*first, *prompt.messages])
    except RequestError as error:
        return error


def sample_row(
    finished: Finished, settings: ReplicaSettings, facts: EngineFacts, replica: str
) -> dict[str, Any]:
    """The row of the samples table; what is not known of it is null."""
    work, prompt = finished.ready.work, finished.ready.prompt
    row: dict[str, Any] = dict.fromkeys(SAMPLES.names)
    row |= {
        "prompt_id": prompt.prompt_id,
        "teacher_id": settings.teacher_id,
        "sample_index": work.key.sample_index,
        "max_tokens": settings.sampling.max_tokens,
        "seed": finished.ready.seed,
        "engine": facts.engine,
        "engine_version": facts.version,
        "dtype": facts.dtype,
        "replica": replica,
        "attempt": settings.attempt,
        "tries": work.tries,
        "duration_s": finished.duration_s,
        "thinking_open": False,
    }
    rendered = finished.ready.rendered
    if isinstance(rendered, RenderedPrompt):
        row["thinking_open"] = rendered.thinking_open
        row["prompt_tokens"] = len(rendered.token_ids)
        row["prompt_digest"] = text_digest(rendered.text)
    if isinstance(finished.outcome, RequestError):
        if work.truncated is not None:  # what it has is paid for, and stays as it is
            row |= read_row(work.truncated) | {"max_tokens": row["max_tokens"]}
            return row | _failure(finished.outcome)
        return row | {"outcome": FAILED} | _failure(finished.outcome)
    return row | _completed(finished.outcome, row["thinking_open"], facts)


def _failure(error: RequestError) -> dict[str, Any]:
    return {
        "failure": error.kind,
        "failure_reason": error.reason,
        "failure_detail": error.detail,
    }


def _completed(completion: Completion, thinking_open: bool, facts: EngineFacts) -> dict[str, Any]:
    split = split_reasoning(
        completion.text, thinking_open=thinking_open, closing_at=completion.closing_at
    )
    ids = tuple(completion.token_ids)
    truncated = completion.finish_reason == "length"
    reasoning_tokens = _reasoning_tokens(ids, facts.think_end_token, split.reasoning, split.closed)
    lowest, tail = lowest_and_tail(completion.token_logprobs, completion.mean_logprob, WINDOW)
    return {
        "outcome": DONE,
        "text": completion.text,
        "text_digest": text_digest(completion.text, truncated=truncated),
        "token_ids": ids if truncated else None,
        "token_logprobs": completion.token_logprobs if truncated else None,
        "reasoning": split.reasoning,
        "answer": split.answer,
        "finish_reason": completion.finish_reason,
        "stop_reason": completion.stop_reason,
        "thinking_cut": completion.thinking_cut,
        "reasoning_tokens": reasoning_tokens,
        "answer_tokens": None if reasoning_tokens is None else len(ids) - reasoning_tokens,
        "mean_logprob": completion.mean_logprob,
        "lowest_logprob": lowest,
        "tail_logprob": tail,
    }


def _reasoning_tokens(
    ids: tuple[int, ...], think_end: int | None, reasoning: str | None, closed: bool
) -> int | None:
    """Tokens up to and with the closing tag; null where the tokenizer has no such token."""
    if reasoning is None:
        return 0
    if not closed:
        return len(ids)
    return ids.index(think_end) + 1 if think_end is not None and think_end in ids else None
