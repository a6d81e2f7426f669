"""A published version for its readers: what its manifest names, and nothing else. Needs no Ray, no
pool and no recipe."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from infra.catalog import Catalog
from infra.store import FolderStore
from schemas.errors import VersionError
from schemas.manifest import Manifest

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
    def folder(self) -> Path:
        """Where its files lie."""
        return self.catalog.folder(self.manifest.version)

    def files(self, output: str = "sft") -> list[Path]:
        """The data files of an output, in the order of their rows. VersionError where there is no
        such output, or a file is missing or was cut."""
        found = [file for file in self.manifest.files if file.path.startswith(f"{output}/")]
        if not found:
            known = ", ".join(self.manifest.rows)
            raise VersionError(f"{self.name} has no output {output!r}; it has {known}")
        for file in found:
            path = self.folder / file.path
            bytes_there = path.stat().st_size if path.is_file() else None
            if bytes_there != file.bytes:
                raise VersionError(
                    f"{path} has {bytes_there} bytes, not {file.bytes}; `stillhouse verify "
                    f"{self.name}` tells what else is wrong"
                    if bytes_there is not None
                    else f"{path} is missing"
                )
        return [self.folder / file.path for file in sorted(found, key=lambda file: file.path)]

    def scan(self, output: str = "sft") -> "pl.LazyFrame":
        """Its rows, read as far as they are asked for. Raises as `files`."""
        import polars as pl

        return pl.scan_parquet(self.files(output), glob=False)

    def arrow(self, output: str = "sft") -> "pa.Table":
        """Its rows in memory. Raises as `files`."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        return pa.concat_tables(pq.read_table(path) for path in self.files(output))

    def pandas(self, output: str = "sft") -> "pd.DataFrame":
        """Its rows in memory. Raises as `files`."""
        return self.arrow(output).to_pandas()


def open_version(name: str, store: str | Path = "store") -> Version:
    """The version `<dataset>@<version>` of a store; `@latest`, or nothing, is the newest.
    VersionError where there is none, or its manifest cannot be trusted."""
    dataset, _, version = name.partition("@")
    catalog = Catalog(FolderStore(store), dataset)
    if version not in ("", LATEST):
        return Version(catalog.manifest(version), catalog)
    latest = catalog.latest()
    if latest is None:
        raise VersionError(f"{dataset} has no published version in {FolderStore(store).root}")
    return Version(latest, catalog)
