"""Ray, here or on the cluster that the environment names."""

import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

MINIMUM_CPUS = 2
"""A replica and a scorer worker ask for one each; on a single core they share it."""

AUTHENTICATION_LOGGER = "ray._private.authentication.authentication_token_setup"


@contextmanager
def ray_cluster() -> Iterator[None]:
    """Connects to `RAY_ADDRESS`, or starts Ray on this machine for as long as the block runs.

    A Ray that is already connected, as inside a Ray job, is used and left alone.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    if ray.is_initialized():
        yield
        return
    on_sigterm = signal.getsignal(signal.SIGTERM)
    if os.environ.get("RAY_ADDRESS"):
        ray.init(logging_level=logging.WARNING, log_to_driver=False)
    else:
        # Ray protects a local cluster by a token of itself, and warns that it does.
        logging.getLogger(AUTHENTICATION_LOGGER).setLevel(logging.ERROR)
        ray.init(
            address="local",
            num_cpus=max(MINIMUM_CPUS, os.cpu_count() or 1),
            include_dashboard=False,
            logging_level=logging.WARNING,
            log_to_driver=False,
        )
    # Ray puts its own handler there, which exits with 1 or 15.
    signal.signal(signal.SIGTERM, on_sigterm)
    try:
        yield
    finally:
        ray.shutdown()
