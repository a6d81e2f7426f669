"""What a version says came, went and changed, against it and the version that it was compared with.

A range of prompts at a time, as it was written. That other version may be gone by now, or damaged:
then what is said of this one alone is looked at, and the rest is remarked.
"""

from collections import Counter
from collections.abc import Callable, Iterator

import polars as pl

from infra.changes import changes_between
from infra.version import Version
from jobs.changes import SINCE, outputs_of_both
from schemas.changes import DROPPED
from schemas.errors import VersionError

Say = Callable[[str], None]


def problems_of_changes(version: Version, show: Say, remark: Say) -> Iterator[str]:
    """What is wrong with the changes of a version whose files are what its manifest says; what
    cannot be asked is remarked."""
    known = version.manifest.changes
    if not known:
        return  # it is from before there were changes
    try:
        said = version.scan_changes()
    except VersionError as error:
        yield f"manifest.json: has changes, but {error}"
        return
    yield from _wrong_counts(version, said)
    try:
        before = _before(version)
    except VersionError as error:
        remark(f"of changes.parquet only what it says of {version.name} was looked at: {error}")
        yield from _wrong_here(version, said)
        return
    for output in outputs_of_both(before, version):
        yield from _wrong_rows(before, version, output, said)
        show(f"changes of {output}")


def _before(version: Version) -> Version | None:
    """The version that it was compared with, whose data files are all there."""
    since = version.manifest.changes[SINCE]
    if since is None:
        return None
    before = Version(version.catalog.manifest(since), version.catalog)
    for output in before.manifest.rows:
        before.files(output, None)
    return before


def _wrong_counts(version: Version, said: pl.LazyFrame) -> Iterator[str]:
    counts: dict[str, Counter[str]] = {}
    for output, change, rows in said.group_by("output", "change").len().collect().iter_rows():
        counts.setdefault(output, Counter())[change] += rows
    told = {name: own for name, own in version.manifest.changes.items() if name != SINCE}
    for output in sorted(counts.keys() | told.keys()):
        found = counts.get(output, Counter())
        if Counter(told.get(output)) != found:
            yield (
                f"manifest.json: has {told.get(output)} for the changes of {output}, "
                f"changes.parquet {dict(found)}"
            )


def _wrong_rows(
    before: Version | None, version: Version, output: str, said: pl.LazyFrame
) -> Iterator[str]:
    """The first of an output that the two versions do not give."""
    own, start = said.filter(pl.col("output") == output), 0
    for wanted in changes_between(before, version, output):
        found = own.slice(start, wanted.height).collect()
        start += wanted.height
        if not found.equals(wanted):
            same = min(found.height, wanted.height)
            at = next((n for n in range(same) if found.row(n) != wanted.row(n)), same)
            row = f"row {start - wanted.height + at}"
            yield (
                f"changes.parquet: from {row} of {output} on it is not what the two versions give: "
                f"{_row(found, at)} instead of {_row(wanted, at)}"
            )
            return
    if own.slice(start, 1).collect().height:
        yield f"changes.parquet: has more rows of {output} than the two versions give"


def _row(rows: pl.DataFrame, number: int) -> str:
    """The id, and what is said of it."""
    if number == rows.height:
        return "nothing"
    row = rows.row(number, named=True)
    return f"{row['id']} {row['change']}"


def _wrong_here(version: Version, said: pl.LazyFrame) -> Iterator[str]:
    """What did not go is a row, and what went is none."""
    for output in outputs_of_both(None, version):
        own = said.filter(pl.col("output") == output)
        every = version.scan(output, None).select("id")
        gone = pl.col("change") == DROPPED
        checks = (
            ("that are not in it", own.filter(~gone).join(every, on="id", how="anti")),
            ("as dropped that are in it", own.filter(gone).join(every, on="id", how="semi")),
        )
        for what, wrong in checks:
            found = wrong.select("id").collect(engine="streaming")
            if found.height:
                yield (
                    f"changes.parquet: has {found.height:,} rows of {output} {what}; one is "
                    f"{found['id'].sort()[0]}"
                )
