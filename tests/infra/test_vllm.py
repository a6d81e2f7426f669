"""The real vLLM engine with the tiny teacher: one engine for all tests of this file."""

import asyncio
import json
import os
import signal
import threading
from array import array
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any, TypeVar

import psutil
import pyarrow as pa
import pytest
import torch

from infra.begun import read_begun, read_truncated, write_begun
from infra.confidence import lowest_and_tail
from infra.engines.vllm import VllmEngine, _completion
from infra.messages import Place
from infra.spool import write_file
from schemas.arrow import SAMPLES
from schemas.errors import EngineError, RequestError
from schemas.ports import ABORTED, REPETITION, Begun, Completion, EngineFacts, Sampling
from schemas.recipe import RepetitionDetection, Teacher
from tests.builders import make_sample, without_column
from tests.conftest import ROOT

pytestmark = [
    pytest.mark.engine,
    pytest.mark.timeout(600),
    # vLLM and PyTorch deprecate things in each other all the time.
    pytest.mark.filterwarnings("default"),
]

MODEL = ROOT / "examples" / "tiny_r1" / "model"
GREEDY = Sampling(0.0, 1.0, 0, 0.0, 1.0, (), 256)
RANDOM = Sampling(0.6, 0.95, 0, 0.0, 1.0, (), 256)
Result = TypeVar("Result")


class EngineInThread:
    """A started engine on an event loop of its own, for tests that are not asynchronous."""

    def __init__(self, teacher: Teacher, *, thinking_budget: bool = False) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.engine = VllmEngine(teacher, thinking_budget=thinking_budget)
        self.facts: EngineFacts = self.wait(self.engine.start())

    def wait(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=300)

    def draw(self, prompts: list[str], sampling: Sampling) -> list[Completion]:
        async def everything() -> list[Completion]:
            rendered = [self.engine.render([{"role": "user", "content": p}]) for p in prompts]
            return await asyncio.gather(
                *(
                    self.engine.generate(f"{id(prompts)}-{i}", one, sampling, seed=i)
                    for i, one in enumerate(rendered)
                )
            )

        return self.wait(everything())

    def close(self) -> None:
        self.engine.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture(scope="module")
def tiny() -> Iterator[EngineInThread]:
    args = {"dtype": "float32", "enforce_eager": True, "max_num_seqs": 64}
    running = EngineInThread(Teacher(model=str(MODEL), engine_args=args), thinking_budget=True)
    yield running
    running.close()


def questions(count: int) -> list[str]:
    lines = (MODEL.parent / "prompts.jsonl").read_text().splitlines()[:count]
    suffix = "\n\nPlease reason step by step, and put your final answer within \\boxed{}."
    return [json.loads(line)["question"] + suffix for line in lines]


def test_facts_name_what_runs(tiny: EngineInThread) -> None:
    assert (tiny.facts.engine, tiny.facts.dtype, tiny.facts.slots) == ("vllm", "float32", 64)
    assert tiny.facts.version.startswith("0.32")
    assert tiny.facts.think_end_token is not None


def test_the_prompt_ends_inside_the_thinking(tiny: EngineInThread) -> None:
    rendered = tiny.engine.render([{"role": "user", "content": "one?"}])
    assert rendered.thinking_open
    assert rendered.text.endswith("<think>\n")
    assert rendered.text.count("<｜begin▁of▁sentence｜>") == 1  # noqa: RUF001


def test_an_interrupted_request_goes_on_from_what_it_has(tiny: EngineInThread) -> None:
    """Between others, as when a replica is given back: greedy, it ends as if it had never moved."""
    prompts = questions(40)
    wholes = tiny.draw(prompts, GREEDY)
    rendered = [tiny.engine.render([{"role": "user", "content": one}]) for one in prompts]

    async def interrupted() -> list[Completion]:
        before = tiny.engine.tokens()
        running = [
            asyncio.create_task(tiny.engine.generate(f"part-{i}", one, GREEDY, seed=i))
            for i, one in enumerate(rendered)
        ]
        while tiny.engine.tokens() - before < 40 * 60:  # prompts count too
            await asyncio.sleep(0.01)
        for i in range(len(prompts)):
            await tiny.engine.interrupt(f"part-{i}")
        return await asyncio.gather(*running)

    async def gone_on_with(parts: list[Completion]) -> list[Completion]:
        return await asyncio.gather(
            *(
                tiny.engine.generate(f"rest-{i}", one, GREEDY, i, begun=begun_of(part))
                for i, (one, part) in enumerate(zip(rendered, parts, strict=True))
            )
        )

    parts = tiny.wait(interrupted())
    # Before its first token:
    parts[0] = replace(
        parts[0], text="", token_ids=(), token_logprobs=array("f"), mean_logprob=None
    )
    cut = [i for i, part in enumerate(parts) if part.finish_reason == ABORTED and part.token_ids]
    assert len(cut) > 10
    ended = tiny.wait(gone_on_with(parts))
    assert all(one.mean_logprob is not None for one in ended), "also of those that had nothing"
    same = 0
    for i in cut:
        assert len(parts[i].token_ids) < len(ended[i].token_ids)
        assert ended[i].text.startswith(parts[i].text)
        assert ended[i].mean_logprob is not None
        if ended[i].token_ids == wholes[i].token_ids:
            assert ended[i].text == wholes[i].text
            assert ended[i].finish_reason == wholes[i].finish_reason
            assert confidence(ended[i]) == pytest.approx(confidence(wholes[i]), abs=1e-3)
            same += 1
    assert same >= 0.9 * len(cut), "but for close calls of the numerics"


