"""A sample: one request's whole history, good or bad, as one row of the samples table."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

DONE = "done"
FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Sample:
    """One row of the samples table, keyed by (`prompt_id`, `teacher_id`, `sample_index`).

    Whether a sample is eligible or surplus is not stored: it depends on its siblings' verdicts
    under the rules of today, and `build` computes it (docs/decisions/0002).
    """

    prompt_id: str
    teacher_id: str
    sample_index: int
    outcome: str
    """`done`, or `failed` after its retries."""
    failure: str | None
    """Class of a failure: `transient`, `rejected` or `poisoned` (it kills engines). Of a truncated
    sample that is `done`: why it could not be gone on with up to `max_tokens`."""
    failure_reason: str | None
    failure_detail: str | None
    text: str | None
    """What the model wrote, without the part of the thinking that the chat template prefills."""
    text_digest: str | None
    token_ids: tuple[int, ...] | None
    """Only of truncated samples, which can be continued from them."""
    token_logprobs: tuple[float, ...] | None
    """Natural log-probability of each of these tokens, NaN where it is not known. Null in rows from
    before they were kept."""
    reasoning: str | None
    answer: str | None
    thinking_open: bool
    """The rendered prompt ended inside `<think>`."""
    finish_reason: str | None
    stop_reason: str | None
    thinking_cut: bool | None
    """The thinking ended because `thinking_token_budget` was used up. Null where that cannot be
    told, and in rows from before there was such a budget."""
    prompt_tokens: int | None
    reasoning_tokens: int | None
    answer_tokens: int | None
    max_tokens: int
    seed: int
    mean_logprob: float | None
    """Mean natural log-probability of the tokens under the model's own distribution: its confidence
    over the whole sample."""
    lowest_logprob: float | None
    """The lowest mean over `infra.confidence.WINDOW` tokens in a row. Null where it is not known,
    as in rows from before there was this column and the next."""
    tail_logprob: float | None
    """The mean over the last so many tokens."""
    prompt_digest: str | None
    """Digest of the rendered prompt: what the model really read."""
    engine: str
    engine_version: str
    dtype: str
    replica: str
    attempt: str
    """The execution that wrote it."""
    tries: int
    duration_s: float

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "Sample":
        """A sample from a row of the samples table; other columns are passed over."""
        own = {name: row[name] for name in cls.__slots__}
        for name in ("token_ids", "token_logprobs"):
            own[name] = None if own[name] is None else tuple(own[name])
        return cls(**own)

    def to_row(self) -> dict[str, Any]:
        """The row of the samples table."""
        return {name: getattr(self, name) for name in self.__slots__}
