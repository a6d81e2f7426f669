"""What the service costs over a bare engine: tokens per second of the same requests.

    python -m benchmarks.service_against_bare_engine --pairs 7

Bare is a loop around AsyncLLM in one process that keeps as many requests in it as the service does.
The service is a whole `generate`: coordinator, replica, files, commits, and a scorer on the same
cores. Both draw the same samples of the same prompts, all of one length (`ignore_eos`), and both
are measured from the moment the engine is ready until the last token is there or, for the service,
the last verdict.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from typing import Any

import infra.placement
from infra.engines.vllm import VllmEngine
from infra.replica import Replica, requests_at_once
from infra.settings import ReplicaSettings
from jobs.generate import generate
from jobs.prompts import PromptList, read_prompts
from jobs.recipe import Job, load_job
from schemas.identity import sample_seed
from schemas.ports import Sampling

RECIPE = "recipes/quickstart.yaml"


class FixedLengthEngine(VllmEngine):
    """Every sample goes on to `max_tokens`."""

    def parameters(self, sampling: Sampling, seed: int) -> Any:
        parameters = super().parameters(sampling, seed)
        parameters.ignore_eos = True
        return parameters


class FixedLengthReplica(Replica):
    """A replica with that engine."""

    def __init__(self, name: str, settings: ReplicaSettings) -> None:
        super().__init__(name, settings)
        self._engine = FixedLengthEngine(settings.teacher)


async def bare(job: Job, prompts: PromptList) -> float:
    """Tokens per second of a bare engine."""
    engine = FixedLengthEngine(job.recipe.teacher)
    facts = await engine.start()
    gate = asyncio.Semaphore(requests_at_once(facts.slots))

    async def draw(prompt_id: str, messages: list[dict[str, str]], index: int) -> int:
        async with gate:
            seed = sample_seed(prompt_id, job.teacher_id, index)
            completion = await engine.generate(
                f"{prompt_id}-{index}", engine.render(messages), job.sampling, seed
            )
            return len(completion.token_ids)

    started = time.monotonic()
    tokens = await asyncio.gather(
        *(
            draw(prompt_id, messages, index)
            for prompt_id, messages in prompts.frame.select("prompt_id", "messages").iter_rows()
            for index in range(job.recipe.samples.max)
        )
    )
    seconds = time.monotonic() - started
    engine.close()
    return sum(tokens) / seconds


def service(job: Job, prompts: PromptList) -> float:
    """Tokens per second of the whole service, on a store of its own."""
    with tempfile.TemporaryDirectory() as store:
        fresh = Job.of(job.recipe.model_copy(update={"store": store}))
        done = generate(fresh, prompts)
        return done.tokens / done.working_s


def main() -> None:
    """Interleaved pairs, then the median ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--samples", type=int, default=4, help="of each prompt")
    parser.add_argument("--tokens", type=int, default=256, help="of each sample")
    arguments = parser.parse_args()
    vars(infra.placement)["Replica"] = FixedLengthReplica
    n = arguments.samples
    job = load_job(
        RECIPE,
        [
            f"samples={{probe: {n}, max: {n}, enough: {n}}}",
            f"sampling.max_tokens={arguments.tokens}",
            "scorers={'*': [format]}",
            "keep={finished: format.complete}",
            "choose={per_prompt: 1}",
            "flush={seconds: 30}",
        ],
    )
    prompts = read_prompts(job.recipe)
    ratios = []
    for pair in range(arguments.pairs):
        one, other = asyncio.run(bare(job, prompts)), service(job, prompts)
        ratios.append(other / one)
        print(f"pair {pair}: bare {one:,.0f} tok/s, service {other:,.0f} tok/s, {ratios[-1]:.3f}")
        sys.stdout.flush()
    print(f"median ratio {statistics.median(ratios):.3f}, {min(ratios):.3f} to {max(ratios):.3f}")


if __name__ == "__main__":
    main()