def begun_of(part: Completion) -> Begun:
    """Nothing, where it was interrupted before its first token."""
    return Begun(tuple(part.token_ids), part.token_logprobs, part.mean_logprob)


def confidence(sample: Completion) -> tuple[float | None, ...]:
    """As in its row, but for a window that is shorter, as the tiny teacher's samples are."""
    assert len(sample.token_logprobs) == len(sample.token_ids)
    mean = sample.mean_logprob
    return mean, *lowest_and_tail(sample.token_logprobs, mean, 16)


def handed_over(part: Completion, folder: Path) -> Begun | None:
    write_begun(str(folder / "begun.parquet"), [begun_of(part)])
    return read_begun(Place(str(folder / "begun.parquet"), 0))


def of_the_table(part: Completion, folder: Path, schema: pa.Schema = SAMPLES) -> Begun:
    sample = make_sample(
        token_ids=tuple(part.token_ids),
        token_logprobs=tuple(part.token_logprobs),
        mean_logprob=part.mean_logprob,
    )
    write_file(str(folder / "apart.parquet"), schema, [sample.to_row()])
    return read_truncated(Place(str(folder / "apart.parquet"), 0))


def gone_on_to(
    tiny: EngineInThread, begun: Begun | None, prompt: str, upto: int = 256
) -> Completion:
    rendered = tiny.engine.render([{"role": "user", "content": prompt}])
    sampling = replace(GREEDY, max_tokens=upto)
    return tiny.wait(tiny.engine.generate(f"on-{prompt}-{upto}", rendered, sampling, 1, begun))


def test_a_piece_without_tokens_takes_nothing_away(tiny: EngineInThread, tmp_path: Path) -> None:
    """It was interrupted before its first token, and is handed over again."""
    prompt = questions(1)[0]
    first = gone_on_to(tiny, None, prompt, 10)
    nothing = replace(first, text="", token_ids=(), token_logprobs=array("f"), mean_logprob=None)
    joined = tiny.engine._joined(begun_of(first), nothing)
    assert (joined.token_ids, joined.mean_logprob) == (first.token_ids, first.mean_logprob)
    whole = gone_on_to(tiny, handed_over(joined, tmp_path), prompt, 20)
    assert whole.mean_logprob == pytest.approx(fmean(whole.token_logprobs), abs=1e-5)


def test_a_sample_in_pieces_is_as_sure_as_one_in_one_go(
    tiny: EngineInThread, tmp_path: Path
) -> None:
    wholes = zip(questions(40), tiny.draw(questions(40), GREEDY), strict=True)
    long = [(prompt, whole) for prompt, whole in wholes if len(whole.token_ids) > 80][:8]
    same = 0
    for number, (prompt, whole) in enumerate(long):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        first = gone_on_to(tiny, None, prompt, 30)
        second = gone_on_to(tiny, handed_over(first, folder), prompt, 50)
        assert second.token_logprobs[:30] == first.token_logprobs
        third = gone_on_to(tiny, of_the_table(second, folder), prompt)
        if third.token_ids == whole.token_ids:
            assert confidence(third) == pytest.approx(confidence(whole), abs=1e-3)
            assert len(set(confidence(third))) == 3
            same += 1
    assert same >= 0.7 * len(long) > 3, "but for close calls of the numerics"


def test_of_one_that_was_truncated_before_logprobs_were_kept_the_end_is_known(
    tiny: EngineInThread, tmp_path: Path
) -> None:
    wholes = zip(questions(40), tiny.draw(questions(40), GREEDY), strict=True)
    prompt = next(prompt for prompt, whole in wholes if len(whole.token_ids) > 80)
    first = gone_on_to(tiny, None, prompt, 30)
    begun = of_the_table(first, tmp_path, without_column(SAMPLES, "token_logprobs"))
    soon = gone_on_to(tiny, begun, prompt, 40)
    assert confidence(soon) == (soon.mean_logprob, None, None)
    ended = gone_on_to(tiny, begun, prompt)
    known = gone_on_to(tiny, begun_of(first), prompt)
    assert ended.token_ids == known.token_ids
    mean, lowest, tail = confidence(known)
    assert lowest is not None
    expected: tuple[Any, ...] = (pytest.approx(mean), None, pytest.approx(tail))
    assert confidence(ended) == expected


