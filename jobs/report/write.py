"""A report as a file here: of a published version, or of what a recipe would publish now."""

from pathlib import Path

from infra.catalog import Catalog
from infra.store import open_uri
from infra.version import open_version
from jobs.build import build
from jobs.prompts import PromptList
from jobs.publish import REPORT, manifest_of
from jobs.recipe import Job
from jobs.report.gather import gather
from jobs.report.page import page
from jobs.tell import Told
from schemas.errors import RunError, VersionError

UNPUBLISHED = "unpublished"


def copy_report(store: str, dataset: str, target: str | None) -> Told:
    """Copies the page of a version; `<dataset>-<version>.html` if no file is named. VersionError
    where the version has none; RunError where it cannot be written."""
    version = open_version(dataset, store)
    entry = next((file for file in version.manifest.files if file.path == REPORT), None)
    if entry is None:
        raise VersionError(
            f"{version.name} was published without a report; `stillhouse report RECIPE` shows what "
            "its recipe would publish now"
        )
    with open_uri(version.uri(entry)) as file:
        content = file.read()
    path = _write(target or f"{version.name.replace('@', '-')}.html", content)
    return f"{version.name}: {path}", {"version": version.name, "report": str(path)}


def report_now(job: Job, prompts: PromptList, target: str | None) -> Told:
    """Writes the page of what would be published now, and publishes nothing; `<name>.html` if no
    file is named. Raises as `build`; RunError where it cannot be written."""
    catalog = Catalog(job.store, job.recipe.name)
    built = build(job, prompts)
    try:
        manifest = manifest_of(job, built, UNPUBLISHED)
        content = page(gather(job, built, manifest, catalog.latest())).encode()
    finally:
        catalog.discard(built.staging)
    path = _write(target or f"{job.recipe.name}.html", content)
    return (
        f"{job.recipe.name} as it would be published now: {path}",
        {"version": None, "report": str(path)},
    )


def _write(target: str, content: bytes) -> Path:
    path = Path(target).absolute()
    try:
        path.write_bytes(content)
    except OSError as error:
        raise RunError(f"{path}: the report cannot be written: {error}") from error
    return path
