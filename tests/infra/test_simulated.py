"""The simulated engine keeps to its rates, and to its seed."""

import asyncio
import time
from dataclasses import replace
from typing import Any

import pytest

from infra.decoding import Decoder, Request
from infra.engines.simulated import THINK_END_TOKEN, SimulatedEngine
from infra.step_time import StepTime
from schemas.errors import EngineError, RequestError
from schemas.ports import ABORTED, Begun, Completion, Sampling
from schemas.recipe import RepetitionDetection, Teacher

SAMPLING = Sampling(0.6, 0.95, 0, 0.0, 1.0, (), 512)


def engine(**args: Any) -> SimulatedEngine:
    return SimulatedEngine(Teacher(model="m", engine="simulated", engine_args=args))


def draw(
    made: SimulatedEngine,
    count: int,
    sampling: Sampling = SAMPLING,
    question: str = "What is 17 + 25?",
    within: float = 60,
) -> list[Completion]:
    prompt = made.render([{"role": "user", "content": question}])

    async def all_of_them() -> list[Completion]:
        return [await made.generate(f"{i}", prompt, sampling, seed=i) for i in range(count)]

    return asyncio.run(asyncio.wait_for(all_of_them(), within))


def test_same_seed_same_samples() -> None:
    assert draw(engine(), 20) == draw(engine(), 20)


def test_accuracy_and_faults_come_at_their_rates() -> None:
    samples = draw(engine(accuracy=0.6, unclosed=0.1), 2000)
    right = sum("\\boxed{42}" in sample.text for sample in samples) / 2000
    unclosed = sum("</think>" not in sample.text for sample in samples) / 2000
    assert right == pytest.approx(0.54, abs=0.04)
    assert unclosed == pytest.approx(0.1, abs=0.03)


def test_long_samples_are_truncated() -> None:
    short = Sampling(0.6, 0.95, 0, 0.0, 1.0, (), 5)
    assert {sample.finish_reason for sample in draw(engine(), 20, short)} == {"length"}
    assert all(len(sample.token_ids) == 5 for sample in draw(engine(), 20, short))


def test_transient_errors_pass_the_second_time() -> None:
    made = engine(transient_errors=1.0)
    with pytest.raises(RequestError) as caught:
        draw(made, 1)
    assert caught.value.kind == "transient"
    assert len(draw(made, 1)) == 1


def test_rejects_and_deaths() -> None:
    with pytest.raises(RequestError) as caught:
        draw(engine(rejects=1.0), 1)
    assert caught.value.kind == "rejected"
    with pytest.raises(EngineError):
        draw(engine(dies_after=3), 3)


def test_it_dies_with_a_request_and_from_then_on() -> None:
    made = engine(dies_after=3)
    assert len(draw(made, 2)) == 2
    for _ in range(2):
        with pytest.raises(EngineError, match="died"):
            draw(made, 1)


def test_poisoned_prompts_kill_every_time_and_others_never() -> None:
    made = engine(poisoned=0.5, max_num_seqs=4)
    deadly = {number for number in range(40) if dies_of(made, number)}
    assert 5 < len(deadly) < 35
    assert deadly == {number for number in range(40) if dies_of(engine(poisoned=0.5), number)}


def dies_of(made: SimulatedEngine, number: int) -> bool:
    try:
        draw(made, 1, question=f"What is {number} + 1?")
    except EngineError:
        return True
    return False


def test_from_a_request_on_it_hangs() -> None:
    made = engine(hangs_after=2)
    assert len(draw(made, 1)) == 1
    before = made.tokens()
    with pytest.raises(TimeoutError):
        draw(made, 1, within=0.1)
    assert made.tokens() == before, "no token is made while it hangs"


def test_its_tokens_are_counted() -> None:
    made = engine()
    assert made.tokens() == 0
    samples = draw(made, 5)
    assert made.tokens() == sum(len(sample.token_ids) for sample in samples)


def test_tokens_grow_while_it_writes() -> None:
    made = engine(tokens_per_second=100, mean_tokens=2000)

    async def watch() -> None:
        prompt = made.render([{"role": "user", "content": "What is 1 + 1?"}])
        request = asyncio.create_task(made.generate("0", prompt, SAMPLING, seed=3))
        while made.tokens() == 0:
            assert not request.done()
            await asyncio.sleep(0.01)
        assert not request.done()
        request.cancel()

    asyncio.run(watch())


STEP_TIME = {"base_s": 0.02, "per_sequence_s": 0.001, "per_prefill_token_s": 0.001}