def test_greedy_tokens_are_those_of_transformers(tiny: EngineInThread) -> None:
    """A difference passes only where the two best logits are within 1e-4 of each other."""
    from transformers import AutoModelForCausalLM

    prompts = questions(50)
    load: Any = AutoModelForCausalLM.from_pretrained
    model = load(MODEL, dtype=torch.float32)
    close_calls = 0
    for prompt, completion in zip(prompts, tiny.draw(prompts, GREEDY), strict=True):
        rendered = tiny.engine.render([{"role": "user", "content": prompt}])
        ids = torch.tensor([[*rendered.token_ids, *completion.token_ids]])
        with torch.inference_mode():
            logits = model(ids).logits[0, len(rendered.token_ids) - 1 : -1]
        drawn = torch.tensor(completion.token_ids)[:, None]
        logprobs = logits.log_softmax(-1).gather(1, drawn)[:, 0]
        assert list(completion.token_logprobs) == pytest.approx(logprobs.tolist(), abs=1e-3)
        best = logits.topk(2)
        for step, token in enumerate(completion.token_ids):
            if token != int(best.indices[step, 0]):
                gap = float(best.values[step, 0] - best.values[step, 1])
                assert gap < 1e-4, f"{prompt!r} differs at token {step}"
                close_calls += 1
                break
    assert close_calls <= 5


def test_seeded_samples_with_logprobs(tiny: EngineInThread) -> None:
    samples = tiny.draw(questions(1) * 16, RANDOM)
    assert len({sample.text for sample in samples}) > 1, "siblings differ by their seeds"
    for sample in samples:
        assert sample.finish_reason in ("stop", "length")
        assert len(sample.token_logprobs) == len(sample.token_ids)
        assert sample.mean_logprob == pytest.approx(fmean(sample.token_logprobs))
        assert sample.mean_logprob is not None
        assert sample.mean_logprob < 0


def test_what_was_drawn_behind_a_stop_string_does_not_count() -> None:
    """Speculative decoding draws several tokens in a step; vLLM drops those behind the stop string,
    and not what it says of them."""
    from vllm.logprobs import FlatLogprobs, Logprob
    from vllm.outputs import CompletionOutput

    logprobs = FlatLogprobs()
    logprobs.extend([{7: Logprob(-0.5)}, {8: Logprob(-0.25)}, {9: Logprob(-3.0)}])
    final = CompletionOutput(0, "ab", [7, 8], -3.75, logprobs, finish_reason="stop")
    completion = _completion(final)
    assert completion.token_logprobs == array("f", [-0.5, -0.25])
    assert completion.mean_logprob == -0.375


DETECTION = RepetitionDetection(max_pattern_size=8, min_pattern_size=2, min_count=2)


def repeats(ids: Sequence[int]) -> bool:
    """Whether the last tokens are one of the patterns that `DETECTION` looks for."""
    return any(list(ids[-n:]) == list(ids[-2 * n : -n]) for n in range(2, 9))


def test_repetition_ends_a_sample_and_is_named(tiny: EngineInThread) -> None:
    samples = tiny.draw(questions(60), replace(RANDOM, repetition_detection=DETECTION))
    ended = [one for one in samples if one.finish_reason == REPETITION]
    assert 3 < len(ended) < 60
    assert {one.stop_reason for one in ended} == {"repetition_detected"}
    for one in samples:
        assert repeats(one.token_ids) or one not in ended
        assert not any(repeats(one.token_ids[:n]) for n in range(4, len(one.token_ids)))
    assert all(one.finish_reason in ("stop", "length") for one in samples if one not in ended)


BUDGET = 60
"""About half of the tiny teacher's samples think longer; their prompts end one token behind the
opening tag, which counts."""


def thinking_tokens(tiny: EngineInThread, sample: Completion) -> int | None:
    end = tiny.facts.think_end_token
    return sample.token_ids.index(end) + 1 if end in sample.token_ids else None


