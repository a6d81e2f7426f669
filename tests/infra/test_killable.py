"""A call that hangs or dies costs itself, and the next one works."""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from infra.killable import DeadlineExceeded, Killable, WorkerDied
from schemas.errors import RunError


def misbehave(what: str) -> str:
    if what == "hang":
        while True:
            pass
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


def make() -> object:
    return misbehave


def make_nothing() -> object:
    raise ImportError("a library is missing")


@pytest.fixture
def killable() -> Iterator[Killable[str, str]]:
    one: Killable[str, str] = Killable(make, deadline_s=1.0)  # type: ignore[arg-type]
    yield one
    one.close()


def test_the_process_is_used_again(killable: Killable[str, str]) -> None:
    first, second = killable("work"), killable("work")
    assert first == second
    assert str(os.getpid()) not in first


def test_a_hang_is_killed_and_the_next_call_works(killable: Killable[str, str]) -> None:
    before = killable("work")
    started = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        killable("hang")
    assert time.monotonic() - started < 10
    assert killable("work") != before


def test_time_in_which_it_does_not_compute_is_not_counted(killable: Killable[str, str]) -> None:
    """As on a machine that is busy with something else."""
    assert killable("sleep").startswith("sleep")


def test_what_never_computes_is_killed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.killable.PATIENCE", 2.0)
    one: Killable[str, str] = Killable(make, deadline_s=0.5)  # type: ignore[arg-type]
    with pytest.raises(DeadlineExceeded):
        one("sleep for ever")
    one.close()


def test_a_death_is_told_from_an_error(killable: Killable[str, str]) -> None:
    with pytest.raises(WorkerDied):
        killable("die")
    with pytest.raises(ValueError, match="as told"):
        killable("raise")
    with pytest.raises(MemoryError):
        killable("eat")
    assert killable("work").startswith("work")


def test_a_process_that_cannot_start_is_no_verdict() -> None:
    broken: Killable[str, str] = Killable(make_nothing, deadline_s=1.0)  # type: ignore[arg-type]
    with pytest.raises(RunError, match="was not ready"):
        broken("work")


def test_threads_take_turns(killable: Killable[str, str]) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(killable, [f"work {n}" for n in range(40)]))
    assert [answer.partition(" in ")[0] for answer in answers] == [f"work {n}" for n in range(40)]


def test_close_leaves_no_process(killable: Killable[str, str]) -> None:
    pid = int(killable("work").rpartition(" ")[2])
    killable.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
