"""Sweep: deletes garbage that was marked long enough ago, so that whatever is at work, or stopped
for a day and goes on then, loses nothing that it could commit.

- A file of a pool is deleted under the pool's writer lease, after an empty commit of the lease's
  epoch: no older writer can commit it any more, and a newer one gives its files other names.
- A claimed number is taken by an empty manifest before its files go: who claimed it and comes back
  finds his commit refused. It is used up then.
- An old version loses its manifest first. A rollback claims before it looks for the manifest; here
  claims are looked for after it is gone. One of both sees the other.
- A build whose staging is swept ends with an error before it commits, and is done again.

So the day is for readers: of an older version of a table, or of a version.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from infra.catalog import CLAIM, MANIFEST, Catalog, claimant
from infra.lease import WriterLease, writing
from infra.pool import Pool
from infra.pool_writer import PoolWriter
from infra.store import Store
from jobs.garbage import (
    CLAIMED,
    OLD,
    STAGING,
    Found,
    Garbage,
    Kept,
    collected,
    cuts_of,
    is_collected,
    retained,
    survey_pool,
)
from jobs.marks import Mark
from schemas.errors import BusyError

AT_ONCE = 500
"""Files of a pool; the lease is looked at between."""


@dataclass
class Swept:
    """What came of it."""

    garbage: list[Garbage] = field(default_factory=list)
    stays: dict[str, str] = field(default_factory=dict)
    """What was due and was not deleted, and why."""

    @cached_property
    def keys(self) -> set[str]:
        """Of the garbage; to be asked at the end."""
        return {one.key for one in self.garbage}


SILENT_S: Final = 120.0
"""A writer that does not beat for so long is gone: nothing is in a hurry here, and a beat may hang
for the time that a server is given to answer."""


class Sweep:
    """Of one `gc`, with the marks of the ones before."""

    def __init__(
        self, store: Store, keep: int | None, marks: Mapping[str, Mark], now: float, wait_s: float
    ) -> None:
        self._store = store
        self._keep = keep
        self._marks = marks
        self._now = now
        self._wait_s = wait_s
        self._kept: dict[str, Kept] = {}
        self._names: dict[str, set[str]] = {}
        """Of a committed version, by its key: whose folders its files lie in."""
        self.swept = Swept()

    def is_due(self, garbage: Garbage) -> bool:
        """Whether it was marked long enough ago, and nobody has touched it since."""
        mark = self._marks.get(garbage.key)
        return mark is not None and mark.holds(garbage) and self._now - mark.at >= self._wait_s

    def run(self, garbage: Sequence[Garbage]) -> None:
        """Deletes what is due. StoreUnavailableError where the store does not answer; then the next
        one goes on."""
        due = [one for one in garbage if self.is_due(one)]
        for kept in retained(self._store, self._keep):
            self._kept[kept.catalog.root] = kept
            for version, manifest in {**kept.retained, **kept.old}.items():
                names = {file.version for file in manifest.files if file.version}
                self._names[kept.catalog.key(version, MANIFEST)] = names
        # The newest first: its files may lie in the folders of older ones.
        for one in sorted(due, key=_newest_first):
            if not one.key.startswith("pools/"):
                self._sweep(one)
        pools = {one.key.split("/")[1] for one in due if one.key.startswith("pools/")}
        for pool in sorted(pools):
            try:
                self._sweep_pool(pool)
            except BusyError as error:
                self.swept.stays[f"pools/{pool}"] = str(error)

    def _sweep(self, one: Garbage) -> None:
        root, _, version = one.key.rpartition("/versions/")
        if one.kind == OLD:
            why = self._sweep_version(self._kept[root], version, one)
        elif one.kind == CLAIMED:
            why = self._sweep_claimed(self._kept[root].catalog, version, one)
        else:
            why = self._sweep_files(one)
        if why is None:
            self.swept.garbage.append(one)
        else:
            self.swept.stays[one.key] = why

    def _sweep_files(self, one: Garbage) -> str | None:
        """Deletes them, unless there are more by now; null, or why not."""
        if one.kind == STAGING:
            there = Garbage(one.key, STAGING, tuple(self._store.walk(one.key)) or one.files)
            if not self._marks[one.key].holds(there):
                return "somebody writes there"
        self._store.delete([file.key for file in one.files])
        return None

    def _sweep_version(self, kept: Kept, version: str, one: Garbage) -> str | None:
        if version not in kept.old:
            return "it is retained by now"
        catalog, digest = kept.catalog, kept.old[version].content_digest
        manifest, claim = (catalog.key(version, path) for path in (MANIFEST, CLAIM))
        if (newer := self._named_by(catalog, version, digest)) is not None:
            return f"{newer} names it"
        self._store.delete([manifest])
        del self._names[manifest]
        if (newer := self._named_by(catalog, version, digest)) is not None:
            return f"{newer} names its files by now; its manifest is gone"
        self._store.delete([file.key for file in one.files if file.key not in (manifest, claim)])
        self._store.delete([claim])
        return None

    def _named_by(self, catalog: Catalog, version: str, digest: str | None) -> str | None:
        """A newer number that is claimed for the version's content, or whose files lie with it."""
        for other in catalog.numbered():
            if int(other[1:]) > int(version[1:]) and self._names_it(
                catalog, other, version, digest
            ):
                return other
        return None

    def _names_it(self, catalog: Catalog, other: str, version: str, digest: str | None) -> bool:
        manifest = catalog.key(other, MANIFEST)
        if manifest not in self._names:
            content = self._store.get(manifest)
            if content is None:
                claim = claimant(self._store.get(catalog.key(other, CLAIM)))
                return claim is not None and claim == digest
            if not content:
                return False  # taken by a `gc`
            files = catalog.manifest(other).files
            self._names[manifest] = {file.version for file in files if file.version}
        return version in self._names[manifest]

    def _sweep_claimed(self, catalog: Catalog, version: str, one: Garbage) -> str | None:
        claim, manifest = (catalog.key(version, path) for path in (CLAIM, MANIFEST))
        content = self._store.get(claim)
        if (newer := self._named_by(catalog, version, claimant(content))) is not None:
            return f"{newer} names its files"
        if not is_collected(content) and not self._store.replace_if(
            claim, collected(content), expected=content
        ):
            return "its claim was withdrawn"
        if not self._store.put_if_absent(manifest, b"") and self._store.size(manifest):
            return "it was committed by now"
        if not is_collected(self._store.get(claim)):
            self._store.delete([manifest])  # withdrawn meanwhile: the number is not ours to take
            return "its claim was withdrawn"
        # Only what was seen: what comes now is its claimant's, and the next one's to find.
        self._store.delete([file.key for file in one.files if file.key not in (claim, manifest)])
        return None

    def _sweep_pool(self, name: str) -> None:
        """BusyError where somebody else writes to it."""
        lease = WriterLease.acquire(self._store, writing(name), "gc", silent_s=SILENT_S)
        try:
            found = self._survey_pool(name)
            if not found.left_alone:
                # From here on no older writer can commit what is not committed.
                PoolWriter(Pool(self._store.uri(f"pools/{name}")), lease.epoch)
                found = self._survey_pool(name)
            due = [one for one in found.garbage if self.is_due(one)]
            for start in range(0, len(due), AT_ONCE):
                lease.check()
                some = due[start : start + AT_ONCE]
                self._store.delete([one.key for one in some])
                self.swept.garbage += some
        finally:
            lease.release()

    def _survey_pool(self, name: str) -> Found:
        found = Found()
        survey_pool(self._store, name, cuts_of(retained(self._store, self._keep), name), found)
        return found


def _newest_first(garbage: Garbage) -> tuple[str, int]:
    folder, _, name = garbage.key.rpartition("/")
    return folder, -int(name[1:]) if garbage.kind in (OLD, CLAIMED) else 0
