"""Samples that are gone on with from the tokens that they have.

A replica that is given back hands its samples over: those are in files that are never committed
(`infra/begun.py`). A sample that was truncated at a smaller `max_tokens` is a row of the samples
table, and must stay one until its continuation is durable: the commit that adds the whole sample
takes the truncated one away. So that this rewrites little, `jobs/truncated.py` has set such rows
apart in files of few rows before.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pyarrow as pa

from infra.data_file import DataFile
from infra.messages import Place
from infra.patience import Patience
from infra.pool import MEND
from infra.rewriting import write_without
from infra.scheduler import Key
from schemas.errors import StoreError

Swap = tuple[list[DataFile], list[DataFile]]
"""Files that come, and files that go."""


class Continuation:
    """Where the beginnings of samples lie."""

    def __init__(self, prefix: str, patience: Patience) -> None:
        """`prefix` begins the names of new files, and is used once."""
        self._prefix = prefix
        self._patience = patience
        self._handed_over: dict[Key, Place] = {}
        self._truncated: dict[Key, Place] = {}
        self._files: dict[str, DataFile] = {}
        """What a file that was set apart has become, by its path."""
        self._gone: dict[str, set[int]] = {}
        """Its rows that are in the table no more."""
        self._written = 0
        self._one_at_a_time = asyncio.Lock()

    def begin(self, truncated: Mapping[Key, Place], files: Iterable[DataFile]) -> None:
        """These samples are to be gone on with; `files` are those of the table."""
        by_name = {file.name: file for file in files}
        self._truncated = dict(truncated)
        for path in {place.path for place in truncated.values()}:
            self._files[path] = by_name[Path(path).name]
            self._gone[path] = set()

    @property
    def set_apart(self) -> list[DataFile]:
        """Files whose rows are gone on with."""
        return list(self._files.values())

    def handed_over(self, begun: Mapping[Key, Place | None]) -> None:
        """A replica has left these samples to others."""
        self._handed_over |= {key: place for key, place in begun.items() if place is not None}

    def of(self, key: Key) -> tuple[Place | None, Place | None]:
        """What another replica has of a sample, and what the table has."""
        return self._handed_over.get(key), self._truncated.get(key)

    def forget(self, keys: Iterable[Key]) -> None:
        """Nobody goes on with what was handed over of these."""
        for key in keys:
            self._handed_over.pop(key, None)

    @asynccontextmanager
    async def ended(self, keys: Collection[Key]) -> AsyncIterator[Swap]:
        """For the time in which these samples are committed: the files without what the table had
        of them, and those that they replace."""
        self.forget(keys)
        mine: dict[str, set[int]] = {}
        for key in keys:
            if key in self._truncated:
                place = self._truncated[key]
                mine.setdefault(place.path, set()).add(place.row)
        if not mine:
            yield [], []
            return
        async with self._one_at_a_time:  # two deliveries must not replace the same file
            left = {path: await self._without(path, rows) for path, rows in mine.items()}
            yield (
                [file for file in left.values() if file is not None],
                [self._files[path] for path in mine],
            )
            for path, file in left.items():
                self._gone[path] |= mine[path]
                if file is not None:
                    self._files[path] = file
                else:
                    del self._files[path]

    async def _without(self, path: str, rows: set[int]) -> DataFile | None:
        self._written += 1
        target = f"{path.rpartition('/')[0]}/{self._prefix}-{self._written:06d}.parquet"
        gone = self._gone[path] | rows

        def write() -> DataFile | None:
            try:
                return write_without(path, gone, target)
            except pa.ArrowInvalid as error:
                raise StoreError(f"{path} cannot be read: {error}. {MEND}") from error

        return await self._patience(write)
