"""Garbage: what lies in a store that nothing retained names. Only what is recognisably ours can be
garbage; other files are foreign, and listed.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from infra.catalog import CLAIM, HINT, MANIFEST, VERSION, Catalog
from infra.folder_store import TEMPORARY
from infra.pool import Pool
from infra.store import Entry, Store
from schemas.arrow import TABLES
from schemas.errors import StoreError, VersionError
from schemas.manifest import Cut, Manifest
from schemas.outputs import OUTPUTS

STAGING, CLAIMED, OLD, UNNAMED, STRAY = "staging", "claim", "version", "pool file", "temporary file"
REFUSAL = "refused report"
REFUSALS_KEPT = 10
"""Of each dataset, the newest: they are there to be looked at when a refresh was refused."""

PLACE: Final = re.compile(r"[0-9a-f]{16}")
STAGED: Final = re.compile(rf"({'|'.join(OUTPUTS)})-[a-z][a-z0-9_]*-\d{{5,}}\.parquet")
OF_VERSION: Final = re.compile(
    r"_claim\.json|manifest\.json|README\.md|report\.html|changes\.parquet|"
    rf"({'|'.join(OUTPUTS)})/[a-z][a-z0-9_]*-\d{{5,}}-of-\d{{5,}}-[0-9a-f]{{8}}\.parquet"
)
OF_TABLE: Final = re.compile(r"a\d{6,}-[\w.-]+\.parquet")
TEMPORARY_NAME: Final = re.compile(re.escape(TEMPORARY) + r".+-\d+-[0-9a-f]{8}")
OF_REFUSED: Final = re.compile(r"c1_[0-9a-f]{32}\.html")
OF_REFRESHES: Final = re.compile(r"refresh\.json|refreshes/r\d{6,}/(begun|ended)\.json")
LEFT_ALONE: Final = ("writer.json", "attempts", "prompt_lists")
"""Of a pool."""


@dataclass(frozen=True)
class Garbage:
    """What goes together, or stays."""

    key: str
    """Of the file, or the folder."""
    kind: str
    files: tuple[Entry, ...]

    @property
    def bytes(self) -> int:
        """Of all files."""
        return sum(file.bytes for file in self.files)

    @property
    def modified(self) -> float:
        """When the newest file was, by the store's clock."""
        return max(file.modified for file in self.files)


@dataclass(frozen=True)
class Kept:
    """The versions of a dataset: those that are retained, and those that are not."""

    catalog: Catalog
    retained: Mapping[str, Manifest]
    old: Mapping[str, Manifest]

    @property
    def named(self) -> set[str]:
        """Numbers whose folders the retained ones' files lie in."""
        every = (file.version for manifest in self.retained.values() for file in manifest.files)
        return {version for version in every if version}


@dataclass
class Found:
    """What there is in a store."""

    garbage: list[Garbage] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    left_alone: dict[str, str] = field(default_factory=dict)
    """Pools that cannot be looked through, and why."""
    newest: float = 0.0
    """When the newest of all files was modified: it is not earlier than that, by the store's
    clock."""

    def saw(self, every: Iterable[Entry]) -> Iterable[Entry]:
        """The entries, looked at on their way."""
        for entry in every:
            self.newest = max(self.newest, entry.modified)
            yield entry


def survey(store: Store, keep: int | None) -> Found:
    """Everything in the store that is garbage, or foreign. VersionError where a manifest cannot be
    trusted, StoreError where a table cannot be read: what they name would not be known."""
    found = Found()
    kept = retained(store, keep)
    for one in kept:
        _survey_dataset(one, found)
    for name in store.folders("pools"):
        survey_pool(store, name, cuts_of(kept, name), found)
    for top in ("datasets", "pools"):
        found.foreign += store.files(top)
    return found


