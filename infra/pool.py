"""The pool: three Delta tables that only the holder of the newest epoch may add to.

Workers write Parquet files into a table's folder; a file exists once its commit is in the log.
Every commit carries the writer's epoch as an application transaction, so that Delta's own conflict
check refuses a writer that has been succeeded.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

import polars as pl
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction

from infra.store import FolderStore
from schemas.arrow import FORMAT, TABLES
from schemas.errors import BusyError, StoreError

WRITER: Final = "stillhouse-writer"


@dataclass(frozen=True, slots=True)
class DataFile:
    """A Parquet file in a table's folder, before or after its commit."""

    name: str
    rows: int
    bytes: int


class Pool:
    """The tables `prompts`, `samples` and `scores` below `<store>/pools/<pool>`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def name(self) -> str:
        """The pool's name in the store."""
        return self.root.name

    def folder(self, table: str) -> Path:
        """Where a table's files lie."""
        return self.root / table

    def versions(self) -> dict[str, int | None]:
        """The newest version of each table; null for one that is not there."""
        return {name: self._version(name) for name in TABLES}

    def _version(self, name: str) -> int | None:
        table = self._open(name)
        return None if table is None else table.version()

    def scan(self, name: str, version: int | None = None) -> pl.LazyFrame:
        """The rows of a table, with the columns `path` and `row` that name each row's place.

        A table that is not there has no rows.
        """
        table = self._open(name, version)
        # Delta quotes special characters in paths; the names of our files have none.
        names = [] if table is None else sorted(PurePosixPath(u).name for u in table.file_uris())
        if not names:
            empty = pl.from_arrow(TABLES[name].empty_table())
            assert isinstance(empty, pl.DataFrame)
            return empty.lazy().with_columns(
                path=pl.lit(None, pl.String), row=pl.lit(None, pl.UInt32)
            )
        # Row numbers must not depend on which columns are read, or they name other rows.
        return pl.concat(
            pl.scan_parquet(path, row_index_name="row", glob=False).with_columns(path=pl.lit(path))
            for path in (str(self.folder(name) / file) for file in names)
        )

    def _open(self, name: str, version: int | None = None) -> DeltaTable | None:
        try:
            table = DeltaTable(self.folder(name), version=version)
        except TableNotFoundError:
            return None
        except (DeltaError, OSError) as error:
            raise StoreError(f"table {self.folder(name)} cannot be read: {error}") from error
        self._check_format(table, name)
        return table

    def _check_format(self, table: DeltaTable, name: str) -> None:
        found = int(table.metadata().configuration.get("stillhouse.format", "0"))
        if found > FORMAT:
            raise StoreError(
                f"table {self.folder(name)} has format {found}, this version of Stillhouse reads "
                f"up to {FORMAT}: use a newer one"
            )


class PoolWriter:
    """Commits files to a pool on behalf of one epoch; BusyError once a newer epoch has written."""

    def __init__(self, pool: Pool, epoch: int) -> None:
        self.pool = pool
        self.epoch = epoch
        self._tables = {name: self._create(name) for name in TABLES}
        for name in TABLES:
            self._fence(name)

    def _create(self, name: str) -> DeltaTable:
        existing = self.pool._open(name)
        if existing is not None:
            return existing
        return DeltaTable.create(
            self.pool.folder(name),
            schema=TABLES[name],
            mode="ignore",
            configuration={"stillhouse.format": str(FORMAT)},
            raise_if_key_not_exists=False,
        )

    def _fence(self, name: str) -> None:
        """An empty commit of this epoch: from here on an older writer's commits are refused."""
        for _ in range(10):
            self._refresh(name)
            try:
                self.commit(name, [])
                return
            except BusyError:
                continue  # the predecessor committed in between; only a newer epoch is final
        raise BusyError(f"pool {self.pool.name}: another writer keeps committing to {name}")

    def commit(self, name: str, files: Sequence[DataFile]) -> int:
        """Adds files to a table in one commit; returns the table's version."""
        table = self._tables[name]
        actions: list[AddAction | RemoveAction] = [_add_action(file) for file in files]
        properties = CommitProperties(app_transactions=[Transaction(WRITER, self.epoch)])
        try:
            table.create_write_transaction(
                actions, mode="append", schema=table.schema(), commit_properties=properties
            )
        except CommitFailedError as error:
            raise BusyError(
                f"pool {self.pool.name}: another writer has taken over from epoch {self.epoch} "
                f"({error}); what it has not seen will be generated again"
            ) from error
        except DeltaError as error:
            raise StoreError(f"commit to {self.pool.folder(name)} failed: {error}") from error
        return self._refresh(name)

    def _refresh(self, name: str) -> int:
        table = self._tables[name]
        table.update_incremental()
        newest = table.transaction_version(WRITER) or 0
        if newest > self.epoch:
            raise BusyError(
                f"pool {self.pool.name}: epoch {newest} has taken over from {self.epoch}"
            )
        return table.version()


def _add_action(file: DataFile) -> AddAction:
    return AddAction(
        path=file.name,
        size=file.bytes,
        partition_values={},
        modification_time=int(time.time() * 1000),
        data_change=True,
        stats=json.dumps({"numRecords": file.rows}),
    )


def next_epoch(store: FolderStore, pool: str, attempt_facts: dict[str, str]) -> int:
    """Takes the pool's next writer epoch; the epochs of a pool only grow."""
    key = f"pools/{pool}/writer.json"
    while True:
        before = store.get(key)
        epoch = 1 + (json.loads(before)["epoch"] if before else 0)
        content = json.dumps({"epoch": epoch, **attempt_facts}, sort_keys=True).encode()
        if store.replace_if(key, content, expected=before):
            return epoch
