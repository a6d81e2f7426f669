"""The simulated engine keeps to its rates, and to its seed."""

import asyncio
from typing import Any

import pytest

from infra.engines.simulated import SimulatedEngine
from schemas.errors import EngineError, RequestError
from schemas.ports import Completion, Sampling
from schemas.recipe import Teacher

SAMPLING = Sampling(0.6, 0.95, 0, 0.0, 1.0, (), 512)


def engine(**args: Any) -> SimulatedEngine:
    return SimulatedEngine(Teacher(model="m", engine="simulated", engine_args=args))


def draw(made: SimulatedEngine, count: int, sampling: Sampling = SAMPLING) -> list[Completion]:
    prompt = made.render([{"role": "user", "content": "What is 17 + 25?"}])

    async def all_of_them() -> list[Completion]:
        return [await made.generate(f"{i}", prompt, sampling, seed=i) for i in range(count)]

    return asyncio.run(all_of_them())


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


def test_unknown_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="accuracyy"):
        engine(accuracyy=1)
