"""A published version for its readers: what its manifest names, and nothing else. Needs no Ray, no
pool and no recipe."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from infra.catalog import CHANGES_FILE, Catalog
from infra.store import open_store
from schemas.changes import KINDS, Change
from schemas.errors import VersionError
from schemas.manifest import File, Manifest
from schemas.recipe import TRAIN

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

LATEST = "latest"


@dataclass(frozen=True)
class Version:
    """A version that is committed; its files are looked at when they are read."""

    manifest: Manifest
    catalog: Catalog

    @property
    def name(self) -> str:
        """`<dataset>@<version>`."""
        return f"{self.manifest.name}@{self.manifest.version}"

    @property
    def location(self) -> str:
        """Where its manifest, and what was written for it, lies: a folder, or `s3://…`."""
        return self.catalog.location(self.manifest.version)

    def uri(self, file: File) -> str:
        """Where a file of it lies."""
        return self.catalog.store.uri(self.catalog.file_key(self.manifest, file))

    def files(self, output: str = "sft", split: str | None = TRAIN) -> list[str]:
        """Where the data files of an output and a split (null: of all) lie, in the order of their
        rows: paths, or `s3://…`. VersionError where there are none, or one is missing or was
        cut."""
        every = [file for file in self.manifest.files if file.path.startswith(f"{output}/")]
        found = [file for file in every if split is None or split_of(file) == split]
        if not found:
            raise VersionError(self._nothing(output, sorted({split_of(file) for file in every})))
        return [self._there(file) for file in sorted(found, key=lambda file: file.path)]

    def _there(self, file: File) -> str:
        """Where it lies. VersionError where it is missing or was cut."""
        size = self.catalog.store.size(self.catalog.file_key(self.manifest, file))
        if size != file.bytes:
            raise VersionError(
                f"{self.uri(file)} is missing"
                if size is None
                else f"{self.uri(file)} has {size} bytes, not {file.bytes}; `stillhouse verify "
                f"{self.name}` tells what else is wrong"
            )
        return self.uri(file)

    def _nothing(self, output: str, splits: list[str]) -> str:
        if splits:
            return f"{self.name} has no such split of {output!r}; it has {', '.join(splits)}"
        known = ", ".join(self.manifest.rows)
        return f"{self.name} has no output {output!r}; it has {known}"

    def scan(self, output: str = "sft", split: str | None = TRAIN) -> "pl.LazyFrame":
        """Its rows, read when they are asked for. Raises as `files`."""
        return self._scan(self.files(output, split))

    def _scan(self, files: list[str]) -> "pl.LazyFrame":
        import polars as pl

        options = self.catalog.store.storage_options()
        return pl.scan_parquet(files, glob=False, storage_options=options)

    def changes(
        self, output: str = "sft", change: Change | None = None, since: str | None = None
    ) -> "pl.LazyFrame":
        """The ids of an output that came, went, or are there with other content (or one of these)
        since a version: the one that `manifest.changes["since"]` names, or `since`, such as
        `v0003`, which both versions are read for if it is another one. A row is one of
        `schemas.changes.CHANGES`.

        VersionError where neither version has the output, one cannot be read, or this one is from
        before there were changes and no `since` is given.
        """
        import polars as pl

        if change is not None and change not in KINDS:
            raise VersionError(f"{change!r} is no kind of change; there are {', '.join(KINDS)}")
        known = self.manifest.changes
        if since is not None and since != known.get("since"):
            rows = self._changes_since(output, since)
        elif not known:
            raise VersionError(
                f"{self.name} was published before versions had changes; name a version to compare "
                "it with, such as changes(since='v0001')"
            )
        elif output not in known:
            raise VersionError(self._nothing(output, []))
        else:
            rows = self.scan_changes().filter(pl.col("output") == output)
        return rows if change is None else rows.filter(pl.col("change") == change)

    def scan_changes(self) -> "pl.LazyFrame":
        """What `changes.parquet` says. VersionError where it is missing or was cut."""
        for file in self.manifest.files:
            if file.path == CHANGES_FILE:
                return self._scan([self._there(file)])
        raise VersionError(f"{self.name} has no {CHANGES_FILE}")

    def _changes_since(self, output: str, since: str) -> "pl.LazyFrame":
        import polars as pl

        from infra.changes import changes_between

        before = Version(self.catalog.manifest(since), self.catalog)
        if output not in {**self.manifest.rows, **before.manifest.rows}:
            raise VersionError(self._nothing(output, []))
        return pl.concat(changes_between(before, self, output)).lazy()

    def arrow(self, output: str = "sft", split: str | None = TRAIN) -> "pa.Table":
        """Its rows in memory. Raises as `files`."""
        import pyarrow as pa

        from infra.parquet import read_table

        return pa.concat_tables(map(read_table, self.files(output, split)))

    def pandas(self, output: str = "sft", split: str | None = TRAIN) -> "pd.DataFrame":
        """Its rows in memory. Raises as `files`."""
        return self.arrow(output, split).to_pandas()


def split_of(file: File) -> str:
    """The split that a data file is of, by its name."""
    return file.path.rpartition("/")[2].partition("-")[0]


def open_version(name: str, store: str | Path = "store") -> Version:
    """The version `<dataset>@<version>` of a store, which is a folder or `s3://bucket/prefix`;
    `@latest`, or nothing, is the newest. VersionError where there is none, or its manifest cannot
    be trusted; StoreError where the store refuses, StoreUnavailableError where it is out."""
    dataset, _, version = name.partition("@")
    catalog = Catalog(open_store(store), dataset)
    if version not in ("", LATEST):
        return Version(catalog.manifest(version), catalog)
    latest = catalog.latest()
    if latest is None:
        raise VersionError(f"{dataset} has no published version in {catalog.store.url}")
    return Version(latest, catalog)
