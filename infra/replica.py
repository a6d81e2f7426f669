"""A replica: one engine in a Ray actor that pulls work, draws samples and delivers them.

It asks for work when it has free slots, so a slot is filled again the moment a sample ends.
Serialising and writing happen in a thread, off the loop that feeds the engine.
"""

import asyncio
import logging
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.engines.simulated import SimulatedEngine
from infra.engines.vllm import VllmEngine
from infra.messages import Drawn, Place, Work
from infra.prompts import read_prompt
from infra.revision import assert_same_code
from infra.scheduler import Key
from infra.spool import Spool
from schemas.arrow import SAMPLES
from schemas.errors import RequestError, RunError
from schemas.identity import sample_seed, text_digest
from schemas.ports import Completion, Engine, EngineFacts, RenderedPrompt, Sampling
from schemas.prompt import Prompt
from schemas.reasoning import split_reasoning
from schemas.recipe import Flush, Teacher
from schemas.sample import DONE, FAILED, Sample

LONG_POLL_S = 1.0
PREFETCH_SHARE = 8
"""One sample waits in the engine for so many slots, so that a free slot never waits for a call."""
STARVED_FLUSH_SHARE = 10
"""With nothing left to draw, the buffer is flushed this many times sooner: its verdicts may be
what everyone is waiting for."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReplicaSettings:
    """What a replica is started with."""

    teacher: Teacher
    teacher_id: str
    sampling: Sampling
    flush: Flush
    samples: Path
    """Folder of the samples table."""
    attempt: str
    code: str


class Replica:
    """Runs until all prompts are settled; raises EngineError when its engine dies."""

    def __init__(self, name: str, settings: ReplicaSettings, coordinator: Any) -> None:
        assert_same_code(settings.code)
        self._name = name
        self._settings = settings
        self._coordinator = coordinator
        self._engine: Engine = _engine(settings.teacher)
        self._running: dict[Key, asyncio.Task[None]] = {}
        self._spool: Spool[Drawn] = Spool(
            settings.samples, SAMPLES, f"{settings.attempt}-{name}", settings.flush
        )
        self._flushing: asyncio.Task[None] | None = None
        self._rendered: tuple[Place, RenderedPrompt] | None = None

    async def run(self) -> None:
        """Starts the engine, pulls work until there is none, flushes, and closes."""
        self._facts: EngineFacts = await self._engine.start()
        try:
            await self._coordinator.join.remote(self._name)
            while not await self._step():
                pass
            await self._flush()
        finally:
            self._engine.close()

    async def _step(self) -> bool:
        """Fills free slots, flushes what is due, waits for a sample; True when all is done."""
        self._raise_dead()
        room = self._room()
        if room > 0:
            patience = self._patience()
            grant = await self._coordinator.lease.remote(self._name, room, wait_s=patience)
            for work in grant.work:
                self._running[work.key] = asyncio.create_task(self._draw(work))
            if grant.finished and not self._running:
                return True
            starved = not grant.work
        else:
            await asyncio.wait(
                self._running.values(), timeout=LONG_POLL_S, return_when=asyncio.FIRST_COMPLETED
            )
            starved = False
        if self._spool.due() or (starved and self._spool.age() >= self._patience()):
            self._start_flush()
        return False

    def _room(self) -> int:
        """How many samples more the engine takes, with a few that wait for a slot in it."""
        return self._facts.slots + max(1, self._facts.slots // PREFETCH_SHARE) - len(self._running)

    def _patience(self) -> float:
        """How long to wait for work before the buffer is flushed; seconds."""
        if not self._spool:
            return LONG_POLL_S
        return min(LONG_POLL_S, self._settings.flush.seconds / STARVED_FLUSH_SHARE)

    def _raise_dead(self) -> None:
        """Forgets finished samples; the error of a dead engine or of a flush ends the replica."""
        if self._flushing is not None and self._flushing.done():
            self._flushing.result()
        for key in [key for key, task in self._running.items() if task.done()]:
            self._running.pop(key).result()

    async def _draw(self, work: Work) -> None:
        started = time.monotonic()
        prompt = read_prompt(work.prompt)
        seed = sample_seed(prompt.prompt_id, self._settings.teacher_id, work.key.sample_index)
        request_id = f"{prompt.prompt_id}-{work.key.sample_index}-{work.tries}"
        rendered: RenderedPrompt | None = None
        try:
            rendered = self._render(work.prompt, prompt)
            completion = await self._engine.generate(
                request_id, rendered, self._settings.sampling, seed
            )
        except RequestError as error:
            if error.kind == "transient" and await self._again(work.key):
                return
            outcome = _failure(error)
            drawn = Drawn(work.key, done=False, tokens=0, reason=error.reason)
        else:
            outcome = _completed(completion, rendered, self._facts)
            drawn = Drawn(work.key, done=True, tokens=len(completion.token_ids), reason=None)
        row = self._row(prompt, work, seed, started) | _rendered(rendered) | outcome
        self._spool.add(Sample(**row).to_row(), drawn)

    async def _again(self, key: Key) -> bool:
        return bool(await self._coordinator.failed.remote(self._name, key))

    def _render(self, place: Place, prompt: Prompt) -> RenderedPrompt:
        """Siblings come next to each other, so the last prompt is nearly always the right one."""
        if self._rendered is None or self._rendered[0] != place:
            system = self._settings.teacher.system
            first = [] if system is None else [{"role": "system", "content": system}]
            self._rendered = (place, self._engine.render([*first, *prompt.messages]))
        return self._rendered[1]

    def _row(self, prompt: Prompt, work: Work, seed: int, started: float) -> dict[str, Any]:
        """What is known of a sample however it ended; the rest is null."""
        known: dict[str, Any] = {
            "prompt_id": prompt.prompt_id,
            "teacher_id": self._settings.teacher_id,
            "sample_index": work.key.sample_index,
            "max_tokens": self._settings.sampling.max_tokens,
            "seed": seed,
            "engine": self._facts.engine,
            "engine_version": self._facts.version,
            "dtype": self._facts.dtype,
            "replica": self._name,
            "attempt": self._settings.attempt,
            "tries": work.tries,
            "duration_s": time.monotonic() - started,
        }
        return dict.fromkeys(SAMPLES.names) | known

    def _start_flush(self) -> None:
        """Flushes beside the drawing, one flush at a time."""
        if self._flushing is not None:
            if not self._flushing.done():
                return
            self._flushing.result()
        self._flushing = asyncio.create_task(self._deliver(self._spool.take()))

    async def _flush(self) -> None:
        """Delivers everything and waits for it."""
        if self._flushing is not None:
            await self._flushing
        await self._deliver(self._spool.take())

    async def _deliver(self, rows: list[tuple[Mapping[str, Any], Drawn]]) -> None:
        """Writes and delivers rows, without what another replica draws by now."""
        while rows:
            batch = await asyncio.to_thread(self._spool.write, rows)
            refused = set(await self._coordinator.deliver.remote(self._name, batch))
            if not refused:
                return
            log.warning("replica %s lost the lease of %d samples", self._name, len(refused))
            rows = [(row, drawn) for row, drawn in rows if drawn.key not in refused]


def _engine(teacher: Teacher) -> Engine:
    return SimulatedEngine(teacher) if teacher.engine == "simulated" else VllmEngine(teacher)


def _rendered(prompt: RenderedPrompt | None) -> dict[str, Any]:
    if prompt is None:
        return {"thinking_open": False}
    return {
        "thinking_open": prompt.thinking_open,
        "prompt_tokens": len(prompt.token_ids),
        "prompt_digest": text_digest(prompt.text),
    }


def _failure(error: RequestError) -> dict[str, Any]:
    return {
        "outcome": FAILED,
        "failure": error.kind,
        "failure_reason": error.reason,
        "failure_detail": error.detail,
    }


def _completed(
    completion: Completion, prompt: RenderedPrompt, facts: EngineFacts
) -> dict[str, Any]:
    """The columns that a finished request fills."""
    split = split_reasoning(completion.text, thinking_open=prompt.thinking_open)
    ids = tuple(completion.token_ids)
    reasoning_tokens = _reasoning_tokens(ids, facts.think_end_token, split.reasoning, split.closed)
    return {
        "outcome": DONE,
        "text": completion.text,
        "text_digest": text_digest(completion.text),
        "token_ids": ids if completion.finish_reason == "length" else None,
        "reasoning": split.reasoning,
        "answer": split.answer,
        "finish_reason": completion.finish_reason,
        "stop_reason": completion.stop_reason,
        "reasoning_tokens": reasoning_tokens,
        "answer_tokens": None if reasoning_tokens is None else len(ids) - reasoning_tokens,
        "mean_logprob": completion.mean_logprob,
    }


def _reasoning_tokens(
    ids: tuple[int, ...], think_end: int | None, reasoning: str | None, closed: bool
) -> int | None:
    """Tokens up to and with the closing tag; null where the tokenizer has no such token."""
    if reasoning is None:
        return 0
    if not closed:
        return len(ids)
    return ids.index(think_end) + 1 if think_end is not None and think_end in ids else None


def assert_placeable(teacher: Teacher) -> None:
    """RunError if this machine can never hold `replicas.min`; a cluster may still grow."""
    import ray

    needed, there = _gpus(teacher) * teacher.replicas.min, ray.cluster_resources().get("GPU", 0)
    if needed > there and not os.environ.get("RAY_ADDRESS"):
        raise RunError(
            f"teacher: {teacher.replicas.min} replicas of {_gpus(teacher)} GPUs each do not fit "
            f"on this machine's {there:.0f}; lower engine_args.tensor_parallel_size or replicas.min"
        )


def _gpus(teacher: Teacher) -> int:
    """GPUs of one replica; none where there are none, as with the CPU build."""
    import ray

    if teacher.engine != "vllm" or not ray.cluster_resources().get("GPU", 0):
        return 0
    args = teacher.engine_args
    return int(args.get("tensor_parallel_size", 1) * args.get("pipeline_parallel_size", 1))


def start_replica(name: str, settings: ReplicaSettings, coordinator: Any) -> Any:
    """The replica as a Ray actor, with the GPUs or the CPU that its engine needs."""
    import ray

    gpus = _gpus(settings.teacher)
    cpus = 1 if settings.teacher.engine == "vllm" else 0
    return (
        ray.remote(Replica)
        .options(
            num_gpus=gpus, num_cpus=cpus, max_restarts=0, max_task_retries=0, max_concurrency=1000
        )
        .remote(name, settings, coordinator)
    )
