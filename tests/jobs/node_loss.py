"""A run on a cluster of three nodes, in which the node with the replica is lost.

    python -m tests.jobs.node_loss RECIPE

In a process of its own, because a process can be connected to one Ray alone.
"""

import sys
import threading

import ray
from ray.cluster_utils import Cluster
from ray.util.state import list_actors

from jobs.generate import generate
from jobs.prompts import read_prompts
from jobs.recipe import load_job
from tests.jobs.faults import has_samples, wait_until


def main() -> None:
    """The head has no CPU, so that replica and scorers are on the other two nodes."""
    job = load_job(sys.argv[1])
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    nodes = [cluster.add_node(num_cpus=2) for _ in range(2)]
    ray.init(address=cluster.address, log_to_driver=False)

    def lose_the_replicas_node() -> None:
        wait_until(has_samples(job, 8), "no samples")
        (replica,) = list_actors(filters=[("class_name", "=", "Replica"), ("state", "=", "ALIVE")])
        (lost,) = [node for node in nodes if node.node_id == replica.node_id]
        cluster.remove_node(lost, allow_graceful=False)

    thread = threading.Thread(target=lose_the_replicas_node)
    thread.start()
    generate(job, read_prompts(job.recipe))
    thread.join()
    ray.shutdown()
    cluster.shutdown()


if __name__ == "__main__":
    main()
