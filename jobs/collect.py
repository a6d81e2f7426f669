"""Collect (`gc`): garbage is marked, and deleted by a later call, a day after."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from infra.store import Store
from jobs.garbage import UNNAMED, Garbage, survey
from jobs.marks import FOLDER, MARKS, Mark, marked, read_marks, store_time, write_marks
from jobs.sweep import Sweep, Swept
from jobs.tell import Told, table
from schemas.errors import RecipeError

DAY_S: Final = 24 * 3600.0
MARKED, WAITS, DELETED = "marked", "waits", "deleted"
WOULD: Final = {MARKED: "would be marked", DELETED: "would be deleted"}
FOREIGN_NAMED: Final = 20


def collect(
    store: Store, keep: int | None = None, *, dry_run: bool = False, wait_s: float = DAY_S
) -> Told:
    """Marks what is garbage, and deletes what was marked `wait_s` before and was not touched since.

    Without `keep` every version is retained, else the newest so many of each dataset. A dry run
    writes nothing. RecipeError for a `keep` below 1; VersionError or StoreError where it is not
    known what a version or a table names; then nothing is touched.
    """
    if keep is not None and keep < 1:
        raise RecipeError(f"--keep {keep}: must be at least 1; the newest version always stays")
    found = survey(store, keep)
    if dry_run:
        before = read_marks(store.get(MARKS))
        # The store tells the time when it writes a file. It is not earlier than its newest file.
        now = max([found.newest, *(entry.modified for entry in store.walk(FOLDER))])
    else:
        now = store_time(store)
        before = write_marks(store, found.garbage, now)
    sweep = Sweep(store, keep, before, now, wait_s)
    if dry_run:
        swept = Swept([one for one in found.garbage if sweep.is_due(one)])
    else:
        sweep.run(found.garbage)
        swept = sweep.swept
    data = {
        "dry_run": dry_run,
        "garbage": [
            {
                "key": one.key,
                "kind": one.kind,
                "state": _state(one, before, swept),
                "files": len(one.files),
                "bytes": one.bytes,
                "marked_at": _utc(marked(one, before, now).at),
            }
            for one in found.garbage
        ],
        "deleted_bytes": sum(one.bytes for one in swept.garbage),
        "left_alone": found.left_alone | swept.stays,
        "foreign": sorted(found.foreign),
    }
    return _text(data), data


def _state(one: Garbage, before: Mapping[str, Mark], swept: Swept) -> str:
    if one.key in swept.keys:
        return DELETED
    mark = before.get(one.key)
    return WAITS if mark is not None and mark.holds(one) else MARKED


def _utc(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def _text(data: Mapping[str, Any]) -> str:
    """Files of a pool by their tables, everything else by its name."""
    groups: dict[tuple[str, str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for one in data["garbage"]:
        name = one["key"].rpartition("/")[0] if one["kind"] == UNNAMED else one["key"]
        groups[one["state"], one["kind"], name].append(one)
    said = WOULD if data["dry_run"] else {}
    rows = [
        (
            said.get(state, state),
            kind,
            name,
            max(one["marked_at"] for one in group) if state == WAITS else "",
            f"{sum(one['files'] for one in group):,}",
            f"{sum(one['bytes'] for one in group):,}",
        )
        for (state, kind, name), group in sorted(groups.items())
    ]
    header = ("garbage", "kind", "where", "since, by the store's clock", "files", "bytes")
    lines = [table(rows, header, words=4) if rows else "there is no garbage"]
    lines += [f"left alone: {key}: {why}" for key, why in data["left_alone"].items()]
    lines += [f"foreign, and never deleted: {key}" for key in data["foreign"][:FOREIGN_NAMED]]
    if (more := len(data["foreign"]) - FOREIGN_NAMED) > 0:
        lines.append(f"foreign, and never deleted: {more:,} more (--json names all)")
    if data["dry_run"]:
        lines.append("dry run: nothing was written")
    elif any(state != DELETED for state, _, _ in groups):
        lines.append("what is marked is deleted by a `stillhouse gc` a day later, or after that")
    return "\n".join(lines)
