"""Rollback: an older version's content as the newest version, without copying a byte of data."""

from datetime import UTC, datetime

from infra.catalog import CHANGES_FILE
from infra.version import LATEST, Version, open_version
from jobs.publish import README, Published, commit, newest_with
from jobs.tell import Told
from schemas.errors import RecipeError, VersionError
from schemas.manifest import Manifest


def rollback(store: str, dataset: str) -> Told:
    """Publishes the content of `<dataset>@<version>` again, if it is not the newest version's.

    The new version's manifest points at the files where they lie. VersionError where there is no
    such version, or a data file of it is missing or was cut; RecipeError where none is named.
    """
    name, _, wanted = dataset.partition("@")
    if wanted in ("", LATEST):
        raise RecipeError(
            f"{dataset}: name the version to bring back, such as {name}@v0001; "
            f"`stillhouse versions {name}` lists them"
        )
    old = _whole(store, dataset)
    catalog, digest = old.catalog, old.manifest.content_digest
    if (same := newest_with(catalog, digest)) is not None:
        return _told(old, same)
    version = catalog.claim(digest)
    try:
        # Once more: `gc` leaves alone what a claim names, but may have been faster than the claim.
        manifest = _manifest(_whole(store, dataset).manifest, version)
    except VersionError:
        catalog.withdraw(version)
        raise
    return _told(old, commit(catalog, manifest))


def _whole(store: str, dataset: str) -> Version:
    """The version, whose data files are all there. VersionError if they are not."""
    version = open_version(dataset, store)
    for output in version.manifest.rows:
        version.files(output)
    return version


def _manifest(old: Manifest, version: str) -> Manifest:
    """The old one's, but for its number, its card, its changes, and where all else lies."""
    kept = [file for file in old.files if file.path not in (README, CHANGES_FILE)]
    pointers = [file.model_copy(update={"version": file.version or old.version}) for file in kept]
    now = datetime.now(UTC).isoformat(timespec="seconds")
    made = {**old.provenance, "created_at": now, "brings_back": old.version}
    return old.model_copy(update={"version": version, "files": tuple(pointers), "provenance": made})


def _told(old: Version, done: Published) -> Told:
    name = f"{old.manifest.name}@{done.version}"
    data = {
        "status": "published" if done.fresh else "unchanged",
        "version": done.version,
        "brings_back": old.manifest.version,
        "content_digest": old.manifest.content_digest,
    }
    if not done.fresh:
        return f"unchanged: {name} already has the content of {old.name}", data
    return f"published {name}, which brings back {old.name}", data
