"""Ray, here or on the cluster that the environment names."""

import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any

from schemas.errors import ClusterError

MINIMUM_CPUS = 2
"""A replica and a scorer worker ask for one each; on a single core they share it."""

LOOPBACK_ONLY = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""Set to 0 before Ray is imported, it keeps all of Ray's ports on the loopback interface, on Linux
too. `_node_ip_address="127.0.0.1"` does not: Ray resolves it to the machine's outer address."""

AUTHENTICATION_LOGGER = "ray._private.authentication.authentication_token_setup"


@contextmanager
def ray_cluster() -> Iterator[None]:
    """Connects to `RAY_ADDRESS`, or starts Ray on this machine for as long as the block runs.

    A Ray that is already connected, as inside a Ray job, is used and left alone. What Ray says goes
    to stderr: it prints on stdout that a worker died, and that is where our data go. ClusterError
    where the cluster does not answer or does not know our token.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if not os.environ.get("RAY_ADDRESS"):
        os.environ.setdefault(LOOPBACK_ONLY, "0")
    import ray

    if ray.is_initialized():
        with redirect_stdout(sys.stderr):
            yield
        return
    on_sigterm = signal.getsignal(signal.SIGTERM)
    # Ray protects a local cluster by a token of itself, and warns that it does.
    logging.getLogger(AUTHENTICATION_LOGGER).setLevel(logging.ERROR)
    try:
        ray.init(logging_level=logging.WARNING, log_to_driver=False, **_where())
    except (ConnectionError, ray.exceptions.RaySystemError, ray.exceptions.RpcError) as error:
        raise ClusterError(f"Ray cluster {os.environ.get('RAY_ADDRESS')}: {error}") from error
    # Ray puts its own handler there, which exits with 1 or 15.
    signal.signal(signal.SIGTERM, on_sigterm)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        ray.shutdown()


def _where() -> dict[str, Any]:
    if os.environ.get("RAY_ADDRESS"):
        return {}
    return {
        "address": "local",
        "num_cpus": max(MINIMUM_CPUS, os.cpu_count() or 1),
        "include_dashboard": False,
    }


def start_beside_driver(actor: type, name: str, *arguments: Any) -> Any:
    """An actor on the driver's node; it needs no CPU of its own."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    options = {"num_cpus": 0, "max_concurrency": 10_000, "max_restarts": 0}
    return (
        ray.remote(actor).options(name=name, scheduling_strategy=here, **options).remote(*arguments)
    )
