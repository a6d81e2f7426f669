"""A published version for its readers: what its manifest names, and nothing else. Needs no Ray, no
pool and no recipe."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from infra.catalog import Catalog
from infra.store import open_store, open_uri
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
        for file in found:
            size = self.catalog.store.size(self.catalog.file_key(self.manifest, file))
            if size != file.bytes:
                raise VersionError(
                    f"{self.uri(file)} is missing"
                    if size is None
                    else f"{self.uri(file)} has {size} bytes, not {file.bytes}; `stillhouse verify "
                    f"{self.name}` tells what else is wrong"
                )
        return [self.uri(file) for file in sorted(found, key=lambda file: file.path)]

    def _nothing(self, output: str, splits: list[str]) -> str:
        if splits:
            return f"{self.name} has no such split of {output!r}; it has {', '.join(splits)}"
        known = ", ".join(self.manifest.rows)
        return f"{self.name} has no output {output!r}; it has {known}"

    def scan(self, output: str = "sft", split: str | None = TRAIN) -> "pl.LazyFrame":
        """Its rows, read when they are asked for. Raises as `files`."""
        import polars as pl

        options = self.catalog.store.storage_options()
        return pl.scan_parquet(self.files(output, split), glob=False, storage_options=options)

    def arrow(self, output: str = "sft", split: str | None = TRAIN) -> "pa.Table":
        """Its rows in memory. Raises as `files`."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        tables = []
        for uri in self.files(output, split):
            with open_uri(uri) as file:
                tables.append(pq.read_table(file))
        return pa.concat_tables(tables)

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