def retained(store: Store, keep: int | None) -> list[Kept]:
    """Of every dataset the newest `keep` versions, or all, and the whole of those that a retained
    one's files lie in. VersionError where a manifest cannot be trusted."""
    return [_kept(Catalog(store, name), keep) for name in store.folders("datasets")]


def _kept(catalog: Catalog, keep: int | None) -> Kept:
    every = dict(_manifests(catalog))
    newest = dict(list(every.items())[-keep:]) if keep else every
    named = Kept(catalog, newest, {}).named
    stay = {v: manifest for v, manifest in every.items() if v in newest or v in named}
    return Kept(catalog, stay, {v: m for v, m in every.items() if v not in stay})


def _manifests(catalog: Catalog) -> Iterator[tuple[str, Manifest]]:
    for version in catalog.versions():
        try:
            yield version, catalog.manifest(version)
        except VersionError as error:
            if not catalog.store.size(catalog.key(version, MANIFEST)):
                continue  # another `gc` has just deleted it
            raise VersionError(
                f"{error}. What it names is not known, so that nothing is collected: put the "
                "manifest back from a copy, or take the version out of the store"
            ) from error


def cuts_of(kept: Sequence[Kept], pool: str) -> list[Cut]:
    """What retained versions, of any dataset, were made of in a pool."""
    manifests = (manifest for one in kept for manifest in one.retained.values())
    return [
        manifest.cut for manifest in manifests if manifest.recipe.get("pool", manifest.name) == pool
    ]


def _survey_dataset(kept: Kept, found: Found) -> None:
    catalog = kept.catalog
    places: dict[str, list[Entry]] = defaultdict(list)
    numbers: dict[str, dict[str, Entry]] = defaultdict(dict)
    refusals: list[Entry] = []
    for entry in found.saw(catalog.store.walk(catalog.root)):
        own = entry.key.removeprefix(f"{catalog.root}/")
        top, _, below = own.partition("/")
        folder, _, path = below.partition("/")
        if own == HINT or OF_REFRESHES.fullmatch(own):
            continue
        if top == "staging" and PLACE.fullmatch(folder) and is_ours(path, STAGED):
            places[f"{catalog.root}/staging/{folder}"].append(entry)
        elif top == "versions" and VERSION.fullmatch(folder) and path:
            numbers[folder][path] = entry
        elif top == "refused" and OF_REFUSED.fullmatch(below):
            refusals.append(entry)
        else:
            _add_file(entry, found)
    for place, there in places.items():
        found.garbage.append(Garbage(place, STAGING, tuple(there)))
    for entry in sorted(refusals, key=lambda entry: (entry.modified, entry.key))[:-REFUSALS_KEPT]:
        found.garbage.append(Garbage(entry.key, REFUSAL, (entry,)))
    for version, files in numbers.items():
        _survey_number(kept, version, files, found)


def _survey_number(kept: Kept, version: str, files: Mapping[str, Entry], found: Found) -> None:
    """The folder of a version, or of what did not become one."""
    manifest = kept.retained.get(version)
    if manifest is not None:
        own = {file.path for file in manifest.files if file.version is None} | {MANIFEST, CLAIM}
        for path in files.keys() - own:
            _add_file(files[path], found)
        return
    kind = OLD if version in kept.old else CLAIMED
    if kind == CLAIMED:
        if version in kept.named or not _is_abandoned(kept.catalog, version, files, found):
            return
        spent = (MANIFEST, CLAIM) if MANIFEST in files else ()
        files = {path: entry for path, entry in files.items() if path not in spent}
    found.foreign += [e.key for path, e in files.items() if not is_ours(path, OF_VERSION)]
    ours = tuple(entry for path, entry in files.items() if is_ours(path, OF_VERSION))
    if ours:
        found.garbage.append(Garbage(f"{kept.catalog.root}/versions/{version}", kind, ours))


