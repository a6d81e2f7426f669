"""Attempts: what happened in each execution on a pool, from its event log."""

from infra.events import read_events
from infra.store import open_store
from jobs.tell import Told
from schemas.errors import VersionError


def show_attempt(store_root: str, pool: str, attempt: str | None) -> Told:
    """The events of one attempt, the newest one by default; VersionError if there is none."""
    store = open_store(store_root)
    known = store.folders(f"pools/{pool}/attempts")
    if not known:
        raise VersionError(f"pool {pool!r} has no attempts in {store.url}")
    name = attempt or known[-1]
    if name not in known:
        raise VersionError(f"pool {pool!r} has no attempt {name!r}; there are {', '.join(known)}")
    events = read_events(store, pool, name)
    lines = [f"attempt {name} of pool {pool}, {len(events)} events"]
    for event in events:
        facts = [f"{k}={v}" for k, v in event.items() if k not in ("at", "event", "reason")]
        reason = event.get("reason", "")
        lines.append(f"{event['at']}  {event['event']:<20}  {' '.join(facts)}  {reason}".rstrip())
    return "\n".join(lines), {"pool": pool, "attempt": name, "events": events}
