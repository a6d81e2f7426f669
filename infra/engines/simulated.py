"""A made-up teacher with the interface of a real one, for tests, rehearsals and benchmarks.

It writes R1-shaped text at any speed: lognormal lengths, right and wrong answers, request errors
and deaths, all from a seed. It can really answer questions of the form "What is 17 + 25?", and for
small programs, at the rate that it is told. Its samples have a teacher identity of their own and
are never published unasked. How long it takes is the step-time model's say, in real or in
compressed time.
"""

import asyncio
import hashlib
import math
import random
import re
from array import array
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from infra.decoding import Request
from infra.engines.real_time import RealTimeDecoder
from infra.engines.simulated_answers import simulated_answer
from infra.step_time import StepTime
from schemas.errors import EngineError, RequestError
from schemas.identity import Messages
from schemas.ports import (
    ABORTED,
    REPETITION,
    Begun,
    Completion,
    EngineFacts,
    RenderedPrompt,
    Sampling,
)
from schemas.reasoning import CLOSE
from schemas.recipe import RepetitionDetection, Teacher

THOUGHTS = (
    "First I read the numbers again.",
    "Adding them one by one should be safe.",
    "The tens carry over here.",
    "That looks plausible to me.",
    "I could also check it from the other side.",
    "Both ways lead to the same place.",
)
THINK_END_TOKEN = 1
LOGPROB = -0.25
"""Of every token: it is as sure of one as of the other."""
SIGMA = 0.8
"""Spread of the lognormal lengths; R1's own have a coefficient of variation near 1."""


class StepTimeArgs(BaseModel):
    """`step_time` of the simulated engine: `infra.step_time.StepTime` without its slots, which are
    `max_num_seqs`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_s: float = Field(gt=0)
    per_sequence_s: float = Field(0, ge=0)
    per_kv_token_s: float = Field(0, ge=0)
    per_prefill_token_s: float = Field(0, ge=0)
    kv_tokens: float = Field(math.inf, gt=0)


class SimulatedArgs(BaseModel):
    """`engine_args` of the simulated engine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_num_seqs: int = Field(64, ge=1)
    max_model_len: int = Field(8192, ge=16)
    mean_tokens: float = Field(60, gt=0)
    accuracy: float = Field(0.6, ge=0, le=1)
    unclosed: float = Field(0.02, ge=0, le=1)
    """Share of samples whose thinking never closes."""
    loops: float = Field(0, ge=0, le=1)
    """Share of samples whose thinking goes round in circles and never closes."""
    tokens_per_second: float = Field(0, ge=0)
    """Of one slot, however many are full; 0, without `step_time`, answers at once."""
    step_time: StepTimeArgs | None = None
    """How long a step takes, in place of `tokens_per_second`."""
    speed: float = Field(1, gt=0)
    """Simulated seconds that pass in a real one."""
    transient_errors: float = Field(0, ge=0, le=1)
    """Share of samples whose first try fails."""
    rejects: float = Field(0, ge=0, le=1)
    """Share of prompts that are refused every time."""
    dies_after: int = Field(0, ge=0)
    """The engine dies with this many-th request; 0: never."""
    hangs_after: int = Field(0, ge=0)
    """From this many-th request on none ends any more; 0: never."""
    poisoned: float = Field(0, ge=0, le=1)
    """Share of prompts that kill the engine every time."""
    start_seconds: float = Field(0, ge=0)
    """How long the engine takes to be ready, in real time."""

    @model_validator(mode="after")
    def _one_rate(self) -> Self:
        if self.step_time is not None and self.tokens_per_second:
            raise ValueError("tokens_per_second and step_time exclude each other")
        return self

    @property
    def step(self) -> StepTime | None:
        """Null: it takes no time at all."""
        if self.step_time is not None:
            return StepTime(**self.step_time.model_dump(), slots=self.max_num_seqs)
        if self.tokens_per_second:
            return StepTime(1 / self.tokens_per_second, 0.0, slots=self.max_num_seqs)
        return None


