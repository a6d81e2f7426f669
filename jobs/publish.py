"""Publish: staged data files, a card and, last, the manifest become a version."""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from infra.catalog import Catalog
from jobs.budget import cost
from jobs.build import Built, generator_name
from jobs.card import card
from jobs.changes import with_changes
from jobs.gates import breaches
from jobs.moved import assert_unmoved
from jobs.recipe import Job
from jobs.report.gather import gather
from jobs.report.page import page
from jobs.splits import shares
from schemas.errors import RecipeError, RefusedError
from schemas.manifest import File, Manifest

README = "README.md"
REPORT = "report.html"
REFUSED = "refused"
"""Stands for the number of a version that does not become one, and for where its report is kept."""


@dataclass(frozen=True)
class Published:
    """The version that holds the content, new or not."""

    version: str
    location: str
    fresh: bool
    """False: the last version already has exactly this content."""


def publish(
    job: Job, built: Built, *, allow_simulated: bool = False, force: str | None = None
) -> Published:
    """Publishes what was built, unless the last version has the same content.

    RecipeError for made-up samples, unless they are asked for, and where a prompt would be in
    another split than in an earlier version. RefusedError where it does not meet the recipe's
    gates: its report is kept; `force` is the reason to publish it all the same, which is recorded.
    """
    assert_publishable(job, allow_simulated=allow_simulated)
    catalog = Catalog(job.store, job.recipe.name)
    try:
        return _publish(job, built, catalog, force)
    finally:
        catalog.discard(built.staging)


def assert_publishable(job: Job, *, allow_simulated: bool) -> None:
    """RecipeError for made-up samples, unless they are asked for."""
    if job.recipe.teacher.engine == "simulated" and not allow_simulated:
        raise RecipeError(
            "teacher.engine: the simulated engine makes its samples up, so they are not published; "
            "--allow-simulated publishes them all the same"
        )


def _publish(job: Job, built: Built, catalog: Catalog, force: str | None) -> Published:
    before = catalog.latest()
    if (same := _same(catalog, before, built.content_digest)) is not None:
        return same
    assert_unmoved(job, built.prompts)
    forced = _through_gates(job, built, before, force)
    version = catalog.claim(built.content_digest)
    for path, staged in built.staged.items():
        catalog.add_file(version, staged, path)
    manifest = manifest_of(job, built, version)
    manifest.provenance.update(forced)
    report = page(gather(job, built, manifest, before))
    return commit(catalog, _with_file(catalog, manifest, REPORT, report))


def _through_gates(
    job: Job, built: Built, before: Manifest | None, force: str | None
) -> dict[str, Any]:
    """What is recorded of gates that are not met; nothing where all are. RefusedError without a
    reason to publish it all the same."""
    manifest = manifest_of(job, built, REFUSED)
    found = breaches(job, built, manifest, before)
    if not found:
        return {}
    gates = [breach.facts() for breach in found]
    if force is not None:
        return {"forced": {"reason": force, "gates": gates}}
    report = page(gather(job, built, manifest, before))
    key = f"datasets/{job.recipe.name}/{REFUSED}/{built.content_digest}.html"
    job.store.put_if_absent(key, report.encode())
    where = job.store.uri(key)
    told = "; ".join(f"{breach.gate}: {breach.message}" for breach in found)
    raise RefusedError(
        f"{told}. Nothing was published; look at {where}, and if it is as it should be, "
        "`--force REASON` publishes it and records why",
        {"gates": gates, "report": where},
    )


def newest_with(catalog: Catalog, content_digest: str) -> Published | None:
    """The newest version, if it has this content."""
    return _same(catalog, catalog.latest(), content_digest)


def _same(catalog: Catalog, newest: Manifest | None, content_digest: str) -> Published | None:
    if newest is None or newest.content_digest != content_digest:
        return None
    return Published(newest.version, catalog.location(newest.version), fresh=False)


def commit(catalog: Catalog, manifest: Manifest) -> Published:
    """Adds changes and the card to a claimed version, whose data files are in their places, and
    makes it exist; withdraws it where somebody was faster with the same content."""
    manifest = with_changes(catalog, manifest)
    manifest = _with_file(catalog, manifest, README, card(manifest))
    if (same := newest_with(catalog, manifest.content_digest)) is not None:
        catalog.withdraw(manifest.version)
        return same
    catalog.commit(manifest)
    return Published(manifest.version, catalog.location(manifest.version), fresh=True)


def _with_file(catalog: Catalog, manifest: Manifest, path: str, text: str) -> Manifest:
    """The manifest with a file that is not data, which is written."""
    content = text.encode()
    catalog.store.put_if_absent(catalog.key(manifest.version, path), content)
    entry = File(path=path, bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
    return manifest.model_copy(update={"files": (*manifest.files, entry)})


def manifest_of(job: Job, built: Built, version: str) -> Manifest:
    """What was built as a version of that number, without what is not data."""
    decided = built.decided
    return Manifest(
        name=job.recipe.name,
        version=version,
        content_digest=built.content_digest,
        files=built.files,
        rows={name: rows for name, rows in decided.rows.items() if rows},
        prompts=decided.prompts_published,
        funnel=dict(decided.funnel),
        kept=decided.kept,
        cut=decided.cut,
        recipe=job.resolved,
        teacher=_teacher(job, built),
        scorers=job.scorer_ids,
        unsettled=decided.unsettled,
        target=decided.target,
        prompts_left_out=dict(decided.left_out),
        mix=dict(decided.mix),
        splits=shares(built.prompts, job.recipe),
        survivorship=built.survivorship,
        provenance=_provenance(job, built),
    )


def _teacher(job: Job, built: Built) -> dict[str, Any]:
    teacher = {"id": job.teacher_id, "name": generator_name(job), **job.model}
    canned = built.decided.canned_answers
    return teacher if canned is None else {**teacher, "canned_answers": canned}


def _provenance(job: Job, built: Built) -> dict[str, Any]:
    """Facts about the making that are not part of the content."""
    attempts = job.store.folders(f"pools/{job.recipe.pool}/attempts")
    return {
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "attempts": attempts,
        "engine_versions": list(built.decided.engine_versions),
        "scorer_versions": {name: scorer.version for name, scorer in job.scorers.items()},
        "cost": cost(job),
        "tokens": built.decided.tokens,
        "tokens_published": _tokens_published(built),
    }


def _tokens_published(built: Built) -> int:
    by_domain = built.survivorship.get("domain", {}).values()
    return sum(counts.get("tokens_published", 0) for counts in by_domain)


def manifest_json(manifest: Manifest) -> dict[str, Any]:
    """The manifest as JSON values."""
    loaded: dict[str, Any] = json.loads(manifest.model_dump_json())
    return loaded
