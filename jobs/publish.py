"""Publish: staged data files, a card and, last, the manifest become a version."""

import json
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from infra.catalog import Catalog
from infra.store import file_sha256, sync_file
from jobs.budget import cost
from jobs.build import Built, generator_name
from jobs.card import card
from jobs.decide import summary
from jobs.recipe import Job
from schemas.errors import RecipeError
from schemas.manifest import File, Manifest


@dataclass(frozen=True)
class Published:
    """The version that holds the content, new or not."""

    version: str
    folder: Path
    fresh: bool
    """False: the last version already has exactly this content."""


def publish(job: Job, built: Built, *, allow_simulated: bool = False) -> Published:
    """Publishes what was built, unless the last version has the same content.

    RecipeError for made-up samples, unless they are asked for.
    """
    assert_publishable(job, allow_simulated=allow_simulated)
    staging = next(iter(built.staged.values())).parent
    try:
        return _publish(job, built, staging)
    finally:
        shutil.rmtree(staging)


def assert_publishable(job: Job, *, allow_simulated: bool) -> None:
    """RecipeError for made-up samples, unless they are asked for, and for outputs that nobody
    writes."""
    if unwritten := sorted(set(job.recipe.outputs) - {"sft"}):
        raise RecipeError(
            f"outputs: {', '.join(unwritten)} cannot be written yet; `generate` draws what they "
            "need, and `--set outputs=[sft]` publishes the rest"
        )
    if job.recipe.teacher.engine == "simulated" and not allow_simulated:
        raise RecipeError(
            "teacher.engine: the simulated engine makes its samples up, so they are not published; "
            "--allow-simulated publishes them all the same"
        )


def _publish(job: Job, built: Built, staging: Path) -> Published:
    catalog = Catalog(job.store, job.recipe.name)
    last = catalog.latest()
    if last is not None and last.content_digest == built.content_digest:
        return Published(last.version, catalog.folder(last.version), fresh=False)
    version = catalog.claim(built.content_digest)
    for path, staged in built.staged.items():
        catalog.add_file(version, staged, path)
    manifest = _manifest(job, built, version)
    readme = staging / "README.md"
    readme.write_text(card(manifest), encoding="utf-8")
    sync_file(readme)
    manifest = manifest.model_copy(update={"files": (*manifest.files, _file_entry(readme))})
    catalog.add_file(version, readme, "README.md")
    catalog.commit(manifest)
    return Published(version, catalog.folder(version), fresh=True)


def _file_entry(path: Path) -> File:
    return File(path=path.name, bytes=path.stat().st_size, sha256=file_sha256(path))


def _manifest(job: Job, built: Built, version: str) -> Manifest:
    decided = built.decided
    return Manifest(
        name=job.recipe.name,
        version=version,
        content_digest=built.content_digest,
        files=built.files,
        rows={"sft": sum(file.rows or 0 for file in built.files)},
        prompts=decided.prompts_published,
        funnel=dict(decided.funnel),
        cut=decided.cut,
        recipe=job.resolved,
        teacher=_teacher(job, built),
        scorers=job.scorer_ids,
        unsettled=decided.unsettled,
        target=decided.target,
        prompts_left_out=dict(decided.left_out),
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
        "cost": cost(job),
        **{k: v for k, v in summary(built.decided).items() if k.startswith("tokens")},
    }


def manifest_json(manifest: Manifest) -> dict[str, Any]:
    """The manifest as JSON values."""
    loaded: dict[str, Any] = json.loads(manifest.model_dump_json())
    return loaded
