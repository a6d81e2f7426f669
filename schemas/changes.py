"""What a version says about the version before it: `changes.parquet`."""

from typing import Final, Literal, get_args

import pyarrow as pa

Change = Literal["added", "dropped", "changed"]
ADDED: Final = "added"
DROPPED: Final = "dropped"
CHANGED: Final = "changed"
KINDS: Final[tuple[str, ...]] = get_args(Change)

CHANGES: Final = pa.schema(
    [
        pa.field("output", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("id", pa.string(), nullable=False),
        pa.field("prompt_id", pa.string(), nullable=False),
        pa.field("change", pa.string(), nullable=False),
        ("columns", pa.list_(pa.string())),
    ]
)
"""A row for each id of each output that came, went, or is there with other content, in the order of
`output`, `prompt_id` and `id`. `split` is where it is, or was; `columns` are those of a changed row
that are not what they were, the scorers of `scores` each by its name, as `scores.math`."""
FEW_VALUES: Final = ("output", "split", "change", "prompt_id", "columns.list.element")
"""Columns with a dictionary."""
