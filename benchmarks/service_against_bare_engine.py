"""What the service costs over a bare engine: tokens per second of the same requests.

    python -m benchmarks.service_against_bare_engine --pairs 3

Bare is a loop in one process that keeps as many requests in the same VllmEngine as the service.
The service is a whole `generate`: coordinator, replica, files, commits, scorers on the same cores.
Both draw the same samples of the same prompts; start-up is excluded from both.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time

from infra.engines.vllm import VllmEngine
from infra.replica import PREFETCH_SHARE
from jobs.generate import generate
from jobs.prompts import PromptList, read_prompts
from jobs.recipe import Job, load_job
from schemas.identity import sample_seed

RECIPE = "recipes/quickstart.yaml"


def bare(job: Job, prompts: PromptList) -> float:
    """Tokens per second of a bare engine."""
    return asyncio.run(_bare(job, prompts))


async def _bare(job: Job, prompts: PromptList) -> float:
    engine = VllmEngine(job.recipe.teacher)
    facts = await engine.start()
    gate = asyncio.Semaphore(facts.slots + max(1, facts.slots // PREFETCH_SHARE))

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
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--samples", type=int, default=8, help="of each prompt")
    arguments = parser.parse_args()
    n = arguments.samples
    # As many as possible for every prompt, so that both draw exactly the same samples.
    job = load_job(RECIPE, [f"samples={{probe: {n}, max: {n}, enough: {n}}}"])
    prompts = read_prompts(job.recipe)
    ratios = []
    for pair in range(arguments.pairs):
        one, other = bare(job, prompts), service(job, prompts)
        ratios.append(other / one)
        print(f"pair {pair}: bare {one:,.0f} tok/s, service {other:,.0f} tok/s, {ratios[-1]:.3f}")
        sys.stdout.flush()
    print(f"median ratio {statistics.median(ratios):.3f}, {min(ratios):.3f} to {max(ratios):.3f}")


if __name__ == "__main__":
    main()
