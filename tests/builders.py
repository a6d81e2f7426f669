"""Tiny builders of rows, so that a test names only what it is about."""

from typing import Any

import pyarrow as pa

from schemas.identity import messages_json, prompt_id, reference_id, text_digest
from schemas.prompt import Prompt
from schemas.sample import DONE, Sample


def make_prompt(
    question: str = "What is 1 + 1?", reference: str | None = "2", **more: Any
) -> Prompt:
    messages = ({"role": "user", "content": question},)
    return Prompt(
        prompt_id=prompt_id(messages_json(messages)),
        reference_id=reference_id(reference),
        messages=messages,
        reference=reference,
        **{"domain": "math", "source": None, "license": None, **more},
    )


def without_column(schema: pa.Schema, *columns: str) -> pa.Schema:
    """A table as it was before it got one column, or some."""
    return pa.schema([field for field in schema if field.name not in columns])


def make_sample(text: str = "one and one\n</think>\n\n\\boxed{2}", **more: Any) -> Sample:
    known: dict[str, Any] = {
        "prompt_id": make_prompt().prompt_id,
        "teacher_id": "t1_test",
        "sample_index": 0,
        "outcome": DONE,
        "failure": None,
        "failure_reason": None,
        "failure_detail": None,
        "text": text,
        "text_digest": text_digest(text),
        "token_ids": None,
        "token_logprobs": None,
        "reasoning": text.partition("</think>")[0],
        "answer": text.partition("</think>")[2],
        "thinking_open": True,
        "finish_reason": "stop",
        "stop_reason": None,
        "thinking_cut": False,
        "prompt_tokens": 5,
        "reasoning_tokens": 4,
        "answer_tokens": 3,
        "max_tokens": 64,
        "seed": 1,
        "mean_logprob": -0.5,
        "lowest_logprob": -0.75,
        "tail_logprob": -0.25,
        "prompt_digest": "x1_prompt",
        "engine": "test",
        "engine_version": "1",
        "dtype": "float32",
        "replica": "r0",
        "attempt": "a000001",
        "tries": 1,
        "duration_s": 0.1,
    }
    return Sample(**{**known, **more})
