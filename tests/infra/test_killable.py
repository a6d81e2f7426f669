"""A call that hangs or dies costs itself, and the next one works."""

import asyncio
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import psutil
import pytest

from infra.killable import PATIENCE, Failed, Killable
from schemas.errors import RunError


def misbehave(what: str) -> str:
    if what == "hang":
        while True:
            pass
    if what == "hang in C":
        sum(range(10**12))
    while what == "catch everything":
        with suppress(BaseException):
            sum(range(10**8))
    if what == "sleep":
        time.sleep(1.5)
    if what == "sleep for ever":
        time.sleep(600)
    if what == "die":
        os._exit(9)
    if what == "eat":
        return "x" * (6 * 2**30)
    if what == "raise":
        raise ValueError("as told")
    return f"{what} in {os.getpid()}"


class Deadly:
    """Ends the process that unpickles it."""

    def __reduce__(self) -> tuple[object, ...]:
        return os._exit, (9,)


def make() -> object:
    return misbehave


def make_nothing() -> object:
    raise ImportError("a library is missing")


def killable_of(deadline_s: float, processes: int = 1) -> Killable[str, str]:
    return Killable(make, deadline_s, processes)  # type: ignore[arg-type]


@pytest.fixture
def killable() -> Iterator[Killable[str, str]]:
    one = killable_of(1.0)
    yield one
    one.close()


def pid(answer: str | Failed) -> int:
    assert isinstance(answer, str)
    return int(answer.rpartition(" ")[2])


def test_the_process_is_used_again(killable: Killable[str, str]) -> None:
    [first], [second, third] = killable(["work"]), killable(["work"] * 2)
    assert first == second == third
    assert pid(first) != os.getpid()
    assert killable([]) == []


def test_a_hang_costs_itself_alone(killable: Killable[str, str]) -> None:
    """The rows before it and behind it in the same message have their results."""
    started = time.monotonic()
    before, failed, behind, again = killable(["work", "hang", "work", "work"])
    assert time.monotonic() - started < 10
    assert failed == Failed("timeout")
    assert pid(behind) == pid(again) != pid(before)


def test_no_library_can_hold_up_the_deadline(killable: Killable[str, str]) -> None:
    """A handler would be called between two steps of Python, of which C code has none, and code
    that catches everything would catch what it raises."""
    started = time.monotonic()
    assert killable(["hang in C", "catch everything"]) == [Failed("timeout")] * 2
    assert time.monotonic() - started < 2 * PATIENCE, "else it was only given up"


def test_time_in_which_it_does_not_compute_is_not_counted(killable: Killable[str, str]) -> None:
    """As on a machine that is busy with something else."""
    assert isinstance(killable(["sleep"])[0], str)


def test_what_never_computes_is_killed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.killable.PATIENCE", 2.0)
    one = killable_of(0.5)
    assert one(["sleep for ever"]) == [Failed("timeout")]
    one.close()


def test_a_death_is_told_from_an_error(killable: Killable[str, str]) -> None:
    assert killable(["die", "raise", "eat"]) == [
        Failed("died"),
        Failed("valueerror"),
        Failed("memoryerror"),
    ]
    assert isinstance(killable(["work"])[0], str)


def test_a_row_that_kills_whoever_reads_it_is_found() -> None:
    """No answer comes, though the first row is sound."""
    one: Killable[object, str] = Killable(make, 1.0)  # type: ignore[arg-type]
    first, failed, behind = one(["work", Deadly(), "work"])
    assert failed == Failed("died")
    assert isinstance(first, str)
    assert isinstance(behind, str)
    one.close()


def test_a_process_that_cannot_start_is_no_result() -> None:
    broken: Killable[str, str] = Killable(make_nothing, deadline_s=1.0)  # type: ignore[arg-type]
    with pytest.raises(RunError, match="was not ready"):
        broken(["work"])


def test_threads_share_the_processes() -> None:
    two = killable_of(1.0, processes=2)
    with ThreadPoolExecutor(4) as pool:
        hanging = pool.submit(two, ["hang"])
        answers = list(pool.map(two, [[f"work {n}"] for n in range(40)]))
        assert hanging.result() == [Failed("timeout")]
    assert [answer.partition(" in ")[0] for [answer] in answers if isinstance(answer, str)] == [
        f"work {n}" for n in range(40)
    ]
    two.close()


def test_from_asyncio(killable: Killable[str, str]) -> None:
    async def both() -> list[list[str | Failed]]:
        calls = [asyncio.to_thread(killable, [what]) for what in ("work", "hang")]
        return await asyncio.gather(*calls)

    [[work], [hang]] = asyncio.run(both())
    assert isinstance(work, str)
    assert hang == Failed("timeout")


def test_close_leaves_no_process(killable: Killable[str, str]) -> None:
    number = pid(killable(["hang", "work"])[1])
    children = [c for c in psutil.Process().children() if "spawn_main" in str(c.cmdline())]
    killable.close()
    assert number in [child.pid for child in children]
    assert not [child for child in children if child.is_running()]