def test_a_batch_takes_what_the_step_time_model_says() -> None:
    """Six in four slots: two wait, the prompt is prefilled once, and all are what they would be
    without a clock."""
    speed = 100.0
    made = engine(step_time=STEP_TIME, max_num_seqs=4, mean_tokens=400, speed=speed)
    prompt = made.render([{"role": "user", "content": "What is 17 + 25?"}])
    wanted = draw(engine(mean_tokens=400), 6)

    async def all_at_once() -> tuple[list[Completion], float]:
        began = time.monotonic()
        requests = [made.generate(f"{i}", prompt, SAMPLING, seed=i) for i in range(6)]
        samples = await asyncio.gather(*requests)
        return samples, (time.monotonic() - began) * speed

    samples, seconds = asyncio.run(all_at_once())
    assert samples == wanted
    assert made.tokens() == sum(len(sample.token_ids) for sample in wanted)
    model: Decoder[int] = Decoder(StepTime(**STEP_TIME, slots=4))
    for key, sample in enumerate(wanted):
        model.add(Request(key, len(sample.token_ids), "prompt", len(prompt.token_ids)))
    while (at := model.next_event()) is not None:
        model.advance(at)
        model.ended()
    assert model.now - 1e-3 <= seconds < model.now + 0.2 * speed


@pytest.mark.parametrize("pace", [{"step_time": STEP_TIME}, {"tokens_per_second": 50}])
def test_who_is_interrupted_returns_the_tokens_so_far(pace: dict[str, Any]) -> None:
    made = engine(**pace, max_num_seqs=1, mean_tokens=400, speed=20)
    prompt = made.render([{"role": "user", "content": "What is 17 + 25?"}])
    (whole,) = draw(engine(mean_tokens=400), 1)

    async def run() -> None:
        requests = [
            asyncio.create_task(made.generate(f"{i}", prompt, SAMPLING, seed=0)) for i in range(2)
        ]
        await asyncio.sleep(0.1)
        for i in range(2):
            await made.interrupt(f"{i}")
        half, waited = await asyncio.gather(*requests)
        assert half.finish_reason == waited.finish_reason == ABORTED
        assert 50 <= len(half.token_ids) < len(whole.token_ids)
        assert whole.text.startswith(half.text)
        assert waited.token_ids == ()
        begun = Begun(tuple(half.token_ids), half.token_logprobs, half.mean_logprob)
        assert await made.generate("2", prompt, SAMPLING, 0, begun) == whole

    asyncio.run(run())


def test_it_has_one_rate() -> None:
    with pytest.raises(ValueError, match="exclude each other"):
        engine(step_time=STEP_TIME, tokens_per_second=5)


def test_it_is_ready_and_says_what_it_is() -> None:
    made = engine(max_num_seqs=7, max_model_len=99, start_seconds=0.01)
    facts = asyncio.run(made.start())
    assert (facts.engine, facts.slots, facts.max_model_len) == ("simulated", 7, 99)
    (sample,) = draw(made, 1)
    assert facts.think_end_token in sample.token_ids
    made.close()


def test_a_prompt_that_is_too_long_is_rejected() -> None:
    with pytest.raises(RequestError, match="prompt_too_long"):
        draw(engine(max_model_len=16), 1, question="word " * 16)


def test_unknown_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="accuracyy"):
        engine(accuracyy=1)


def test_thinking_is_cut_at_its_budget() -> None:
    budget = 30
    free = draw(engine(unclosed=0.2), 200)
    held = draw(engine(unclosed=0.2), 200, replace(SAMPLING, thinking_token_budget=budget))
    for before, after in zip(free, held, strict=True):
        thought = before.text.partition("</think>")[0]
        if after.thinking_cut:
            assert after.token_ids.index(THINK_END_TOKEN) == budget
            assert thought.startswith(after.text.partition("</think>")[0])
            assert "boxed" in after.text
        else:
            assert after == before
    cut = sum(bool(sample.thinking_cut) for sample in held)
    assert 50 < cut < 150
    assert not any(sample.thinking_cut for sample in free)


def test_loops_run_until_they_are_noticed() -> None:
    sampling = replace(SAMPLING, max_tokens=4096)
    loops = draw(engine(loops=0.5), 200, sampling)
    endless = [sample.finish_reason == "length" for sample in loops]
    assert 70 < sum(endless) < 130
    detection = RepetitionDetection(max_pattern_size=9, min_count=4)
    ended = draw(engine(loops=0.5), 200, replace(sampling, repetition_detection=detection))
    for looped, before, after in zip(endless, loops, ended, strict=True):
        if looped:
            assert after.finish_reason == "repetition"
            assert before.text.startswith(after.text)
            words = after.text.split()
            assert any(words[-size:] * 4 == words[-4 * size :] for size in range(1, 10))
            shorter = after.text.rsplit(maxsplit=1)[0].split()
            assert not any(shorter[-size:] * 4 == shorter[-4 * size :] for size in range(1, 10))
    assert sum(one.finish_reason == "repetition" for one in ended) < 1.2 * sum(endless)


def test_a_budget_ends_a_loop() -> None:
    held = draw(engine(loops=1.0), 20, replace(SAMPLING, thinking_token_budget=40))
    assert {(sample.thinking_cut, sample.finish_reason) for sample in held} == {(True, "stop")}
