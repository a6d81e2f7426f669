"""Prompts read back from the pool by their place."""

from functools import lru_cache

import pyarrow as pa
import pyarrow.parquet as pq

from infra.messages import Place
from infra.store import open_uri
from schemas.prompt import Prompt

FILES_IN_MEMORY = 4
PROMPTS_IN_MEMORY = 64


@lru_cache(maxsize=FILES_IN_MEMORY)
def _read(path: str) -> pa.Table:
    with open_uri(path) as file:
        return pq.read_table(file)


@lru_cache(maxsize=PROMPTS_IN_MEMORY)
def read_prompt(place: Place) -> Prompt:
    """The prompt at `place`; work comes in the order of the files and siblings come together, so
    few are held at a time."""
    row = _read(place.path).slice(place.row, 1).to_pylist()[0]
    return Prompt.from_row(row)
