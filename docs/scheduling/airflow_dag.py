"""Airflow: refreshes a dataset each night, and goes on only when there is a new version."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import DAG, BaseOperator, task
from airflow.sdk.exceptions import AirflowException, AirflowFailException

RECIPE = "recipes/math-cot.yaml"
AGAIN = (75, 130, 143)
"""Later, or interrupted. Whatever else is not 0 wants people: 1 failed, 2 recipe, 3 refused."""


class StillhouseRefresh(BaseOperator):
    """Runs the command where the worker is; its XCom is what `--json` prints."""

    template_fields = ("recipe",)

    def __init__(self, *, recipe: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.recipe = recipe
        self.process: subprocess.Popen[str] | None = None

    def execute(self, context: Any) -> dict[str, Any]:
        """Fails for any exit code but 0; for those of `AGAIN` it is tried again."""
        # Five seconds after it was told to stop, Airflow kills the task's process group; a refresh
        # may need 150 to commit what is finished, so it gets a group of its own.
        self.process = subprocess.Popen(
            ["stillhouse", "refresh", self.recipe, "--json"],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        printed, _ = self.process.communicate()
        code = self.process.returncode
        told: dict[str, Any] = json.loads(printed) if printed.strip() else {}
        reason = told.get("reason", "see the log above")
        if code in AGAIN or code < 0:
            raise AirflowException(f"exit code {code}, to be tried again: {reason}")
        if code:
            raise AirflowFailException(f"exit code {code}, for people to look at: {reason}")
        return told

    def on_kill(self) -> None:
        """Has it commit what is finished."""
        if self.process is not None:
            self.process.terminate()


with DAG(
    dag_id="stillhouse_refresh",
    schedule="0 2 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
):
    refresh = StillhouseRefresh(
        task_id="refresh",
        recipe=RECIPE,
        retries=12,
        retry_delay=timedelta(minutes=5),
        retry_exponential_backoff=True,
        max_retry_delay=timedelta(hours=1),
    )

    @task.short_circuit
    def has_new_version(told: dict[str, Any]) -> bool:
        """Unchanged is a success, and nothing to train on."""
        return bool(told["status"] == "published")

    @task
    def train(told: dict[str, Any]) -> str:
        """Your own: `told` has the version, where it lies, and what changed in it."""
        return f"train on {told['recipe']}@{told['version']} at {told['location']}"

    has_new_version(refresh.output) >> train(refresh.output)
