"""Where the prompts of a pool lie, and what samples are judged by of them, in 32 bytes each."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import polars as pl

from infra.data_file import scan_file
from infra.pool import Pool, reading
from infra.rewriting import rows_at
from schemas.arrow import PROMPTS
from schemas.errors import StoreError, StoreUnavailableError

SCHEMA: Mapping[str, Any] = {
    "prompt_id": pl.UInt64(),
    "reference_id": pl.UInt64(),
    "domain": pl.String(),
    "source": pl.String(),
    "prompt_file": pl.String(),
    "prompt_row": pl.UInt32(),
}


class Finding(NamedTuple):
    """A file that could not be read, and why; its rows are not counted."""

    file: str
    reason: str


class PromptIndex:
    """Each file of the prompts table is read once, without its texts."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self._read: set[str] = set()
        self._prompts = pl.DataFrame(schema=SCHEMA)
        self.findings: list[Finding] = []

    def look(self) -> None:
        """Takes in what came since."""
        self.findings = []
        for file in self.pool.files_by_age("prompts"):
            if file.name in self._read:
                continue
            uri = f"{self.pool.folder('prompts')}/{file.name}"
            try:
                with reading(self.pool):
                    rows = self._scan(uri).collect()
            except StoreUnavailableError:
                raise
            except StoreError as error:
                self.findings.append(Finding(f"prompts/{file.name}", str(error)))
                continue
            self._read.add(file.name)
            # A prompt whose reference was corrected is there twice; the newer one holds.
            both = pl.concat([self._prompts, rows])
            self._prompts = both.unique("prompt_id", keep="last", maintain_order=True)

    def joined(self, samples: pl.DataFrame) -> pl.DataFrame:
        """Samples with hashed `prompt_id` and what is known of their prompts."""
        return samples.join(self._prompts, on="prompt_id", how="left", maintain_order="left")

    def text(self, uri: str, row: int) -> dict[str, Any]:
        """`messages` and `reference` of the prompt that lies there."""
        (table,) = rows_at(uri, {row}, ["messages", "reference"])
        found: dict[str, Any] = table.to_pylist()[0]
        return found

    def _scan(self, uri: str) -> pl.LazyFrame:
        return scan_file(uri, PROMPTS).select(
            prompt_id=hashed("prompt_id"),
            reference_id=hashed("reference_id"),
            domain="domain",
            source="source",
            prompt_file=pl.lit(uri),
            prompt_row="row",
        )


def hashed(column: str) -> pl.Expr:
    """An identity as a number of eight bytes; what is null stays so. Among a hundred million two
    are the same with a probability of one in four thousand."""
    return pl.when(pl.col(column).is_not_null()).then(pl.col(column).hash()).alias(column)