def test_thinking_is_cut_at_its_budget_and_said_to_be(tiny: EngineInThread) -> None:
    prompts = questions(60)
    free = tiny.draw(prompts, GREEDY)
    held = tiny.draw(prompts, replace(GREEDY, thinking_token_budget=BUDGET))
    assert not any(one.thinking_cut for one in free)
    same = 0
    for before, after in zip(free, held, strict=True):
        thought = thinking_tokens(tiny, after)
        if after.thinking_cut:
            assert thought == BUDGET
            assert after.token_ids[thought:], "an answer follows"
            same += after.token_ids[: BUDGET - 1] == before.token_ids[: BUDGET - 1]
        else:
            assert after.thinking_cut is False
            assert thought is None or thought < BUDGET
            same += after.token_ids == before.token_ids
    assert same >= 0.9 * len(prompts), "but for close calls of the numerics"
    assert 5 < sum(bool(one.thinking_cut) for one in held) < 60
    assert any(one.thinking_cut is False for one in held)


@pytest.mark.parametrize(("taken", "cut"), [(10, True), (BUDGET - 1, True), (BUDGET + 2, True)])
def test_a_budget_goes_on_where_a_sample_is_handed_over(
    taken: int, cut: bool, tiny: EngineInThread
) -> None:
    held = replace(GREEDY, thinking_token_budget=BUDGET)
    prompts = questions(60)
    wholes = tiny.draw(prompts, held)
    place = next(i for i, one in enumerate(wholes) if one.thinking_cut and len(one.token_ids) > 70)
    rendered = tiny.engine.render([{"role": "user", "content": prompts[place]}])
    whole = wholes[place]
    begun = Begun(tuple(whole.token_ids[:taken]), whole.token_logprobs[:taken], None)
    ended = tiny.wait(tiny.engine.generate(f"moved-{taken}", rendered, held, 1, begun=begun))
    assert ended.thinking_cut is cut
    assert thinking_tokens(tiny, ended) == BUDGET


@pytest.mark.slow
def test_a_budget_that_vllm_would_spend_on_the_answer_is_refused() -> None:
    """Without Triton vLLM takes its V1 model runner."""
    forced = {"reasoning_start_str": "<think>", "reasoning_end_str": "Enough.</think>"}
    for config in (forced, {"reasoning_parser": "deepseek_r1", **forced}):
        args = {"dtype": "float32", "enforce_eager": True, "reasoning_config": config}
        teacher = Teacher(model=str(MODEL), engine_args=args)
        with pytest.raises(EngineError, match=r"sampling\.thinking_token_budget: .*Enough"):
            asyncio.run(VllmEngine(teacher, thinking_budget=True).start())


def test_a_prompt_beyond_the_context_is_rejected_alone(tiny: EngineInThread) -> None:
    with pytest.raises(RequestError) as caught:
        tiny.draw(["apples " * 5000], GREEDY)
    assert (caught.value.kind, caught.value.reason) == ("rejected", "prompt_too_long")
    assert len(tiny.draw(questions(2), GREEDY)) == 2, "the engine goes on"


def test_parameters_that_vllm_refuses_are_rejected_alone(tiny: EngineInThread) -> None:
    with pytest.raises(RequestError) as caught:
        tiny.draw(questions(1), Sampling(-1.0, 0.95, 0, 0.0, 1.0, (), 16))
    assert (caught.value.kind, caught.value.reason) == ("rejected", "request_refused")
    assert len(tiny.draw(questions(2), GREEDY)) == 2


def test_a_cancelled_request_leaves_the_engine_free(tiny: EngineInThread) -> None:
    async def cancel_one() -> None:
        rendered = tiny.engine.render([{"role": "user", "content": questions(1)[0]}])
        task = asyncio.create_task(tiny.engine.generate("to-cancel", rendered, RANDOM, 1))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    tiny.wait(cancel_one())
    assert len(tiny.draw(questions(4), GREEDY)) == 4


def test_a_model_that_is_none_does_not_start(tmp_path: Any) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(EngineError, match="did not start"):
        asyncio.run(VllmEngine(Teacher(model=str(tmp_path))).start())


def test_a_killed_engine_is_told_from_a_failed_request(tiny: EngineInThread) -> None:
    """Last in this file: it takes the engine with it."""

    async def draw_while_killing() -> list[object]:
        rendered = tiny.engine.render([{"role": "user", "content": questions(1)[0]}])
        drawing = [
            asyncio.create_task(tiny.engine.generate(f"last-{i}", rendered, RANDOM, i))
            for i in range(64)
        ]
        await asyncio.sleep(0.1)
        for process in psutil.Process().children(recursive=True):
            if "EngineCore" in process.name() or "EngineCore" in " ".join(process.cmdline()):
                os.kill(process.pid, signal.SIGKILL)
        return list(await asyncio.gather(*drawing, return_exceptions=True))

    outcomes = tiny.wait(draw_while_killing())
    died = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert died
    assert {type(error) for error in died} == {EngineError}
