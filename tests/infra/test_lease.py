"""One writer a pool: who holds it is told, who is gone is taken over, who lost it stops."""

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from infra import lease as module
from infra.folder_store import FolderStore
from infra.lease import Holder, WriterLease, refreshing, writing
from schemas.errors import BusyError, StoreUnavailableError

POOL = "p"
KEY = f"pools/{POOL}/writer.json"
ROOT = Path(__file__).parents[2]
WAIT_S = 30.0
ELSEWHERE = Holder(
    epoch=7,
    attempt="a000007",
    recipe="theirs",
    host="far",
    pid=1,
    process="another machine/1/1",
    since="2026-01-01T00:00:00+00:00",
)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BEAT_S", 0.02)
    monkeypatch.setattr(module, "WATCH_S", 0.01)


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    (tmp_path / "store").mkdir()
    return FolderStore(tmp_path / "store")


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def stored(store: FolderStore) -> Holder:
    return Holder(**json.loads(store.get(KEY) or b"{}"))


def put(store: FolderStore, holder: Holder) -> None:
    """As another writer does it, whoever holds the pool."""
    while not store.replace_if(KEY, holder.to_json(), expected=store.get(KEY)):
        pass


@contextlib.contextmanager
def beating(store: FolderStore, holder: Holder) -> Iterator[None]:
    """The holder is at work."""
    stop = threading.Event()

    def beat() -> None:
        for beats in itertools.count(1):
            put(store, replace(holder, beats=beats))
            if stop.wait(0.02):
                return

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def counting() -> Callable[[], float]:
    """A clock on which a second passes with every look."""
    ticks = itertools.count()
    return lambda: float(next(ticks))


def patient(store: FolderStore) -> WriterLease:
    """Waits for silence for as long as the test may take."""
    return WriterLease.acquire(store, writing(POOL), "mine", silent_s=10 * WAIT_S)


@pytest.fixture
def held(store: FolderStore) -> Iterator[WriterLease]:
    lease = patient(store)
    yield lease
    lease.release()


def test_the_first_one_takes_the_first_epoch(store: FolderStore, held: WriterLease) -> None:
    assert (held.epoch, held.attempt) == (1, "a000001")
    now = stored(store)
    assert (now.recipe, now.pid, now.released) == ("mine", os.getpid(), False)
    held.check()


def test_it_beats(store: FolderStore, held: WriterLease) -> None:
    wait_until(lambda: stored(store).beats >= 3)
    assert stored(store).epoch == 1


def test_a_second_writer_is_told_who_is_at_work(store: FolderStore, held: WriterLease) -> None:
    with pytest.raises(BusyError) as caught:
        patient(store)
    told = str(caught.value)
    assert all(part in told for part in ("a000001", "'mine'", stored(store).since))
    assert f"process {os.getpid()} on {stored(store).host}" in told
    assert caught.value.exit_code == 75
    held.check()


def test_a_released_lease_is_taken_at_once(store: FolderStore) -> None:
    for epoch in range(1, 4):
        lease = patient(store)
        assert (lease.epoch, lease.attempt) == (epoch, f"a{epoch:06d}")
        lease.release()
        assert stored(store).released


def test_an_advance_is_the_next_epoch_of_the_same_attempt(
    store: FolderStore, held: WriterLease
) -> None:
    assert [held.advance(), held.advance()] == [2, 3]
    assert (held.epoch, held.attempt) == (3, "a000001")
    beats = stored(store).beats
    wait_until(lambda: stored(store).beats > beats)
    assert stored(store).epoch == 3
    held.release()
    after = patient(store)
    assert (after.epoch, after.attempt) == (4, "a000004"), "no attempt has another's name"
    after.release()


