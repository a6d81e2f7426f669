"""Changes: what a version has that the one before it had not, and the other way round, as a file.

It is against the newest version with a smaller number that can be read while this one is
published, which `since` names: mostly the one before. Where two are published at the same time, the
slower one may not have seen the other; where the one before is damaged, it is an older one, and
without any that can be read, all rows are added. Whoever has another version than that compares the
two himself (`Version.changes(since=…)`).
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import polars as pl
import pyarrow.parquet as pq

from infra.catalog import CHANGES_FILE, Catalog, number_of
from infra.changes import changes_between
from infra.checksum import file_sha256
from infra.version import Version
from schemas.changes import CHANGES, FEW_VALUES, KINDS
from schemas.errors import StoreUnavailableError, VersionError
from schemas.manifest import File, Manifest

SINCE: Final = "since"
Counts = dict[str, Counter[str]]


def with_changes(catalog: Catalog, manifest: Manifest) -> Manifest:
    """A claimed version, whose data files are all in their places, with its changes, which are
    written. VersionError where it cannot be read itself."""
    numbers = reversed(catalog.numbered())
    older = (one for one in numbers if number_of(one) < number_of(manifest.version))
    for since in filter(catalog.committed, older):
        try:
            before = Version(catalog.manifest(since), catalog)
            return _with_changes(catalog, manifest, before)
        except VersionError:
            catalog.store.probe()  # where the store is out nothing can be read, and nothing is said
    return _with_changes(catalog, manifest, None)


def _with_changes(catalog: Catalog, manifest: Manifest, before: Version | None) -> Manifest:
    after = Version(manifest, catalog)
    counts: Counts = {name: Counter() for name in outputs_of_both(before, after)}
    with catalog.store.new_file(catalog.key(manifest.version, CHANGES_FILE)) as path:
        _write(path, _counted(_every(before, after), counts))
        sha256, size = file_sha256(path), path.stat().st_size
    file = File(path=CHANGES_FILE, bytes=size, sha256=sha256)
    facts = {name: {kind: own[kind] for kind in KINDS} for name, own in counts.items()}
    since = before.manifest.version if before is not None else None
    return manifest.model_copy(
        update={"files": (*manifest.files, file), "changes": {SINCE: since, **facts}}
    )


def outputs_of_both(before: Version | None, after: Version) -> list[str]:
    """Of either version, sorted."""
    return sorted({*after.manifest.rows, *(before.manifest.rows if before is not None else ())})


def _every(before: Version | None, after: Version) -> Iterator[pl.DataFrame]:
    for output in outputs_of_both(before, after):
        yield from changes_between(before, after, output)


def _counted(frames: Iterable[pl.DataFrame], counts: Counts) -> Iterator[pl.DataFrame]:
    for frame in frames:
        for output, change, rows in frame.group_by("output", "change").len().iter_rows():
            counts[output][change] += rows
        yield frame


def _write(path: Path, frames: Iterable[pl.DataFrame]) -> None:
    """StoreUnavailableError where there is no room; what the frames raise is theirs."""
    try:
        with pq.ParquetWriter(
            path, CHANGES, compression="zstd", use_dictionary=list(FEW_VALUES)
        ) as writer:
            for frame in frames:
                if frame.height:
                    writer.write_table(frame.to_arrow().cast(CHANGES))
    except OSError as error:
        raise StoreUnavailableError(f"{path} cannot be written now: {error}") from error


def text_of_changes(manifest: Manifest) -> str:
    """What is different, for people, output by output; nothing where it is not said, or the version
    is the first one."""
    return _text(manifest, "against {}: ", "{:,} rows added, {:,} dropped, {:,} changed", " of {}")


def short_text_of_changes(manifest: Manifest) -> str:
    """The same for a cell of a table."""
    return _text(manifest, "{}: ", "+{:,} -{:,} ~{:,}", " {}")


def _text(manifest: Manifest, head: str, counts: str, tail: str) -> str:
    since = manifest.changes.get(SINCE)
    if since is None:
        return ""
    every = {name: own for name, own in manifest.changes.items() if name != SINCE}
    tail = "" if [*every] == ["sft"] else tail
    texts = [
        counts.format(*(own[kind] for kind in KINDS)) + tail.format(name)
        for name, own in every.items()
    ]
    return head.format(since) + "; ".join(texts)
