"""The outputs of a version: which samples are rows of each, and how they are written."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl
import pyarrow as pa

from filters.pairs import CHOSEN, REJECTED
from filters.picking import Picking
from filters.preference import picked_pairs, preference_rows
from filters.raw import all_samples, raw_rows
from filters.reward import labelled_samples, reward_rows
from filters.rl import rl_rows, verified_prompts
from filters.scorer import Scorer
from filters.sft import chosen_samples, sft_rows
from schemas.outputs import PREFERENCE, RAW, REWARD, RL, SFT


@dataclass(frozen=True)
class Output:
    """A kind of rows."""

    schema: pa.Schema
    key: tuple[str, ...]
    """Columns that no two rows have in common, whoever made them; rows are in their order."""
    pick: Callable[[pl.DataFrame, Picking], pl.DataFrame]
    """Samples of whole prompts with their fates -> the narrow columns of rows, in their order:
    `prompt_id`, `size` (what a row counts in a part), where texts lie, and what `rows` needs."""
    rows: Callable[[pl.DataFrame, Mapping[str, Scorer], str], pl.DataFrame]
    """(picked rows with texts and with columns of their prompts, scorers, generator) -> rows."""
    texts: tuple[str, ...] = ("reasoning", "answer")
    """What is read of a sample."""
    samples: tuple[str, ...] = ("",)
    """What the columns of each sample of a row begin with: `path` and `row` say where it lies."""
    everything: bool = False
    """All samples whatever became of them, also of prompts that a rule leaves out, or that are
    beyond a target."""


OUTPUTS: Final[dict[str, Output]] = {
    "sft": Output(SFT, ("prompt_id", "sample_index"), chosen_samples, sft_rows),
    "preference": Output(
        PREFERENCE,
        ("prompt_id", "chosen_index", "rejected_index"),
        picked_pairs,
        preference_rows,
        samples=(CHOSEN, REJECTED),
    ),
    "rl": Output(RL, ("prompt_id",), verified_prompts, rl_rows, samples=()),
    "reward": Output(REWARD, ("prompt_id", "sample_index"), labelled_samples, reward_rows),
    "raw": Output(
        RAW,
        ("prompt_id", "sample_index"),
        all_samples,
        raw_rows,
        texts=("text", "reasoning", "answer"),
        everything=True,
    ),
}
