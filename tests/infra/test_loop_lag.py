"""A blocked loop is seen."""

import asyncio
import threading

from infra.loop_lag import EVERY_S, LoopLag

BLOCKED_S = 0.5


async def lag_of_a_block(lag: LoopLag) -> float:
    """What is measured while something keeps the loop from all else."""
    measuring = asyncio.create_task(lag.measure())
    await asyncio.sleep(0)
    threading.Event().wait(BLOCKED_S)
    worst = 0.0
    for _ in range(100):
        await asyncio.sleep(EVERY_S / 10)
        if (worst := lag.take()) > 0:
            break
    measuring.cancel()
    return worst


def test_a_blocked_loop_is_seen() -> None:
    assert asyncio.run(lag_of_a_block(LoopLag())) >= BLOCKED_S - 2 * EVERY_S


def test_what_was_taken_is_forgotten() -> None:
    lag = LoopLag()
    assert lag.take() == 0
    asyncio.run(lag_of_a_block(lag))
    assert lag.take() == 0