def _is_abandoned(catalog: Catalog, version: str, files: Mapping[str, Entry], found: Found) -> bool:
    """Whether a number was claimed and is not committed. VersionError for an empty manifest that
    is not `gc`'s: its version was damaged, and what it names is not known."""
    if MANIFEST in files:
        if catalog.store.size(catalog.key(version, MANIFEST)):
            return False  # it was committed a moment ago
        if not is_collected(catalog.store.get(catalog.key(version, CLAIM))):
            raise VersionError(
                f"{catalog.name}@{version}: the manifest is empty; nothing is collected before it "
                "is put back from a copy, or the version is taken out of the store"
            )
        return True
    if CLAIM not in files:
        found.foreign += [entry.key for entry in files.values()]
    return CLAIM in files


def is_collected(claim: bytes | None) -> bool:
    """Whether `gc` has begun to collect a claimed number. Then its manifest is made an empty file,
    so that nobody, how late ever, can commit to it."""
    return bool(_claim(claim).get("collected"))


def collected(claim: bytes | None) -> bytes:
    """Such a claim. It still names its content: the commit may be faster than the empty file."""
    return json.dumps({**_claim(claim), "collected": True}).encode()


def _claim(content: bytes | None) -> dict[str, Any]:
    try:
        claim = json.loads(content or b"")
    except ValueError:
        return {}
    return claim if isinstance(claim, dict) else {}


def is_ours(path: str, pattern: re.Pattern[str]) -> bool:
    """Whether a file has a name that we give, or that of one that was being written."""
    name = path.rpartition("/")[2]
    return bool(pattern.fullmatch(path) or TEMPORARY_NAME.fullmatch(name))


def _add_file(entry: Entry, found: Found) -> None:
    """A file that belongs to nothing: what a process that died was writing, or a foreign one."""
    if TEMPORARY_NAME.fullmatch(entry.key.rpartition("/")[2]):
        found.garbage.append(Garbage(entry.key, STRAY, (entry,)))
    else:
        found.foreign.append(entry.key)


def survey_pool(store: Store, name: str, cuts: Sequence[Cut], found: Found) -> None:
    """Adds what is garbage in a pool: files of a table that neither its newest version names, nor
    the one of a cut. StoreError where that cannot be read."""
    root = f"pools/{name}"
    files: dict[str, list[Entry]] = defaultdict(list)
    others = []
    for entry in found.saw(store.walk(root)):
        top, _, path = entry.key.removeprefix(f"{root}/").partition("/")
        if top in LEFT_ALONE and not TEMPORARY_NAME.fullmatch(entry.key.rpartition("/")[2]):
            continue
        if top in TABLES and path and "/" not in path:
            files[top].append(entry)
        elif top not in TABLES or not path.startswith("_delta_log/"):
            others.append(entry)
    pool = Pool(store.uri(root))
    newest = pool.versions()
    named: dict[str, set[str]] = {}
    for table in files:
        names = _named_files(pool, table, newest[table], cuts)
        if names is None:
            found.left_alone[root] = f"its table {table} has files and no log"
            return
        named[table] = names
    for table, there in files.items():
        for entry in there:
            file = entry.key.rpartition("/")[2]
            if file in named[table]:
                continue
            if OF_TABLE.fullmatch(file):
                found.garbage.append(Garbage(entry.key, UNNAMED, (entry,)))
            else:
                _add_file(entry, found)
    for entry in others:
        _add_file(entry, found)


def _named_files(
    pool: Pool, table: str, newest: int | None, cuts: Sequence[Cut]
) -> set[str] | None:
    """Files that the newest version of a table names, or that of a cut; null without a log."""
    asked = {version for cut in cuts if (version := cut.tables.get(table)) is not None}
    if newest is None and not asked:
        return None
    if newest is None or max(asked, default=0) > newest:
        raise StoreError(
            f"table {pool.folder(table)} does not know its version {max(asked)} any more, which a "
            "published version was made of; put its log back from a copy"
        )
    return {file.name for v in {newest, *asked} for file in pool.files(table, v)}
