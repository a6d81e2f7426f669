"""Parts: where the chosen rows of a version are cut into files, and those into row groups.

All bounds follow from the rows alone, never from workers, batches or the files of the pool, so that
the same rows give the same bytes wherever and however often they are written.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from schemas.outputs import TEXTS

TOKENS_PER_PART = 120_000_000
"""A row has its texts twice, so that a token takes, compressed, 1.3 bytes of code, 2.2 of English
and 3.9 of words at random: 160, 260 and 470 MB. Counted in tokens, since the lengths of texts are
not known before all of them are read."""
ROWS_PER_GROUP = 2_000
BYTES_PER_GROUP = 64 * 2**20
"""Of texts in a row group, uncompressed: what a reader has in memory at a time. A longer row is
alone."""
TOKENS_AT_ONCE = 5_000_000
"""What is read at a time: 20 MB of texts. As often as a part has this many, the row groups of the
pool that its rows lie in are read again."""


LONG = (*TEXTS, "reference_answer")
"""Columns that can be long."""


@dataclass(frozen=True)
class Part:
    """A range of prompts whose rows of an output and a split are a file."""

    output: str
    split: str
    number: int
    count: int
    """Of all parts of these."""
    first: str
    last: str

    @property
    def name(self) -> str:
        """For people."""
        return (
            f"part {self.number + 1} of {self.count} of {self.output}/{self.split} "
            f"(prompts {self.first} to {self.last})"
        )


def parts_of(by_prompt: pl.DataFrame, output: str, split: str) -> list[Part]:
    """The parts of an output and a split, of about the same size. `by_prompt` has `prompt_id` and
    `size`, the tokens of its rows, of each prompt in their order; a prompt is in one part."""
    total = max(1, int(by_prompt["size"].sum()))
    wanted = max(1, int(total / TOKENS_PER_PART + 0.5))
    before = pl.col("size").cum_sum() - pl.col("size")
    bounds = (
        by_prompt.group_by(part=(before * wanted // total).clip(upper_bound=wanted - 1))
        .agg(first=pl.col("prompt_id").min(), last=pl.col("prompt_id").max())
        .sort("part")
        .select("first", "last")
    )
    return [
        Part(output, split, number, bounds.height, *row)
        for number, row in enumerate(bounds.iter_rows())
    ]


def batches(chosen: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Rows of a part in ranges that are read at once; their bounds are to be seen nowhere."""
    total = chosen["size"].cum_sum().to_numpy()
    start = 0
    while start < chosen.height:
        read = total[start - 1] if start else 0
        end = int(np.searchsorted(total, read + TOKENS_AT_ONCE, "right"))
        yield chosen[start : max(end, start + 1)]
        start = max(end, start + 1)


def row_groups(rows: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """The same rows of an output, in the same order, in row groups."""
    waiting = pl.DataFrame()
    for some in rows:
        waiting = pl.concat([waiting, some]) if waiting.height else some
        total = np.cumsum(_text_bytes(waiting).to_numpy())
        start = 0
        while (end := _end_of_group(total, start)) < waiting.height:
            yield waiting[start:end]
            start = end
        waiting = waiting[start:]
    if waiting.height:
        yield waiting


def _end_of_group(total: np.typing.NDArray[np.int64], start: int) -> int:
    """The first row that is not in the group that begins with this one."""
    before = int(total[start - 1]) if start else 0
    end = int(np.searchsorted(total, before + BYTES_PER_GROUP, "right"))
    return min(max(end, start + 1), start + ROWS_PER_GROUP)


def _text_bytes(rows: pl.DataFrame) -> pl.Series:
    """Of each row, in the columns that can be long."""
    said = pl.element().struct.field("content").str.len_bytes().sum()
    lengths = [
        pl.col(name).str.len_bytes() if dtype == pl.String else pl.col(name).list.agg(said)
        for name, dtype in rows.schema.items()
        if name in LONG
    ]
    total = pl.sum_horizontal(length.cast(pl.Int64).fill_null(0) for length in lengths)
    return rows.select(total=total)["total"]
