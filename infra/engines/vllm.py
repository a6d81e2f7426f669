"""vLLM inside this process: one AsyncLLM, one sample a request."""

import asyncio
import copy
import os
from array import array
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from infra.engines.thinking import closing_place, thinking_was_cut
from infra.engines.tokenizer import check_tokenizer
from schemas.errors import EngineError, RequestError
from schemas.identity import Messages
from schemas.ports import Begun, Completion, EngineFacts, RenderedPrompt, Sampling
from schemas.reasoning import CLOSE, OPEN
from schemas.recipe import Teacher

if TYPE_CHECKING:
    from vllm import SamplingParams
    from vllm.config import ModelConfig, VllmConfig
    from vllm.v1.engine.async_llm import AsyncLLM

DEFAULT_SLOTS = 128
DEFAULT_BATCHED_TOKENS = 8192
CPU_KV_CACHE_GIB = "2"


class VllmEngine:
    """The engine of a recipe's teacher. One request is one sample (n=1); only finished outputs
    are sent (FINAL_ONLY), which halves the frontend's work."""

    def __init__(self, teacher: Teacher, *, thinking_budget: bool = False) -> None:
        """`thinking_budget`: its requests have one."""
        self._teacher = teacher
        self.thinking_budget = thinking_budget
        self._engine: AsyncLLM | None = None
        self._tokenizer: Any = None
        self._read = 0
        self._generated = 0
        self._closing: int | None = None
        """Token id of the tag that closes the thinking."""
        self._tags: tuple[int, int] | None = None
        """Token ids of the thinking tags, where requests have a budget."""

    async def start(self) -> EngineFacts:
        """Loads the model; EngineError with vLLM's own message where it cannot."""
        os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
        os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", CPU_KV_CACHE_GIB)
        import vllm
        from vllm.v1.engine.async_llm import AsyncLLM

        try:
            args = self._engine_args()
            # It blocks for as long as the model loads, and the actor's loop must go on answering.
            self._engine = await asyncio.to_thread(
                AsyncLLM.from_engine_args, args, stat_loggers=[_token_counter(self._count)]
            )
        except Exception as error:  # vLLM raises every type here, OSError to pydantic's
            raise EngineError(
                f"vLLM did not start {self._teacher.model!r}: {error}. Its own log is in Ray's log "
                "folder, worker-*.err (/tmp/ray/session_latest/logs as a rule)"
            ) from error
        # A copy: prompts are rendered in a thread, and a fast tokenizer is not safe for several.
        self._tokenizer = copy.deepcopy(self._engine.get_tokenizer())
        self._closing = self._single_token(CLOSE)
        config = self._engine.vllm_config
        try:
            self._check_tokenizer(config.model_config)
            if self.thinking_budget:
                self._check_thinking_budget(config)
        except EngineError:
            self.close()
            raise
        return EngineFacts(
            engine="vllm",
            version=vllm.__version__,
            dtype=str(config.model_config.dtype).removeprefix("torch."),
            max_model_len=config.model_config.max_model_len,
            slots=config.scheduler_config.max_num_seqs,
            think_end_token=self._closing,
        )

    def _count(self, read: int, generated: int) -> None:
        self._read += read
        self._generated += generated

    def tokens(self) -> int:
        return self._read + self._generated  # a long prefill is no hang

    def generated(self) -> int:
        return self._generated

    def _check_tokenizer(self, model: "ModelConfig") -> None:
        if not getattr(self._tokenizer, "chat_template", None):
            raise EngineError(f"{self._teacher.model!r} has no chat template in its tokenizer")
        check_tokenizer(self._tokenizer, str(model.tokenizer), model.tokenizer_revision)

    def _check_thinking_budget(self, config: "VllmConfig") -> None:
        """EngineError where vLLM would not see where thinking begins and ends."""
        opening, closing = self._single_token(OPEN), self._single_token(CLOSE)
        if opening is None or closing is None:
            raise EngineError(
                f"sampling.thinking_token_budget: the tokenizer of {self._teacher.model!r} has no "
                f"single token for {OPEN} or {CLOSE}"
            )
        reasoning = config.reasoning_config
        if (
            reasoning is None
            or reasoning.reasoning_start_token_ids != [opening]
            or reasoning.natural_reasoning_end_token_ids != [closing]
        ):
            raise EngineError(
                f"sampling.thinking_token_budget: vLLM sees other tags than {OPEN} and {CLOSE} in "
                f"{reasoning}. Take reasoning_config out of teacher.engine_args, or name a "
                "reasoning_parser of this model in it"
            )
        # Its older model runner looks for the whole forced text as the end of the thinking, and
        # would write it into the answer of a sample that closed its thinking by itself.
        if not config.use_v2_model_runner and reasoning.reasoning_end_token_ids != [closing]:
            raise EngineError(
                "sampling.thinking_token_budget: on this machine vLLM's V1 model runner can only "
                f"force {CLOSE} alone, and reasoning_end_str is {reasoning.reasoning_end_str!r}"
            )
        self._tags = opening, closing

    def _engine_args(self) -> Any:
        from vllm import AsyncEngineArgs
        from vllm.config import ReasoningConfig
        from vllm.platforms import current_platform

        # AsyncLLM falls back to 128 requests and 2,048 tokens a step on every GPU, so both are
        # always named.
        own: dict[str, Any] = {
            "model": self._teacher.model,
            "revision": self._teacher.revision,
            "max_num_seqs": DEFAULT_SLOTS,
            "disable_log_stats": True,
            **self._teacher.engine_args,
        }
        if self.thinking_budget and "reasoning_parser" not in own:
            own.setdefault(
                "reasoning_config",
                ReasoningConfig(reasoning_start_str=OPEN, reasoning_end_str=CLOSE),
            )
        if current_platform.is_cpu():
            # A seeded request that is prefilled in chunks kills the CPU engine ("CPU Generator
            # does not use offset"), so that a whole prompt must fit into one step.
            own["enable_chunked_prefill"] = False
            longest = AsyncEngineArgs(**own).create_model_config().max_model_len
            own.setdefault("max_num_batched_tokens", max(longest, DEFAULT_BATCHED_TOKENS))
        else:
            own.setdefault("max_num_batched_tokens", DEFAULT_BATCHED_TOKENS)
        return AsyncEngineArgs(**own)

    def _single_token(self, text: str) -> int | None:
        ids = self._tokenizer.encode(text, add_special_tokens=False)
        return ids[0] if len(ids) == 1 else None

    def render(self, messages: Messages) -> RenderedPrompt:
        """The chat template around `messages`, ready for the model's turn; RequestError where the
        template refuses them."""
        try:
            text = self._tokenizer.apply_chat_template(
                [dict(message) for message in messages], tokenize=False, add_generation_prompt=True
            )
        except Exception as error:  # templates raise what they like on roles that they do not know
            raise RequestError("rejected", "template_refused", str(error)) from error
        # The template already wrote the special tokens.
        token_ids = self._tokenizer.encode(text, add_special_tokens=False)
        return RenderedPrompt(text, token_ids, text.rstrip().endswith(OPEN))

    async def generate(
        self,
        request_id: str,
        prompt: RenderedPrompt,
        sampling: Sampling,
        seed: int,
        begun: Begun | None = None,
    ) -> Completion:
        """One completion; cancelling the task aborts the request."""
        from vllm import TokensPrompt
        from vllm.exceptions import VLLMClientError
        from vllm.v1.engine.exceptions import EngineDeadError, EngineGenerateError

        assert self._engine is not None
        limit = self._engine.model_config.max_model_len
        if len(prompt.token_ids) >= limit:
            raise RequestError(
                "rejected", "prompt_too_long", f"{len(prompt.token_ids)} tokens, context {limit}"
            )
        done = () if begun is None else begun.token_ids
        room = min(sampling.max_tokens, limit - len(prompt.token_ids))
        if begun is not None and len(done) >= room:
            completion = self._joined(begun, Completion("", (), "length", None, array("f"), 0.0))
            return self._told(completion, prompt, sampling)
        tokens = TokensPrompt(prompt_token_ids=[*prompt.token_ids, *done])
        try:
            # Another seed, or the same random numbers would be used again.
            parameters = self.parameters(sampling, (seed + len(done)) % 2**63)
            parameters.max_tokens = sampling.max_tokens - len(done)
            async for output in self._engine.generate(tokens, parameters, request_id):
                final = output.outputs[0]
        except EngineDeadError as error:
            raise EngineError(f"the vLLM engine died: {error}") from error
        except EngineGenerateError as error:
            raise RequestError("transient", "engine_error", str(error)) from error
        except (VLLMClientError, ValueError) as error:
            raise RequestError("rejected", "request_refused", str(error)) from error
        completion = _completion(final)
        if begun is not None and begun.token_ids:
            completion = self._joined(begun, completion)
        return self._told(completion, prompt, sampling)

    async def interrupt(self, request_id: str) -> None:
        """vLLM then ends the request with what it has, also where only finished ones are sent."""
        assert self._engine is not None
        await self._engine.abort(request_id)

    def _joined(self, begun: Begun, rest: Completion) -> Completion:
        """The whole sample. Its text is decoded anew: a character may have been cut in two."""
        token_ids = (*begun.token_ids, *rest.token_ids)
        text = self._tokenizer.decode(token_ids, skip_special_tokens=True)
        if rest.finish_reason == "stop" and rest.stop_reason is not None:
            text = text[: text.rfind(rest.stop_reason)] if rest.stop_reason in text else text
        mean = None if rest.token_ids else begun.mean_logprob
        if begun.mean_logprob is not None and rest.mean_logprob is not None:
            total = begun.mean_logprob * len(begun.token_ids)
            total += rest.mean_logprob * len(rest.token_ids)
            mean = total / len(token_ids)
        return replace(
            rest,
            text=text,
            token_ids=token_ids,
            token_logprobs=begun.token_logprobs + rest.token_logprobs,
            mean_logprob=mean,
        )

    def _told(
        self, completion: Completion, prompt: RenderedPrompt, sampling: Sampling
    ) -> Completion:
        """With what its tokens say of its thinking, and its text does not."""
        closing_at = closing_place(
            completion.text,
            completion.token_ids,
            self._closing,
            lambda ids: str(self._tokenizer.decode(ids, skip_special_tokens=True)),
        )
        completion = replace(completion, closing_at=closing_at)
        budget = sampling.thinking_token_budget
        if budget is None:
            return completion
        assert self._tags is not None
        cut = thinking_was_cut(prompt.token_ids, completion.token_ids, budget, *self._tags)
        return replace(completion, thinking_cut=cut)

    def parameters(self, sampling: Sampling, seed: int) -> "SamplingParams":
        """Sampling as vLLM takes it; ValueError for what it refuses."""
        from vllm import SamplingParams
        from vllm.sampling_params import RepetitionDetectionParams, RequestOutputKind

        loops = sampling.repetition_detection
        return SamplingParams(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
            min_p=sampling.min_p,
            repetition_penalty=sampling.repetition_penalty,
            stop=list(sampling.stop),
            max_tokens=sampling.max_tokens,
            repetition_detection=(
                None if loops is None else RepetitionDetectionParams(**loops.model_dump())
            ),
            thinking_token_budget=sampling.thinking_token_budget,
            seed=seed,
            logprobs=0,
            flat_logprobs=True,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )

    def close(self) -> None:
        """Stops the engine's processes."""
        if self._engine is not None:
            self._engine.shutdown()
            self._engine = None


