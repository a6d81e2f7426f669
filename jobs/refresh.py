"""Refresh: what a scheduler calls every night. The next version, or a good reason why not.

It appends new prompts, draws and scores what is missing, builds, and publishes only what differs
from the last version. One at a time, and safe to run again after whatever ended it.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from infra.catalog import Catalog
from infra.lease import WriterLease, refreshing
from jobs.budget import Purse
from jobs.build import build
from jobs.changes import text_of_changes
from jobs.decide import cut_now
from jobs.generate import Generated
from jobs.ingest import remember_clusters
from jobs.moved import assert_unmoved
from jobs.notify import assert_notifiable, notify
from jobs.prompt_copy import load_prompts
from jobs.prompts import PromptList
from jobs.publish import REPORT, assert_publishable, publish
from jobs.recipe import Job
from jobs.refresh_record import (
    Begun,
    Ended,
    Record,
    last_record,
    write_begun,
    write_ended,
)
from jobs.regeneration import regeneration
from jobs.run import draw
from schemas.errors import BusyError, RefusedError
from schemas.identity import identity
from schemas.manifest import Cut, Manifest
from schemas.refreshing import Status

EXIT_CODES: Mapping[Status, int] = {
    "refused": RefusedError.exit_code,
    "busy": BusyError.exit_code,
}
RESUMABLE = (75, 130, 143)
"""Exit codes of what the next refresh goes on with."""


@dataclass(frozen=True)
class Allowed:
    """What somebody who calls a refresh agrees to."""

    simulated: bool = False
    """To publish samples of the simulated engine."""
    regeneration: bool = False
    """To buy again what an identity that has changed makes worthless."""
    force: str | None = None
    """Why a version is published that does not meet its gates."""


@dataclass(frozen=True)
class Outcome:
    """How a refresh ended."""

    status: Status
    reason: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    """JSON values."""
    grounds: str | None = None
    """As in its record."""


def refresh(job: Job, allowed: Allowed) -> dict[str, Any]:
    """Does it all, tells whom the recipe names, and says how it ended, as JSON values: `published`,
    `unchanged`, `refused` or `busy`, and why. Raises what else went wrong."""
    assert_publishable(job, allow_simulated=allowed.simulated)
    assert_notifiable(job)
    job.store.create()
    told, error = _alone(job, allowed)
    told["notification"] = notify(job, told)
    if told["notification"] is not None:
        sys.stderr.write(f"stillhouse: {told['notification']}\n")
    if error is not None:
        raise error
    return told


def _alone(job: Job, allowed: Allowed) -> tuple[dict[str, Any], Exception | None]:
    """How it ended, and the error that it ended with, if it failed."""
    try:
        lease = WriterLease.acquire(job.store, refreshing(job.recipe.name), job.recipe.name)
    except BusyError as error:
        return _told(job, None, Outcome("busy", str(error))), None
    try:
        return _refresh(job, allowed, lease)
    finally:
        lease.release()


def _refresh(
    job: Job, allowed: Allowed, lease: WriterLease
) -> tuple[dict[str, Any], Exception | None]:
    last = last_record(job.store, job.recipe.name)
    this = Record(lease.attempt, _begun(job, allowed, last), None)
    write_begun(job.store, job.recipe.name, this.refresh, this.begun)
    try:
        return _ended(job, this, _outcome(job, allowed, lease, this, last)), None
    except BusyError as error:
        return _told(job, this, Outcome("busy", str(error))), None
    except Exception as error:
        if getattr(error, "exit_code", 1) in RESUMABLE:
            raise
        return _ended(job, this, Outcome("failed", f"{type(error).__name__}: {error}")), error


def _begun(job: Job, allowed: Allowed, last: Record | None) -> Begun:
    """How a refresh begins; it goes on with the last one, if that has no end."""
    accepted = _wanted(job) if allowed.regeneration else None
    if last is None or last.ended is not None:
        return Begun(_now(), Purse(job).spent(0.0), accepted)
    return Begun(_now(), last.begun.spent, accepted or last.begun.accepted, last.refresh)


def _ended(job: Job, this: Record, outcome: Outcome) -> dict[str, Any]:
    told = _told(job, this, outcome)
    ended = Ended(_now(), told, told["version"], outcome.grounds)
    write_ended(job.store, job.recipe.name, this.refresh, ended)
    return told


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _outcome(
    job: Job, allowed: Allowed, lease: WriterLease, this: Record, last: Record | None
) -> Outcome:
    prompts = load_prompts(job)
    catalog = Catalog(job.store, job.recipe.name)
    catalog.point_at_newest()  # one who was killed behind his manifest has not done it
    newest = catalog.latest()
    ended = None if last is None else last.ended
    if last is not None and ended is not None and _still_true(job, prompts, ended, newest, allowed):
        return _again(last.refresh, ended)
    assert_unmoved(job, prompts)
    try:
        if this.begun.accepted != _wanted(job):
            _assert_affordable(job, prompts, newest)
        return _work(job, prompts, allowed, lease, this)
    except RefusedError as error:
        return Outcome("refused", str(error), error.facts)


def _assert_affordable(job: Job, prompts: PromptList, newest: Manifest | None) -> None:
    """RefusedError where an identity changed in a way that would buy too much again."""
    found = regeneration(job, prompts, newest)
    if found.refused:
        raise RefusedError(found.message, {"regeneration": found.as_json})


def _wanted(job: Job) -> str:
    """Identity of what somebody accepts who accepts a regeneration."""
    return identity("g", [job.resolved, job.teacher_id])


def _still_true(
    job: Job, prompts: PromptList, last: Ended, newest: Manifest | None, allowed: Allowed
) -> bool:
    """Whether all that the last one's result rests on is as it was, so that this one would come to
    the same."""
    if last.grounds is None or last.newest != (newest and newest.version):
        return False
    if allowed.force is not None and last.told["status"] == "refused":
        return False
    return last.grounds == _grounds(job, cut_now(job, prompts))


def _grounds(job: Job, cut: Cut) -> str:
    """What a cut does not say: evaluation sets and folders of weights are files."""
    return identity("g", [cut.model_dump(mode="json"), job.teacher_id, job.scorer_ids])


def _again(refresh: str, last: Ended) -> Outcome:
    """What it comes to where nothing has changed since the last one."""
    since = last.told["same_as"] or refresh
    if last.told["status"] == "refused":
        facts = {name: last.told[name] for name in ("gates", "report")}
        return Outcome("refused", last.told["reason"], {**facts, "same_as": since}, last.grounds)
    reason = f"nothing has changed since {since}"
    return Outcome("unchanged", reason, {"same_as": since}, last.grounds)


def _work(
    job: Job, prompts: PromptList, allowed: Allowed, lease: WriterLease, this: Record
) -> Outcome:
    done = draw(job, prompts, before=this.begun.spent)
    remember_clusters(job, prompts)
    built = build(job, prompts)
    grounds = None if done.limit else _grounds(job, built.decided.cut)
    facts = {"generated": done.__dict__}
    try:
        lease.check()
        published = publish(job, built, allow_simulated=allowed.simulated, force=allowed.force)
    except RefusedError as error:
        return Outcome("refused", str(error), {**facts, **error.facts}, grounds)
    if not published.fresh:
        reason = f"it has exactly this content already{_work_text(done)}"
        return Outcome("unchanged", reason, facts, grounds)
    manifest = Catalog(job.store, job.recipe.name).manifest(published.version)
    reason = f"{_rows_text(manifest)}{_work_text(done)}"
    return Outcome("published", reason, {**facts, "changes": manifest.changes}, grounds)


def _rows_text(manifest: Manifest) -> str:
    rows = ", ".join(f"{count:,} rows of {output}" for output, count in manifest.rows.items())
    changes = text_of_changes(manifest)
    return f"{rows}; {changes}" if changes else rows


def _work_text(done: Generated) -> str:
    """What it took, for the end of a line."""
    if done.attempt is None and done.limit is None:
        return "; nothing was drawn or scored"
    text = f"; {done.prompts_added:,} new prompts, {done.drawn:,} samples drawn, "
    text += f"{done.scored:,} old ones scored"
    return text if done.limit is None else f"{text}, until {done.limit}"


def _told(job: Job, this: Record | None, outcome: Outcome) -> dict[str, Any]:
    catalog = Catalog(job.store, job.recipe.name)
    newest = catalog.latest()
    report = newest and next((file for file in newest.files if file.path == REPORT), None)
    return {
        "stage": "refresh",
        "status": outcome.status,
        "reason": outcome.reason,
        "refresh": this and this.refresh,
        "goes_on_with": this and this.begun.goes_on_with,
        "recipe": job.recipe.name,
        "version": newest and newest.version,
        "location": newest and catalog.location(newest.version),
        "rows": newest and newest.rows,
        "report": newest and report and job.store.uri(catalog.file_key(newest, report)),
        "same_as": None,
        "gates": [],
        "regeneration": None,
        "generated": None,
        "changes": None,
        "notification": None,
        **outcome.facts,
    }


def line(told: Mapping[str, Any]) -> str:
    """What a refresh says to people."""
    version = told["version"]
    name = told["recipe"] if version is None else f"{told['recipe']}@{version}"
    again = f"as in {told['same_as']}, since nothing has changed: "
    refused_again = told["same_as"] is not None and told["status"] == "refused"
    return f"{told['status']}: {name}: {again if refused_again else ''}{told['reason']}"


def exit_code(told: Mapping[str, Any]) -> int:
    """For schedulers: 0 published or unchanged, 3 refused, 75 busy."""
    return EXIT_CODES.get(told["status"], 0)