def test_a_beat_never_takes_an_epoch_back(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BEAT_S", 0.0)
    lease = patient(store)
    assert [lease.advance() for _ in range(50)] == list(range(2, 52))
    lease.release()
    assert stored(store).epoch == 51


def test_a_silent_holder_of_another_machine_is_taken_over(store: FolderStore) -> None:
    put(store, ELSEWHERE)
    lease = WriterLease.acquire(store, writing(POOL), "mine", silent_s=10, clock=counting())
    assert lease.epoch == ELSEWHERE.epoch + 1
    lease.release()


def test_a_silent_holder_is_not_taken_over_too_soon(store: FolderStore) -> None:
    put(store, ELSEWHERE)
    with beating(store, ELSEWHERE), pytest.raises(BusyError, match="a000007"):
        WriterLease.acquire(store, writing(POOL), "mine", silent_s=10, clock=lambda: 0.0)
    assert stored(store).epoch == ELSEWHERE.epoch


@pytest.mark.parametrize("hours", [-1, 1])
def test_the_wall_clock_of_others_means_nothing(hours: int, store: FolderStore) -> None:
    since = (datetime.now(UTC) + timedelta(hours=hours)).isoformat(timespec="seconds")
    holder = replace(ELSEWHERE, since=since)
    put(store, holder)
    with beating(store, holder), pytest.raises(BusyError, match="a000007"):
        patient(store)
    lease = WriterLease.acquire(store, writing(POOL), "mine", silent_s=10, clock=counting())
    assert lease.epoch == 8, "and it is taken over once it is silent"
    lease.release()


HOLD = f"""
import sys, time
from infra.lease import WriterLease, writing
from infra.folder_store import FolderStore
WriterLease.acquire(FolderStore(sys.argv[1]), writing({POOL!r}), "child")
print("holds", flush=True)
time.sleep(600)
"""


@pytest.fixture
def child(store: FolderStore) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the pool."""
    command = [sys.executable, "-c", HOLD, str(store.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "holds\n"
        yield process
        process.kill()


def test_a_living_process_is_not_taken_over(
    store: FolderStore, child: "subprocess.Popen[str]"
) -> None:
    with pytest.raises(BusyError, match=f"'child'.*process {child.pid}"):
        patient(store)


def test_a_killed_process_of_this_machine_is_taken_over_at_once(
    store: FolderStore, child: "subprocess.Popen[str]"
) -> None:
    child.send_signal(signal.SIGKILL)
    child.wait()
    lease = WriterLease.acquire(
        store, writing(POOL), "mine", silent_s=float("inf"), clock=lambda: 0.0
    )
    assert lease.epoch == 2
    lease.release()


def test_a_killed_process_that_nobody_has_waited_for_is_gone_too(
    store: FolderStore, child: "subprocess.Popen[str]"
) -> None:
    child.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert stored(store).gone(), "as below an init that reaps nobody, in many containers"


def test_a_holder_that_lost_its_lease_stops(store: FolderStore, held: WriterLease) -> None:
    put(store, ELSEWHERE)
    wait_until(lambda: held.lost is not None)
    with pytest.raises(BusyError, match="a000007 of recipe 'theirs'") as caught:
        held.check()
    assert caught.value.exit_code == 75
    with pytest.raises(BusyError):
        held.advance()
    held.release()
    assert stored(store) == ELSEWHERE, "it touches nothing that is another's"


def test_an_advance_finds_out_by_itself(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BEAT_S", WAIT_S)
    lease = patient(store)
    put(store, ELSEWHERE)
    with pytest.raises(BusyError, match="a000007"):
        lease.advance()
    with pytest.raises(BusyError):
        lease.check()
    lease.release()


def test_of_many_at_once_one_wins(store: FolderStore) -> None:
    outcomes: list[WriterLease | BusyError] = []
    together = threading.Barrier(6)

    def race() -> None:
        together.wait()
        try:
            outcomes.append(patient(store))
        except BusyError as error:
            outcomes.append(error)

    racers = [threading.Thread(target=race) for _ in range(6)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    (winner,) = [outcome for outcome in outcomes if isinstance(outcome, WriterLease)]
    assert len(outcomes) == 6
    assert winner.epoch == stored(store).epoch == 1
    winner.check()
    winner.release()


def test_a_file_of_another_version_is_not_overwritten(store: FolderStore) -> None:
    store.put_if_absent(KEY, b'{"epoch": 3}')
    with pytest.raises(BusyError, match=r"writer\.json is not one of this version"):
        patient(store)
    assert store.get(KEY) == b'{"epoch": 3}'


class FaultyStore(FolderStore):
    """A folder that fails in ways in which real ones do."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.tries = 0
        self.fail_after_writing = False

    def replace_if(self, key: str, content: bytes, *, expected: bytes | None) -> bool:
        self.tries += 1
        written = super().replace_if(key, content, expected=expected)
        if self.fail_after_writing:
            self.fail_after_writing = False
            raise StoreUnavailableError("the folder could not be synced")
        return written


def test_a_store_that_is_away_for_a_while_costs_no_lease(tmp_path: Path) -> None:
    root, away = tmp_path / "store", tmp_path / "away"
    root.mkdir()
    store = FaultyStore(root)
    lease = patient(store)
    root.rename(away)
    tries = store.tries
    wait_until(lambda: store.tries > tries + 2 or lease.lost is not None)
    assert not root.exists(), "what is written there would be hidden when the store is back"
    lease.check()
    away.rename(root)
    beats = stored(store).beats
    wait_until(lambda: stored(store).beats > beats)
    lease.check()
    lease.release()


def test_a_beat_that_was_written_but_not_confirmed_is_not_another_writer(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    store = FaultyStore(tmp_path / "store")
    lease = patient(store)
    store.fail_after_writing = True
    wait_until(lambda: not store.fail_after_writing)
    tries = store.tries
    wait_until(lambda: store.tries > tries + 1 or lease.lost is not None)
    lease.check()
    lease.release()


def test_a_refresh_is_held_beside_the_pool_of_the_same_name(
    store: FolderStore, held: WriterLease
) -> None:
    mine = WriterLease.acquire(store, refreshing(POOL), "mine")
    try:
        assert mine.attempt == "r000001"
        with pytest.raises(BusyError, match=f"dataset {POOL} is held by refresh r000001 of recipe"):
            WriterLease.acquire(store, refreshing(POOL), "other")
    finally:
        mine.release()
    again = WriterLease.acquire(store, refreshing(POOL), "other")
    assert again.attempt == "r000002"
    again.release()
    held.check()
