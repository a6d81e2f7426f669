"""Tasks are scored once, by whoever holds them."""

from infra.messages import Place, ScoreTask, ToScore
from infra.scheduler import Key
from infra.score_queue import ScoreQueue


def task(index: int = 0) -> ScoreTask:
    return ScoreTask(0, "s.parquet", (ToScore(Key(0, index), index, Place("p.parquet", 0)),))


def queue_of(tasks: int, first_number: int = 0) -> ScoreQueue:
    queue = ScoreQueue(first_number)
    for index in range(tasks):
        queue.add(task(index))
    return queue


def lease(queue: ScoreQueue, worker: str) -> ScoreTask:
    leased = queue.lease(worker)
    assert leased is not None
    return leased


def test_tasks_come_in_order_with_numbers_of_their_own() -> None:
    queue = queue_of(2, first_number=5 << 32)
    first, second = lease(queue, "a"), lease(queue, "b")
    assert [first.samples[0].row, second.samples[0].row] == [0, 1]
    assert 5 << 32 < first.number < second.number
    assert queue.lease("a") is None
    assert not queue


def test_open_are_those_that_are_not_durable() -> None:
    queue = queue_of(1)
    assert (queue.open, bool(queue), queue.held) == (1, True, False)
    number = lease(queue, "a").number
    assert (queue.open, bool(queue), queue.held) == (1, False, True)
    assert queue.take_back("a", [number])
    assert (queue.open, queue.held) == (1, False), "until the coordinator has committed it"


def test_a_lost_workers_tasks_go_first_to_another() -> None:
    queue = queue_of(3)
    mine = {lease(queue, "a").number, lease(queue, "a").number}
    queue.lost("a")
    assert not queue.held
    assert {lease(queue, "b").number, lease(queue, "b").number} == mine
    assert lease(queue, "b").number not in mine
    assert queue.open == 3


def test_what_is_scored_elsewhere_is_not_taken_back() -> None:
    queue = queue_of(2)
    first, second = lease(queue, "a").number, lease(queue, "a").number
    queue.lost("a")
    assert {lease(queue, "b").number, lease(queue, "a").number} == {first, second}
    assert not queue.take_back("a", [first, second]), "one of them is another's by now"
    assert queue.held, "then nothing changes"
    assert not queue.take_back("nobody", [first])
    assert queue.take_back("nobody", [])


def test_nothing_is_taken_back_twice() -> None:
    queue = queue_of(1)
    number = lease(queue, "a").number
    assert queue.take_back("a", [number])
    assert not queue.take_back("a", [number])


def test_losing_an_unknown_worker_changes_nothing() -> None:
    queue = queue_of(1)
    queue.lost("nobody")
    assert queue.open == 1
    assert lease(queue, "a").samples == task(0).samples
