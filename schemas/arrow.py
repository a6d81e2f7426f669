"""Arrow schemas of the pool's tables.

`FORMAT` grows when a column changes its meaning or goes; a reader refuses a newer one. A column
that is added must be nullable: it is null in what was written before.
"""

from typing import Final

import pyarrow as pa

FORMAT: Final = 1

MESSAGES: Final = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))

PROMPTS: Final = pa.schema(
    [
        pa.field("prompt_id", pa.string(), nullable=False),
        pa.field("reference_id", pa.string(), nullable=False),
        pa.field("messages", MESSAGES, nullable=False),
        ("reference", pa.string()),
        pa.field("domain", pa.string(), nullable=False),
        ("source", pa.string()),
        ("license", pa.string()),
    ]
)

SAMPLES: Final = pa.schema(
    [
        pa.field("prompt_id", pa.string(), nullable=False),
        pa.field("teacher_id", pa.string(), nullable=False),
        pa.field("sample_index", pa.int32(), nullable=False),
        pa.field("outcome", pa.string(), nullable=False),
        ("failure", pa.string()),
        ("failure_reason", pa.string()),
        ("failure_detail", pa.string()),
        ("text", pa.string()),
        ("text_digest", pa.string()),
        ("token_ids", pa.list_(pa.int32())),
        ("token_logprobs", pa.list_(pa.float32())),
        ("reasoning", pa.string()),
        ("answer", pa.string()),
        pa.field("thinking_open", pa.bool_(), nullable=False),
        ("finish_reason", pa.string()),
        ("stop_reason", pa.string()),
        ("thinking_cut", pa.bool_()),
        ("prompt_tokens", pa.int32()),
        ("reasoning_tokens", pa.int32()),
        ("answer_tokens", pa.int32()),
        pa.field("max_tokens", pa.int32(), nullable=False),
        pa.field("seed", pa.int64(), nullable=False),
        ("mean_logprob", pa.float64()),
        ("lowest_logprob", pa.float64()),
        ("tail_logprob", pa.float64()),
        ("prompt_digest", pa.string()),
        pa.field("engine", pa.string(), nullable=False),
        pa.field("engine_version", pa.string(), nullable=False),
        pa.field("dtype", pa.string(), nullable=False),
        pa.field("replica", pa.string(), nullable=False),
        pa.field("attempt", pa.string(), nullable=False),
        pa.field("tries", pa.int32(), nullable=False),
        pa.field("duration_s", pa.float64(), nullable=False),
    ]
)

SCORES: Final = pa.schema(
    [
        pa.field("prompt_id", pa.string(), nullable=False),
        pa.field("teacher_id", pa.string(), nullable=False),
        pa.field("sample_index", pa.int32(), nullable=False),
        pa.field("text_digest", pa.string(), nullable=False),
        pa.field("reference_id", pa.string(), nullable=False),
        pa.field("scorer_id", pa.string(), nullable=False),
        pa.field("scorer", pa.string(), nullable=False),
        ("verdict", pa.string()),
        ("reason", pa.string()),
        ("evidence", pa.string()),
        pa.field("values", pa.string(), nullable=False),
    ]
)

CLUSTERS: Final = pa.schema(
    [
        pa.field("prompt_id", pa.string(), nullable=False),
        pa.field("cluster", pa.string(), nullable=False),
        pa.field("bands", pa.binary(), nullable=False),
        pa.field("shingles", pa.binary(), nullable=False),
    ]
)
"""Prompts that say nearly the same; a cluster is named by the prompt that it began with. `bands`
and `shingles` are little-endian numbers of 64 and of 32 bits (`filters/near_duplicates.py`)."""

TABLES: Final = {
    "prompts": PROMPTS,
    "samples": SAMPLES,
    "scores": SCORES,
    "clusters": CLUSTERS,
}
