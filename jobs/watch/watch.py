"""`stillhouse watch`: which attempt is meant, and its page until it is interrupted."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from infra.store import Store, open_store
from jobs.recipe import load_job
from jobs.watch.server import serving
from jobs.watch.watcher import Watcher
from schemas.errors import VersionError

NICE = 10
"""The run goes first."""
YAML = (".yaml", ".yml")


class Watched(NamedTuple):
    """A pool, and its attempt; null: the newest one, whichever that is at the time."""

    store: Store
    pool: str
    attempt: str | None


def watched(what: str, attempt: str | None, store: str, overrides: Sequence[str]) -> Watched:
    """What a recipe file or the name of a pool stands for. VersionError for an attempt or a pool
    that is not there; a recipe may be watched before its first run."""
    if what.endswith(YAML) or Path(what).is_file():
        recipe = load_job(what, overrides).recipe
        place, pool = open_store(recipe.store), recipe.pool
    else:
        place, pool = open_store(store), what
        known = place.folders("pools")
        if pool not in known:
            raise VersionError(
                f"{what!r} is neither a recipe file nor a pool in {place.url}; pools there: "
                f"{', '.join(known) or 'none'}"
            )
    attempts = place.folders(f"pools/{pool}/attempts")
    if attempt is not None and attempt not in attempts:
        raise VersionError(
            f"pool {pool!r} has no attempt {attempt!r}; there are {', '.join(attempts) or 'none'}"
        )
    return Watched(place, pool, attempt)


def look(chosen: Watched) -> dict[str, Any]:
    """The feed once, read to its end."""
    watcher = Watcher(*chosen, every_s=0.0)
    found = watcher.feed()
    while found.get("reading"):
        found = watcher.feed()
    return found


def serve(chosen: Watched, port: int) -> None:
    """Serves the page until it is interrupted, also when the attempt has ended."""
    os.nice(NICE)
    watcher = Watcher(*chosen)
    which = chosen.attempt or "the newest attempt"
    with serving(watcher.feed, port) as server:
        sys.stderr.write(
            f"watching {which} of pool {chosen.pool} in {chosen.store.url}\n\n  {server.url}\n\n"
            "on this machine alone, for who has this address; Ctrl-C ends it, and not the run\n"
        )
        sys.stderr.flush()
        server.forever()
