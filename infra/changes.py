"""What came, went, or is there with other content between two versions, by ids and hashes.

Every column of a row counts but its texts, which follow from digests that are among the others. Of
each of these columns a row is a hash of 64 bits, so that memory does not depend on what rows say.
That two contents may have the same hash does not matter: only hashes of one column of one id are
compared, so that one change in 2^64 would be missed, however many rows there are.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import polars as pl

from infra.version import Version, split_of
from schemas.changes import ADDED, CHANGED, DROPPED
from schemas.errors import VersionError
from schemas.identity import prompt_bounds
from schemas.outputs import TEXTS

ROWS_AT_ONCE: Final = 250_000
"""Of each version. Rows are in the order of their prompts, so that a row group is read once or
twice, however many ranges of prompts there are."""
LAST: Final = "\U0010ffff"
"""Behind every id."""
BEFORE: Final = " before"
KEYS: Final = {"id": pl.String(), "prompt_id": pl.String(), "split": pl.String()}


def changes_between(before: Version | None, after: Version, output: str) -> Iterator[pl.DataFrame]:
    """Rows of `CHANGES`, in their order and a range of prompts at a time. All are added where there
    is no version before, or that does not have the output. VersionError where one of them cannot be
    read."""
    old, new = _Rows.of(before, output), _Rows.of(after, output)
    bounds = ["", *prompt_bounds(-(-max(old.count, new.count) // ROWS_AT_ONCE)), LAST]
    for first, end in pairwise(bounds):
        yield _compared(old, new, first, end).select(pl.lit(output).alias("output"), pl.all())


@dataclass(frozen=True)
class _Rows:
    """The rows of an output of a version: keys, and a hash of every other column."""

    name: str
    """The version's."""
    count: int
    lazy: pl.LazyFrame
    columns: dict[str, object]
    """Whose hashes they are, with the types that they have."""

    @classmethod
    def of(cls, version: Version | None, output: str) -> "_Rows":
        if version is None or output not in version.manifest.rows:
            return cls("", 0, pl.LazyFrame(schema=KEYS), {})
        own = (file for file in version.manifest.files if file.path.startswith(f"{output}/"))
        splits = sorted({split_of(file) for file in own})
        scans = {split: version.scan(output, split) for split in splits}
        with _reading(version.name):
            schema = next(iter(scans.values())).collect_schema()
        columns = dict(_columns(schema))
        lazy = pl.concat(
            scan.select(
                "id",
                "prompt_id",
                pl.lit(split).alias("split"),
                *(_value(name).hash().alias(name) for name in columns),
            )
            for split, scan in scans.items()
        )
        return cls(version.name, version.manifest.rows[output], lazy, columns)

    def between(self, first: str, end: str) -> pl.DataFrame:
        """Those of a range of prompts."""
        within = pl.col("prompt_id").is_between(pl.lit(first), pl.lit(end), closed="left")
        with _reading(self.name):
            return self.lazy.filter(within).collect(engine="streaming")


def _columns(schema: pl.Schema) -> Iterator[tuple[str, object]]:
    """What is hashed as one, with its type: columns, and the scorers of `scores`."""
    for name, dtype in schema.items():
        if name == "scores" and isinstance(dtype, pl.Struct):
            yield from ((f"scores.{one.name}", one.dtype) for one in dtype.fields)
        elif name not in KEYS and name not in TEXTS:
            yield name, dtype


def _value(name: str) -> pl.Expr:
    column, _, scorer = name.partition(".")
    return pl.col(column).struct.field(scorer) if column == "scores" and scorer else pl.col(name)


def _compared(old: _Rows, new: _Rows, first: str, end: str) -> pl.DataFrame:
    rows = new.between(first, end).join(old.between(first, end), on="id", how="full", suffix=BEFORE)
    came, went = pl.col(f"id{BEFORE}").is_null(), pl.col("id").is_null()
    names = [*dict.fromkeys((*new.columns, *old.columns))]
    differs = {name: _differs(name, old, new) for name in names}
    differs["split"] = pl.col("split") != pl.col(f"split{BEFORE}")
    change = pl.when(came).then(pl.lit(ADDED)).when(went).then(pl.lit(DROPPED))
    which = [pl.when(one).then(pl.lit(name)) for name, one in differs.items()]
    return (
        rows.filter(came | went | pl.any_horizontal(differs.values()))
        .select(
            *(pl.coalesce(name, f"{name}{BEFORE}") for name in ("split", "id", "prompt_id")),
            change=change.otherwise(pl.lit(CHANGED)),
            columns=pl.when(~came & ~went).then(pl.concat_list(which).list.drop_nulls()),
        )
        .sort("prompt_id", "id")
    )


def _differs(name: str, old: _Rows, new: _Rows) -> pl.Expr:
    """Of rows that both have."""
    if old.columns.get(name) != new.columns.get(name):
        return pl.lit(value=True)
    return pl.col(name) != pl.col(f"{name}{BEFORE}")


@contextmanager
def _reading(name: str) -> Iterator[None]:
    try:
        yield
    except (pl.exceptions.PolarsError, OSError) as error:
        raise VersionError(
            f"{name} cannot be read: {error}; `stillhouse verify {name}` tells what is wrong"
        ) from error