def _token_counter(count: Callable[[int, int], None]) -> type:
    """A stat logger that counts tokens and nothing else. One that is no PrometheusStatLogger would
    have vLLM add its own, which costs a share of every step."""
    from vllm.v1.metrics.loggers import PrometheusStatLogger

    class TokenCounter(PrometheusStatLogger):
        def __init__(self, vllm_config: Any, engine_indexes: Any = None) -> None:
            return None

        def record(self, scheduler_stats: Any, iteration_stats: Any, *_: Any, **__: Any) -> None:
            if iteration_stats is not None:
                count(iteration_stats.num_prompt_tokens, iteration_stats.num_generation_tokens)

        def log_engine_initialized(self) -> None:
            return None

        def record_sleep_state(self, *_: Any, **__: Any) -> None:
            return None

    return TokenCounter


def _completion(final: Any) -> Completion:
    count = len(final.token_ids)
    # What was drawn behind a stop string, in the same step, is not in the sample.
    logprobs = array("f", final.logprobs.logprobs[:count])
    return Completion(
        text=final.text,
        token_ids=tuple(final.token_ids),
        finish_reason=str(final.finish_reason),
        stop_reason=None if final.stop_reason is None else str(final.stop_reason),
        token_logprobs=logprobs,
        mean_logprob=sum(logprobs) / count if count else None,
    )
