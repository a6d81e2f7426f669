"""A published version for its readers: what its manifest names, and nothing else. Needs no Ray, no
pool and no recipe."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from infra.catalog import Catalog
from infra.store import open_store, open_uri
from schemas.errors import VersionError
from schemas.manifest import File, Manifest

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

    def files(self, output: str = "sft") -> list[str]:
        """Where the data files of an output lie, in the order of their rows: paths, or `s3://…`.
        VersionError where there is no such output, or a file is missing or was cut."""
        found = [file for file in self.manifest.files if file.path.startswith(f"{output}/")]
        if not found:
            known = ", ".join(self.manifest.rows)
            raise VersionError(f"{self.name} has no output {output!r}; it has {known}")
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

    def scan(self, output: str = "sft") -> "pl.LazyFrame":
        """Its rows, read as far as they are asked for. Raises as `files`."""
        import polars as pl

        options = self.catalog.store.storage_options()
        return pl.scan_parquet(self.files(output), glob=False, storage_options=options)

    def arrow(self, output: str = "sft") -> "pa.Table":
        """Its rows in memory. Raises as `files`."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        tables = []
        for uri in self.files(output):
            with open_uri(uri) as file:
                tables.append(pq.read_table(file))
        return pa.concat_tables(tables)

    def pandas(self, output: str = "sft") -> "pd.DataFrame":
        """Its rows in memory. Raises as `files`."""
        return self.arrow(output).to_pandas()


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
