"""Who may add to the pool: the holder of the newest epoch alone.

Every commit carries the writer's epoch as an application transaction, so that Delta's own conflict
check refuses a writer that has been succeeded.
"""

import json
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Final
from urllib.parse import unquote

from deltalake import CommitProperties, DeltaTable, Schema, Transaction
from deltalake.transaction import AddAction, RemoveAction

from infra.data_file import DataFile
from infra.pool import Pool
from infra.store import storage_options
from schemas.arrow import TABLES
from schemas.errors import BusyError, StoreError

WRITER: Final = "stillhouse-writer"
TRIES: Final = 10
"""Of a commit that met another one."""


class PoolWriter:
    """Commits files to a pool on behalf of one epoch; BusyError once a newer epoch has written."""

    def __init__(self, pool: Pool, epoch: int) -> None:
        self.pool = pool
        self.epoch = epoch
        pool.create()
        self._options = storage_options(pool.root)
        self._tables = self._opened()
        for name in TABLES:
            self.commit(name, [])  # from here on an older writer's commits are refused
            self._add_columns(name)

    def _opened(self) -> dict[str, DeltaTable]:
        pool = self.pool
        return {name: pool.writing(name, partial(pool.table, name)) for name in TABLES}

    def _add_columns(self, name: str) -> None:
        """Has the log of a table name the columns that it was not created with, for readers that go
        by the log."""
        for _ in range(TRIES):
            self._refresh(name)
            table = self._tables[name]
            there = {field.name for field in table.schema().fields}
            fields = [f for f in Schema.from_arrow(TABLES[name]).fields if f.name not in there]
            if not fields:
                return
            with suppress(BusyError):
                self.pool.writing(
                    name,
                    partial(table.alter.add_columns, fields, commit_properties=self._properties()),
                )
        raise BusyError(f"pool {self.pool.name}: another writer keeps committing to {name}")

    def _properties(self) -> CommitProperties:
        return CommitProperties(app_transactions=[Transaction(WRITER, self.epoch)])

    def commit(
        self, name: str, files: Sequence[DataFile], replaced: Sequence[DataFile] = ()
    ) -> None:
        """Adds files to a table, and removes those that they replace, in one commit.

        BusyError where this epoch was succeeded. StoreUnavailableError where the store did not
        answer: it may or may not have happened, and the same call again makes it so.
        """
        for _ in range(TRIES):
            try:
                return self._commit(name, files, replaced)
            except BusyError:
                # A newer epoch is final. Else it was a predecessor's, or the echo of our own, whose
                # answer was lost: the same commit again changes nothing.
                self._refresh(name)
        raise BusyError(f"pool {self.pool.name}: another writer keeps committing to {name}")

    def _commit(self, name: str, files: Sequence[DataFile], replaced: Sequence[DataFile]) -> None:
        self._refresh(name)
        table = self._tables[name]
        there = self._names(name) if replaced else set()
        if gone := [file.name for file in replaced if file.name not in there]:
            if all(file.name in there for file in files):
                return  # an earlier call that seemed to fail did it
            raise StoreError(f"{self.pool.folder(name)}: {gone} were replaced by others meanwhile")
        now = int(time.time() * 1000)
        actions: list[AddAction | RemoveAction] = [_add_action(file, now) for file in files]
        actions += [RemoveAction(file.name, False, now, file.bytes) for file in replaced]
        self.pool.writing(
            name,
            lambda: table.create_write_transaction(
                actions,
                mode="append",
                schema=table.schema(),
                commit_properties=self._properties(),
            ),
        )

    def _names(self, name: str) -> set[str]:
        uris = self.pool.writing(name, self._tables[name].file_uris)
        return {unquote(uri).rpartition("/")[2] for uri in uris}

    def _refresh(self, name: str) -> None:
        """Reads what was committed meanwhile; BusyError if a newer epoch was."""
        if (options := storage_options(self.pool.root)) != self._options:
            # Credentials last an hour or so, and a table keeps those that it was opened with.
            self._options, self._tables = options, self._opened()
        table = self._tables[name]
        self.pool.writing(name, table.update_incremental)
        newest = self.pool.writing(name, partial(table.transaction_version, WRITER)) or 0
        if newest > self.epoch:
            raise BusyError(
                f"pool {self.pool.name}: epoch {newest} has taken over from {self.epoch}"
            )


def _add_action(file: DataFile, now_ms: int) -> AddAction:
    return AddAction(
        path=file.name,
        size=file.bytes,
        partition_values={},
        modification_time=now_ms,
        data_change=True,
        stats=json.dumps({"numRecords": file.rows}),
    )
