"""Airflow: the same in a pod of its own, where the workers have neither GPUs nor the code."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from kubernetes.client import models as k8s

AGAIN = (75, 130, 143)
KILLED = 128
"""128 + 9 is the kernel's, when memory is short: worth another try, as the other signals are."""


class StillhouseRefreshPod(KubernetesPodOperator):
    """Tells exit codes apart, which KubernetesPodOperator does not."""

    def cleanup(self, pod: Any, remote_pod: Any, *arguments: Any, **named: Any) -> None:
        """Called when the pod has ended, however that was."""
        try:
            super().cleanup(pod, remote_pod, *arguments, **named)
        except AirflowException as error:
            code = self._exit_code(remote_pod)
            if code is None or code in AGAIN or code > KILLED:
                raise
            raise AirflowFailException(f"exit code {code}, for people to look at") from error

    def _exit_code(self, remote_pod: Any) -> int | None:
        """Null where the container never ran, or its pod was lost."""
        for status in (remote_pod.status and remote_pod.status.container_statuses) or []:
            if status.name == self.base_container_name and status.state.terminated:
                return int(status.state.terminated.exit_code)
        return None


with DAG(
    dag_id="stillhouse_refresh_pod",
    schedule="0 2 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
):
    StillhouseRefreshPod(
        task_id="refresh",
        name="stillhouse-refresh",
        namespace="stillhouse",
        service_account_name="stillhouse",
        image="registry.example.com/stillhouse:0.1.0",
        cmds=["stillhouse", "refresh", "/recipes/math-cot.yaml"],
        env_from=[k8s.V1EnvFromSource(secret_ref=k8s.V1SecretEnvSource(name="stillhouse-env"))],
        volumes=[
            k8s.V1Volume(
                name="recipes", config_map=k8s.V1ConfigMapVolumeSource(name="stillhouse-recipes")
            ),
            k8s.V1Volume(name="shm", empty_dir=k8s.V1EmptyDirVolumeSource(medium="Memory")),
        ],
        volume_mounts=[
            k8s.V1VolumeMount(name="recipes", mount_path="/recipes", read_only=True),
            k8s.V1VolumeMount(name="shm", mount_path="/dev/shm"),
        ],
        container_resources=k8s.V1ResourceRequirements(
            limits={"nvidia.com/gpu": "8", "memory": "256Gi"}, requests={"cpu": "32"}
        ),
        termination_grace_period=180,
        on_finish_action="delete_succeeded_pod",
        startup_timeout_seconds=3600,
        retries=12,
        retry_delay=timedelta(minutes=5),
        retry_exponential_backoff=True,
        max_retry_delay=timedelta(hours=1),
    )
