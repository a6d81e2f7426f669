"""The step-time model in real time: each event at its own time, however late the loop wakes."""

import asyncio
import time

import pytest

from infra.decoding import Request
from infra.engines.real_time import RealTimeDecoder
from infra.step_time import StepTime

STEP = StepTime(base_s=0.02, per_sequence_s=0.001, slots=4)


def request(key: str, tokens: int, begun: int = 0) -> Request[str]:
    return Request(key, tokens, "prompt", 10, begun)


@pytest.mark.parametrize("speed", [20, 100])
def test_a_batch_takes_its_time_at_any_speed(speed: float) -> None:
    async def run() -> float:
        decoder = RealTimeDecoder(STEP, speed)
        began = time.monotonic()
        await asyncio.gather(*(decoder.decode(request(f"{n}", 500)) for n in range(4)))
        return (time.monotonic() - began) * speed

    # 12 simulated seconds. A loop may be late, never early.
    assert 12 - 1e-3 <= asyncio.run(run()) < 12 + 0.2 * speed


def test_a_loop_that_wakes_late_delays_nothing() -> None:
    """Four and four that are long in four slots, and the loop blocked over the end of the first:
    the others are as far as if they had begun at that end."""

    async def run() -> None:
        decoder = RealTimeDecoder(StepTime(0.02, 0.0, slots=4), 10)
        began = time.monotonic()
        lengths = [50] * 4 + [1000] * 4  # so long that no slow machine sees them end
        running = [
            asyncio.create_task(decoder.decode(request(f"{n}", tokens)))
            for n, tokens in enumerate(lengths)
        ]
        await asyncio.sleep(0)
        time.sleep(0.15)
        made = decoder.tokens()
        passed = time.monotonic() - began
        assert 4 * 0.15 * 500 - 4 <= made <= 4 * passed * 500
        await asyncio.sleep(0.001)
        assert [task.done() for task in running] == [True] * 4 + [False] * 4
        await asyncio.gather(*running)
        assert decoder.tokens() == sum(lengths)

    asyncio.run(run())


def test_who_is_interrupted_returns_its_tokens_and_leaves_its_slot() -> None:
    async def run() -> None:
        decoder = RealTimeDecoder(StepTime(0.02, 0.0, slots=1), 10)
        first = asyncio.create_task(decoder.decode(request("first", 1000, begun=100)))
        waiting = asyncio.create_task(decoder.decode(request("waiting", 1000, begun=7)))
        await asyncio.sleep(0.05)
        decoder.interrupt("waiting")
        assert await waiting == 7, "it had not begun"
        second = asyncio.create_task(decoder.decode(request("second", 1000)))
        await asyncio.sleep(0)
        decoder.interrupt("first")
        has = await first
        assert 100 + 0.05 * 500 - 1 <= has < 1000
        assert decoder.tokens() >= has - 100
        await asyncio.sleep(0.02)
        assert decoder.tokens() > has - 100, "the second one runs"
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        made = decoder.tokens()
        await asyncio.sleep(0.02)
        assert decoder.tokens() == made, "nothing runs"
        decoder.interrupt("never heard of")

    asyncio.run(run())


def test_a_clock_that_ran_for_months_still_ends_what_it_begins() -> None:
    """Where the clock's digits end, no event is missed for a rounding error."""

    async def run() -> int:
        decoder = RealTimeDecoder(StepTime(1e-4, 0.0, slots=4), 1e5)
        decoder._started -= 100.0  # of 100,000 simulated ones each
        return await asyncio.wait_for(decoder.decode(request("late", 12345)), 10)

    assert asyncio.run(run()) == 12345
