"""When are there enough rows? The version is the shortest settled prefix of prompts that has them.

By prompts in their order, which is that of a hash, and never by which of them are settled first:
easy prompts are.
"""

import numpy as np
from numpy.typing import NDArray


class Target:
    """Counts the rows of settled prompts."""

    def __init__(self, wanted: int, rows_of: NDArray[np.int64]) -> None:
        """`rows_of`: how many each prompt is known to have, -1 of one that is not settled."""
        self._wanted = wanted
        self._rows_of = rows_of.astype(np.int32)
        self._settled = int((rows_of >= 0).sum())
        self._rows = int(rows_of[rows_of >= 0].sum())
        self._prefix = 0
        self._prefix_rows = 0
        self._begun = 0
        self._begun_rows = 0

    def settled(self, number: int, rows: int) -> None:
        """A prompt is settled with so many rows."""
        self._rows_of[number] = rows
        self._settled += 1
        self._rows += rows
        if number < self._begun:
            self._begun_rows += rows

    @property
    def reached(self) -> bool:
        """Whether the settled prompts before the first unsettled one have enough."""
        while (
            self._prefix_rows < self._wanted
            and self._prefix < len(self._rows_of)
            and self._rows_of[self._prefix] >= 0
        ):
            self._prefix_rows += int(self._rows_of[self._prefix])
            self._prefix += 1
        return self._prefix_rows >= self._wanted

    def needs_more(self, begun: int, working: int) -> bool:
        """Whether the prompts below `begun`, of which so many are in work, will not be enough, if
        they go like those before. The first are held to bring a row each."""
        fresh = self._rows_of[self._begun : begun]
        self._begun_rows += int(fresh[fresh >= 0].sum())
        self._begun = max(self._begun, begun)
        per_prompt = (self._rows + 1) / (self._settled + 1)
        return self._begun_rows + working * per_prompt < self._wanted
