"""The pool: four Delta tables, as they are and as they were.

Workers write Parquet files into a table's folder; a file exists once its commit is in the log.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from infra.data_file import DataFile, scan_file
from infra.parquet import read_table
from infra.store import S3, locate, storage_options
from schemas.arrow import FORMAT, TABLES
from schemas.errors import BusyError, StoreError, StoreUnavailableError

if TYPE_CHECKING:  # a third of a second, which the coordinator need not wait for
    import polars as pl

LOG_CONFIGURATION: Final = {
    # A log of 278 commits takes 50 ms to open from the default's last of every 100, and 8 ms after
    # a checkpoint; a start opens some twenty.
    "delta.checkpointInterval": "20",
    # By default Delta forgets after 30 days how a table was, and so what a version was made of.
    "delta.enableExpiredLogCleanup": "false",
}
REFUSED: Final = ("403 Forbidden", "AccessDenied", "NoSuchBucket")
"""A server's words for what waiting does not mend."""
ESCAPE: Final = re.compile(r"\x1b\[[0-9;]*m")
Result = TypeVar("Result")
MEND: Final = (
    "Put it back from a copy, or let `run --drop-damaged` forget it: what was in it is made again"
)


class Pool:
    """The tables `prompts`, `samples`, `scores` and `clusters` below `<store>/pools/<pool>`."""

    def __init__(self, root: str | Path) -> None:
        self.root = str(root)
        self._store, self._key = locate(self.root)

    @property
    def name(self) -> str:
        """The pool's name in the store."""
        return self.root.rpartition("/")[2]

    def folder(self, table: str) -> str:
        """Where a table's files lie."""
        return f"{self.root}/{table}"

    def versions(self) -> dict[str, int | None]:
        """The newest version of each table; null for one that is not there."""
        return {name: self._version(name) for name in TABLES}

    def _version(self, name: str) -> int | None:
        table = self._open(name)
        return None if table is None else table.version()

    def scan(
        self, name: str, version: int | None = None, without: Sequence[DataFile] = ()
    ) -> "pl.LazyFrame":
        """The rows of a table, with the columns `path` and `row` that name each row's place.

        A table that is not there has no rows. StoreError where a file is missing or torn.
        """
        import polars as pl

        files = [file for file in self.files(name, version) if file not in without]
        sizes = self._sizes(name) if files else {}
        if damaged := [file for file in files if sizes.get(file.name) != file.bytes]:
            raise StoreError(_damage(self.folder(name), damaged))
        if not files:
            empty = pl.LazyFrame(schema=pl.Schema(TABLES[name]))
            return empty.with_columns(path=pl.lit(None, pl.String), row=pl.lit(None, pl.UInt32))
        return pl.concat(
            scan_file(uri, TABLES[name]).with_columns(path=pl.lit(uri))
            for uri in (f"{self.folder(name)}/{file.name}" for file in files)
        )

    def files(self, name: str, version: int | None = None) -> list[DataFile]:
        """The files of a table, sorted by name."""
        return self._files(name, version, [("path", "ascending")])

    def files_by_age(self, name: str) -> list[DataFile]:
        """The same, those that were committed first before the others."""
        return self._files(name, None, [("modification_time", "ascending"), ("path", "ascending")])

    def _files(
        self, name: str, version: int | None, order: list[tuple[str, str]]
    ) -> list[DataFile]:
        table = self._open(name, version)
        if table is None:
            return []
        actions = pa.table(table.get_add_actions()).sort_by(order)
        columns = (actions[field].to_pylist() for field in ("path", "num_records", "size_bytes"))
        # Delta quotes special characters in paths; the names of our files have none.
        return [DataFile(*row) for row in zip(*columns, strict=True)]

    def damaged(self, name: str) -> list[DataFile]:
        """Files of a table that are missing, were torn, or are no Parquet files any more."""
        files = self.files(name)
        sizes = self._sizes(name) if files else {}
        return [
            file
            for file in files
            if sizes.get(file.name) != file.bytes or not self._is_sound(name, file)
        ]

    def _sizes(self, name: str) -> dict[str, int]:
        """Of each file in a table's folder: one listing, in place of a request a file."""
        below = self._store.walk(f"{self._key}/{name}")
        sizes = {entry.key.rpartition("/")[2]: entry.bytes for entry in below}
        if not sizes:
            raise StoreUnavailableError(f"{self.folder(name)} is not there now")
        return sizes

    def _is_sound(self, name: str, file: DataFile) -> bool:
        try:
            read_table(f"{self.folder(name)}/{file.name}")
        except pa.ArrowInvalid:
            return False
        except OSError as error:
            if error.errno is None:  # Arrow's word for content that it cannot read
                return False
            raise StoreUnavailableError(f"{file.name} cannot be read now: {error}") from error
        return True

    def create(self) -> None:
        """Makes the tables that are not there. StoreError where nothing can be written."""
        for name in TABLES:
            self.writing(name, partial(self._create, name))

    def _create(self, name: str) -> None:
        if self._open(name) is None:
            DeltaTable.create(
                self.folder(name),
                schema=TABLES[name],
                mode="ignore",
                configuration={"stillhouse.format": str(FORMAT), **LOG_CONFIGURATION},
                raise_if_key_not_exists=False,
                storage_options=storage_options(self.root),
            )

    def writing(self, name: str, act: Callable[[], Result]) -> Result:
        """`act()`; BusyError or StoreUnavailableError for what Delta says about it."""
        try:
            return act()
        except CommitFailedError as error:
            raise BusyError(
                f"pool {self.name}: another writer has taken over ({_plain(error)})"
            ) from error
        except (DeltaError, OSError) as error:
            refused = any(word in str(error) for word in REFUSED)
            kind = StoreError if refused else StoreUnavailableError
            raise kind(f"{self.folder(name)} cannot be written now: {_plain(error)}") from error

    def table(self, name: str, version: int | None = None) -> DeltaTable:
        """A table as it is now, or was. Raises what delta-rs raises."""
        options = storage_options(self.root)
        return DeltaTable(self.folder(name), version=version, storage_options=options)

    def _open(self, name: str, version: int | None = None) -> DeltaTable | None:
        try:
            table = self.table(name, version)
        except TableNotFoundError as error:
            if version is None:
                return None
            raise StoreError(
                f"table {self.folder(name)} does not know its version {version} any more; put its "
                "log back from a copy"
            ) from error
        except (DeltaError, OSError) as error:
            self.assert_answers()
            raise StoreError(
                f"table {self.folder(name)} cannot be read: {_plain(error)}"
            ) from error
        self._check_format(table, name)
        return table

    def assert_answers(self) -> None:
        """StoreUnavailableError where the store is out, StoreError where it refuses: then what
        could not be read is not to blame."""
        self._store.size(f"{self._key}/writer.json")

    def _check_format(self, table: DeltaTable, name: str) -> None:
        found = int(table.metadata().configuration.get("stillhouse.format", "0"))
        if found > FORMAT:
            raise StoreError(
                f"table {self.folder(name)} has format {found}, this version of Stillhouse reads "
                f"up to {FORMAT}: use a newer one"
            )


@contextmanager
def reading(pool: Pool) -> Iterator[None]:
    """Turns what Polars says of a file that it cannot read into a StoreError, which is a
    StoreUnavailableError where the store is out."""
    import polars as pl

    try:
        yield
    except (pl.exceptions.PolarsError, OSError) as error:
        pool.assert_answers()
        if pool.root.startswith(S3) and _is_network(error):
            raise StoreUnavailableError(
                f"pool {pool.root} could not be read: {_plain(error)}"
            ) from error
        raise StoreError(
            f"a file of pool {pool.root} cannot be read: {_plain(error)}. {MEND}"
        ) from error


def _is_network(error: Exception) -> bool:
    return isinstance(error, OSError) and not isinstance(error, FileNotFoundError)


def _plain(error: Exception) -> str:
    """In one line, without colours."""
    return " ".join(ESCAPE.sub("", str(error)).replace("↳", "").split())


def _damage(folder: str, damaged: Sequence[DataFile]) -> str:
    names = ", ".join(file.name for file in damaged[:3])
    rows = sum(file.rows for file in damaged)
    return (
        f"{len(damaged)} files of {folder} are missing or torn, with {rows:,} rows: {names}"
        f"{', …' if len(damaged) > 3 else ''}. {MEND}"
    )
