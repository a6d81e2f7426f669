"""What the page shows, as one JSON object: a pure function of events, tally, meters and lease."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from infra.meter import Spent
from jobs.watch.history import INTERRUPTED, History
from jobs.watch.tally import Tally
from schemas.recipe import Recipe
from schemas.spending import Budget

FAILURE = "failed_"
LOADING = "no engine is ready yet"


@dataclass(frozen=True)
class Facts:
    """All that is known of an attempt now."""

    pool: str
    store: str
    attempt: str
    newer: tuple[str, ...]
    """Attempts that began after it."""
    history: History
    tally: Tally
    recipe: Recipe | None
    spent: Spent
    """By this attempt."""
    before: Spent
    """By all others of the recipe."""
    alive: bool
    """Somebody holds the pool for it and is not known to be gone."""
    silent_since: str | None
    """When the heartbeat of that holder was last seen to go on, if that is too long ago."""
    newest: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    """What could not be read, and why."""
    left: int = 0
    """Files that are not read yet."""


def feed(facts: Facts) -> dict[str, Any]:
    """JSON values alone. Times are ISO texts or, in `throughput`, seconds since 1970."""
    history, tally, recipe = facts.history, facts.tally, facts.recipe
    return {
        "pool": facts.pool,
        "store": facts.store,
        "attempt": facts.attempt,
        "newer": list(facts.newer),
        "recipe": None if recipe is None else recipe.name,
        "teacher": None if recipe is None else recipe.teacher.model,
        "state": state(facts),
        "trouble": history.trouble,
        "notes": list(facts.notes),
        "reading": facts.left,
        "progress": _progress(facts),
        "samples": {
            "drawn": tally.drawn,
            "kept": tally.kept,
            "judged": tally.judged,
            "waiting": tally.waiting,
            "truncated": tally.truncated,
            "failed": sum(tally.failures.values()),
            "tokens": tally.tokens,
        },
        "funnel": _funnel(tally),
        "throughput": history.throughput(),
        "mean_tokens_per_s": history.mean_tokens_per_s,
        "replicas": _replicas(history, tally),
        "cost": _cost(facts),
        "newest": {name: list(rows) for name, rows in facts.newest.items()},
        "events": [dict(event) for event in history.told],
    }


def state(facts: Facts) -> dict[str, Any]:
    """`name`, `since` and, in words, `what`."""
    history = facts.history
    if history.ended is not None:
        name, what = _end(history)
        return {"name": name, "since": history.ended, "started": history.started, "what": what}
    if not facts.alive or facts.silent_since is not None:
        what = (
            "its process is gone without a word; what was committed is kept, and the same command "
            "goes on"
            if not facts.alive
            else "no heartbeat: it has crashed, or its machine or the store is out"
        )
        since = facts.silent_since or _last(history)
        return {"name": "crashed", "since": since, "started": history.started, "what": what}
    name, what = "running", "drawing and judging samples"
    if history.draining:
        name, what = "stopping", "committing what is finished"
    elif not any(replica.state == "working" for replica in history.replicas.values()):
        begun = any(replica.state != "starting" for replica in history.replicas.values())
        name, what = ("running", "no engine is at work now") if begun else ("starting", LOADING)
        if waiting := (history.progress or {}).get("waiting_for_scores", 0):
            name, what = (
                "running",
                f"{waiting:,} samples wait for their scores, no engine is at work",
            )
    since = history.started
    return {"name": name, "since": since, "started": history.started, "what": what}


def _end(history: History) -> tuple[str, str]:
    if history.reason is None:
        limit = history.limit
        return "finished", f"ended by the budget ({limit})" if limit else "nothing left to draw"
    if history.reason.startswith(INTERRUPTED):
        return "stopped", history.reason.removeprefix(INTERRUPTED)
    return "failed", history.reason


def _last(history: History) -> str | None:
    """When something was last heard of it."""
    times = [str(event["at"]) for event in history.told]
    times += [str(history.progress["at"])] if history.progress else []
    return max(times, default=history.started)


def _progress(facts: Facts) -> dict[str, Any] | None:
    """What the run last said of itself; null for an attempt that notes no progress."""
    noted = facts.history.progress
    if noted is None:
        return None
    ended = facts.history.ended is not None
    return {**{k: v for k, v in noted.items() if k != "event"}, "final": ended}


def _funnel(tally: Tally) -> list[dict[str, Any]]:
    """Kept ones, then why the others are not, the most frequent reason first."""
    rows = [{"name": "kept", "kind": "kept", "samples": tally.kept}]
    rows += [
        {
            "name": reason,
            "kind": "failed" if reason.startswith(FAILURE) else "rejected",
            "samples": count,
        }
        for reason, count in sorted(tally.reasons.items(), key=lambda one: (-one[1], one[0]))
    ]
    rows.append({"name": "waiting for a verdict", "kind": "waiting", "samples": tally.waiting})
    return rows


def _replicas(history: History, tally: Tally) -> list[dict[str, Any]]:
    rows = []
    for row in history.listed():
        samples, tokens = tally.replicas.get(row["name"], (0, 0))
        rows.append({**row, "samples": samples, "tokens": tokens})
    return rows


def _cost(facts: Facts) -> dict[str, Any]:
    price = None if facts.recipe is None else facts.recipe.price.gpu_hour
    together = facts.before + facts.spent
    return {
        **_priced(facts.spent, price),
        "all": _priced(together, price),
        "budget": [] if facts.recipe is None else _limits(facts.recipe.budget, together, price),
        "tokens_per_kept": round(facts.spent.tokens / kept) if (kept := facts.tally.kept) else None,
    }


def _priced(spent: Spent, price: float | None) -> dict[str, Any]:
    return {
        "tokens": spent.tokens,
        "gpu_hours": round(spent.gpu_hours, 4),
        "usd": None if price is None else round(spent.gpu_hours * price, 2),
    }


def _limits(budget: Budget, spent: Spent, price: float | None) -> list[dict[str, Any]]:
    used = {"tokens": float(spent.tokens), "gpu_hours": spent.gpu_hours}
    if price is not None:
        used["usd"] = spent.gpu_hours * price
    allowed = {name: getattr(budget, name) for name in used}
    return [
        {"limit": name, "spent": round(used[name], 4), "allowed": allowed[name]}
        for name in used
        if allowed[name] is not None
    ]
