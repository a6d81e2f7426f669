"""Arrow schemas of a version's outputs: what trainers read.

Behind the columns of `sft`, `reward` and `raw` stands `scores`, a struct with what each of the
recipe's scorers found out. As with the pool's tables, a column that is added must be nullable.
"""

from typing import Final

import pyarrow as pa

from schemas.arrow import MESSAGES

_OF_PROMPT: Final = [
    pa.field("domain", pa.string(), nullable=False),
    ("source", pa.string()),
    ("license", pa.string()),
]
_TEACHER: Final = [
    pa.field("generator", pa.string(), nullable=False),
    pa.field("teacher_id", pa.string(), nullable=False),
]

SFT: Final = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("prompt_id", pa.string(), nullable=False),
        pa.field("sample_index", pa.int32(), nullable=False),
        *_OF_PROMPT,
        pa.field("prompt", pa.string(), nullable=False),
        pa.field("messages", MESSAGES, nullable=False),
        ("reasoning", pa.string()),
        pa.field("response", pa.string(), nullable=False),
        ("answer", pa.string()),
        ("reference_answer", pa.string()),
        ("reference_from", pa.string()),
        ("correct", pa.bool_()),
        ("finish_reason", pa.string()),
        ("prompt_tokens", pa.int32()),
        ("reasoning_tokens", pa.int32()),
        ("response_tokens", pa.int32()),
        *_TEACHER,
        pa.field("text_digest", pa.string(), nullable=False),
        ("pass_rate", pa.float64()),
    ]
)
"""A chosen sample a row. `messages` are the prompt's and the assistant's, whose content has the
thinking between both tags; `prompt` is the last user message alone."""

PREFERENCE: Final = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("prompt_id", pa.string(), nullable=False),
        *_OF_PROMPT,
        pa.field("prompt", MESSAGES, nullable=False),
        pa.field("chosen", MESSAGES, nullable=False),
        pa.field("rejected", MESSAGES, nullable=False),
        pa.field("chosen_id", pa.string(), nullable=False),
        pa.field("rejected_id", pa.string(), nullable=False),
        pa.field("chosen_index", pa.int32(), nullable=False),
        pa.field("rejected_index", pa.int32(), nullable=False),
        ("chosen_answer", pa.string()),
        ("rejected_answer", pa.string()),
        ("reference_answer", pa.string()),
        ("chosen_tokens", pa.int32()),
        ("rejected_tokens", pa.int32()),
        ("chosen_logprob", pa.float64()),
        ("rejected_logprob", pa.float64()),
        ("pass_rate", pa.float64()),
        *_TEACHER,
        pa.field("chosen_digest", pa.string(), nullable=False),
        pa.field("rejected_digest", pa.string(), nullable=False),
    ]
)
"""A pair of samples of a prompt a row. `chosen` and `rejected` are one assistant message each, with
both think tags; tokens are those of thinking and answer, logprobs their means over tokens."""

RL: Final = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("prompt_id", pa.string(), nullable=False),
        *_OF_PROMPT,
        pa.field("prompt", MESSAGES, nullable=False),
        pa.field("reference_answer", pa.string(), nullable=False),
        pa.field("verifier", pa.string(), nullable=False),
        pa.field("pass_rate", pa.float64(), nullable=False),
        pa.field("pass_rate_low", pa.float64(), nullable=False),
        pa.field("pass_rate_high", pa.float64(), nullable=False),
        pa.field("judged", pa.int32(), nullable=False),
        pa.field("unparsable", pa.int32(), nullable=False),
        pa.field("timeouts", pa.int32(), nullable=False),
        *_TEACHER,
    ]
)
"""A prompt a row, with what its answers are verified by, and how often the teacher solves it."""

REWARD: Final = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("prompt_id", pa.string(), nullable=False),
        pa.field("sample_index", pa.int32(), nullable=False),
        *_OF_PROMPT,
        pa.field("prompt", MESSAGES, nullable=False),
        pa.field("completion", MESSAGES, nullable=False),
        ("reasoning", pa.string()),
        pa.field("response", pa.string(), nullable=False),
        ("answer", pa.string()),
        ("reference_answer", pa.string()),
        pa.field("label", pa.bool_(), nullable=False),
        ("reasoning_tokens", pa.int32()),
        ("response_tokens", pa.int32()),
        ("pass_rate", pa.float64()),
        *_TEACHER,
        pa.field("text_digest", pa.string(), nullable=False),
    ]
)
"""A complete sample a row, right or wrong by a verifier; `completion` is one assistant message."""

RAW: Final = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("prompt_id", pa.string(), nullable=False),
        pa.field("sample_index", pa.int32(), nullable=False),
        *_OF_PROMPT,
        pa.field("prompt", MESSAGES, nullable=False),
        ("text", pa.string()),
        ("reasoning", pa.string()),
        ("response", pa.string()),
        ("answer", pa.string()),
        ("reference_answer", pa.string()),
        pa.field("fate", pa.string(), nullable=False),
        ("verdict", pa.string()),
        ("correct", pa.bool_()),
        pa.field("outcome", pa.string(), nullable=False),
        ("failure_reason", pa.string()),
        ("finish_reason", pa.string()),
        ("thinking_cut", pa.bool_()),
        pa.field("max_tokens", pa.int32(), nullable=False),
        ("prompt_tokens", pa.int32()),
        ("reasoning_tokens", pa.int32()),
        ("response_tokens", pa.int32()),
        ("mean_logprob", pa.float64()),
        ("lowest_logprob", pa.float64()),
        ("tail_logprob", pa.float64()),
        ("pass_rate", pa.float64()),
        *_TEACHER,
        ("text_digest", pa.string()),
    ]
)
"""A drawn sample a row, whatever became of it: `fate` is `published`, or why it is not. `text` is
what the model wrote, byte by byte."""

OUTPUTS: Final = {
    "sft": SFT,
    "preference": PREFERENCE,
    "rl": RL,
    "reward": REWARD,
    "raw": RAW,
}

TEXTS: Final = (
    "prompt",
    "messages",
    "completion",
    "chosen",
    "rejected",
    "text",
    "reasoning",
    "response",
)
"""Columns of prompts and of what was written, be they texts or messages."""