class SimulatedEngine:
    """Behaves as `SimulatedArgs` says; the same request always gets the same answer."""

    def __init__(self, teacher: Teacher) -> None:
        self._args = SimulatedArgs(**teacher.engine_args)
        self._started = 0
        self._tokens_at_once = 0
        self._failed_once: set[int] = set()
        step = self._args.step
        self._decoder = None if step is None else RealTimeDecoder(step, self._args.speed)

    async def start(self) -> EngineFacts:
        await asyncio.sleep(self._args.start_seconds)
        return EngineFacts(
            engine="simulated",
            version="1",
            dtype="none",
            max_model_len=self._args.max_model_len,
            slots=self._args.max_num_seqs,
            think_end_token=THINK_END_TOKEN,
        )

    def render(self, messages: Messages) -> RenderedPrompt:
        text = "".join(f"<{m['role']}>{m['content']}" for m in messages) + "<assistant><think>\n"
        return RenderedPrompt(text, range(len(text.split())), thinking_open=True)

    async def generate(
        self,
        request_id: str,
        prompt: RenderedPrompt,
        sampling: Sampling,
        seed: int,
        begun: Begun | None = None,
    ) -> Completion:
        self._started += 1
        if self._args.dies_after and self._started >= self._args.dies_after:
            raise EngineError(f"the simulated engine died with request {self._started}")
        if len(prompt.token_ids) >= self._args.max_model_len:
            raise RequestError("rejected", "prompt_too_long", f"{len(prompt.token_ids)} tokens")
        self._fail_on_purpose(prompt.text, seed)
        tokens, cut = self._write(prompt.text, seed, sampling)
        room = self._args.max_model_len - len(prompt.token_ids)
        tokens, finish_reason = _ended(tokens, sampling, room)
        request = Request(
            request_id,
            len(tokens),
            hash(prompt.text),
            len(prompt.token_ids),
            0 if begun is None else len(begun.token_ids),
        )
        done = await self._decode(request)
        if done < len(tokens):
            tokens, finish_reason = tokens[:done], ABORTED
        ids = tuple(THINK_END_TOKEN if token == CLOSE else 0 for token in tokens)
        return Completion(
            "".join(tokens),
            ids,
            finish_reason,
            None,
            array("f", [LOGPROB]) * len(ids),
            LOGPROB,
            CLOSE in tokens and cut,
        )

    async def interrupt(self, request_id: str) -> None:
        if self._decoder is not None:
            self._decoder.interrupt(request_id)

    async def _decode(self, request: Request[str]) -> int:
        """Takes its time; the tokens that the sample has then, fewer where it was interrupted."""
        if self._args.hangs_after and self._started >= self._args.hangs_after:
            await asyncio.Event().wait()
        if self._decoder is not None:
            return await self._decoder.decode(request)
        self._tokens_at_once += request.tokens - int(request.begun)
        return request.tokens

    def tokens(self) -> int:
        return self._tokens_at_once if self._decoder is None else self._decoder.tokens()

    def generated(self) -> int:
        return self.tokens()

    def _fail_on_purpose(self, prompt: str, seed: int) -> None:
        if _uniform(f"poison {prompt}") < self._args.poisoned:
            raise EngineError("the simulated engine died of a poisoned prompt")
        if _uniform(f"reject {prompt}") < self._args.rejects:
            raise RequestError("rejected", "simulated_reject", "refused every time")
        fails = _uniform(f"error {seed}") < self._args.transient_errors
        if fails and seed not in self._failed_once:
            self._failed_once.add(seed)
            raise RequestError("transient", "simulated_error", "fails the first time")

    def _write(self, prompt: str, seed: int, sampling: Sampling) -> tuple[list[str], bool]:
        """The tokens of a completion, words with the blank before them, and whether its thinking
        was cut."""
        rng = random.Random(seed)
        thoughts, closes = self._think(rng, seed, sampling.max_tokens)
        budget = sampling.thinking_token_budget
        cut = budget is not None and len(thoughts) >= budget
        if not closes and not cut:
            return thoughts, False
        answer = simulated_answer(prompt, rng, self._args.accuracy)
        return [*thoughts[:budget], CLOSE, *_words(answer)], cut

    def _think(self, rng: random.Random, seed: int, max_tokens: int) -> tuple[list[str], bool]:
        """The thinking, and whether it comes to an end by itself."""
        mu = math.log(self._args.mean_tokens) - SIGMA**2 / 2
        length = max(8, int(rng.lognormvariate(mu, SIGMA)))
        thoughts = " ".join(rng.choice(THOUGHTS) for _ in range(length // 6 + 1))
        if _uniform(f"loop {seed}") < self._args.loops:
            circle = _words(f" {rng.choice(THOUGHTS)}")
            return [*_words(thoughts), *circle * (max_tokens // len(circle) + 1)], False
        if rng.random() < self._args.unclosed:
            return _words(thoughts), False
        return _words(f"{thoughts}\n"), True

    def close(self) -> None:
        return None


def _ended(tokens: list[str], sampling: Sampling, room: int) -> tuple[list[str], str]:
    """The tokens up to where the engine ends them, and its reason."""
    longest = min(sampling.max_tokens, room)
    finish_reason = "stop" if len(tokens) <= longest else "length"
    tokens = tokens[:longest]
    loops = sampling.repetition_detection
    circled = None if loops is None else _first_repetition(tokens, loops)
    if circled is None or circled == sampling.max_tokens:
        return tokens, finish_reason
    return tokens[:circled], REPETITION


def _first_repetition(tokens: list[str], detection: RepetitionDetection) -> int | None:
    """After how many tokens the last ones are a pattern, repeated often enough."""
    same = dict.fromkeys(range(detection.min_pattern_size, detection.max_pattern_size + 1), 0)
    for place, token in enumerate(tokens):
        for size in same:
            repeats = place >= size and tokens[place - size] == token
            same[size] = same[size] + 1 if repeats else 0
            if same[size] == size * (detection.min_count - 1):
                return place + 1
    return None


def _words(text: str) -> list[str]:
    return re.findall(r"\s*\S+|\s+", text)


def _uniform(text: str) -> float:
    """A number in [0, 1) that depends on the text alone."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7]) / 2**56
