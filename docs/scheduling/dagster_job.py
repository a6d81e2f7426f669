"""Dagster: a dataset as an asset, refreshed each night, materialised when it has a new version."""

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import dagster as dg

RECIPE = "recipes/math-cot.yaml"
AGAIN = (75, 130, 143)
"""Later, or interrupted. Whatever else is not 0 wants people: 1 failed, 2 recipe, 3 refused."""
RETRIES, PAUSE_S = 12, 600


def run_refresh(recipe: str) -> dict[str, Any]:
    """What `--json` prints; Failure or RetryRequested for any exit code but 0."""
    # In a session of its own, so that nobody kills it while it commits what is finished.
    process = subprocess.Popen(
        ["stillhouse", "refresh", recipe, "--json"],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        printed, _ = process.communicate()
    except BaseException:
        process.terminate()
        process.wait()
        raise
    code = process.returncode
    told: dict[str, Any] = json.loads(printed) if printed.strip() else {}
    if code in AGAIN or code < 0:
        raise dg.RetryRequested(max_retries=RETRIES, seconds_to_wait=PAUSE_S)
    if code:
        raise dg.Failure(
            f"exit code {code}: {told.get('reason', 'see stderr')}",
            metadata={"told": dg.JsonMetadataValue(told)},
            allow_retries=False,
        )
    return told


@dg.asset(output_required=False)
def math_cot(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
    """Nothing is yielded when nothing has changed, so that what depends on it does not run."""
    told = run_refresh(RECIPE)
    context.log.info(f"{told['status']}: {told['reason']}")
    if told["status"] == "published":
        yield dg.MaterializeResult(
            data_version=dg.DataVersion(told["version"]),
            metadata={
                "version": told["version"],
                "location": dg.MetadataValue.path(str(told["location"])),
                "report": dg.MetadataValue.path(str(told["report"])),
                "changes": dg.JsonMetadataValue(told["changes"]),
                "generated": dg.JsonMetadataValue(told["generated"]),
            },
        )


@dg.asset(deps=[math_cot])
def trained_model(context: dg.AssetExecutionContext) -> None:
    """Your own."""
    context.log.info("train on the newest version")


nightly = dg.ScheduleDefinition(
    name="nightly",
    target=dg.AssetSelection.assets(math_cot).downstream(),
    cron_schedule="0 2 * * *",
    execution_timezone="UTC",
)
defs = dg.Definitions(assets=[math_cot, trained_model], schedules=[nightly])
