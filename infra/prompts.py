"""Prompts read back from the pool by their place."""

from functools import lru_cache

import pyarrow as pa

from infra.messages import Place
from infra.parquet import read_table
from schemas.prompt import Prompt

FILES_IN_MEMORY = 4
PROMPTS_IN_MEMORY = 64


@lru_cache(maxsize=FILES_IN_MEMORY)
def _read(path: str) -> pa.Table:
    return read_table(path)


@lru_cache(maxsize=PROMPTS_IN_MEMORY)
def read_prompt(place: Place) -> Prompt:
    """The prompt at `place`; work comes in the order of the files and siblings come together, so
    few are held at a time."""
    row = _read(place.path).slice(place.row, 1).to_pylist()[0]
    return Prompt.from_row(row)
