"""Which replica is started, when, and which one is given up; time is a number here."""

from infra.fleet import (
    BACKOFF_S,
    DEATHS,
    FAILED_FIRST_STARTS,
    FAILED_STARTS,
    SILENT_S,
    STAGGER_S,
    Fleet,
)
from infra.messages import Beat, Seen
from infra.suspects import ALONE

START_S = 100.0
STALL_S = 200.0


def fleet_of(size: int) -> Fleet:
    return Fleet(size, START_S, STALL_S)


def seen(beats: int = 0, *, tokens: int = 0, running: int = 0, delivered: int = 0) -> Seen:
    return Seen(Beat(running, tokens, 0.0), beats, delivered)


def place(fleet: Fleet, now: float) -> list[str]:
    names = fleet.to_place(now)
    for name in names:
        fleet.placed(name)
    return names


def start(fleet: Fleet, now: float) -> str:
    """The one replica that starts and is ready at once."""
    place(fleet, now)
    (name,) = fleet.to_start(now)
    fleet.saw({name: seen()}, now)
    return name


def fail(fleet: Fleet, times: int, now: float) -> float:
    """The only slot's engine does not start, so many times in a row; when it may start again."""
    for _ in range(times):
        place(fleet, now)
        (name,) = fleet.to_start(now)
        fleet.died(name, "no memory", now)
        now += max(BACKOFF_S)
    return now


def die(fleet: Fleet, times: int, now: float) -> float:
    """The only slot's engine dies at work, so many times; when it may start again."""
    for _ in range(times):
        fleet.died(start(fleet, now), "a bad sample", now)
        now += max(BACKOFF_S)
    return now


def test_all_are_asked_for_and_start_when_they_are_placed() -> None:
    fleet = fleet_of(3)
    assert fleet.to_place(0) == ["r0.1", "r1.1", "r2.1"]
    assert fleet.to_place(1) == [], "asked for once"
    assert fleet.to_start(1) == [], "there is no room yet"
    fleet.placed("r1.1")
    assert fleet.to_start(1) == ["r1.1"]
    assert fleet.working == []


def test_the_first_engine_starts_alone() -> None:
    fleet = fleet_of(3)
    place(fleet, 0)
    assert fleet.to_start(0) == ["r0.1"]
    assert fleet.to_start(90) == []
    fleet.saw({"r0.1": seen()}, 95)
    assert fleet.working == ["r0.1"]
    assert fleet.to_start(95) == ["r1.1"]


def test_the_others_start_one_after_the_other() -> None:
    fleet = fleet_of(4)
    start(fleet, 0)
    assert fleet.to_start(10) == ["r1.1"]
    assert fleet.to_start(10 + STAGGER_S / 2) == []
    assert fleet.to_start(10 + STAGGER_S) == ["r2.1"]
    assert fleet.to_start(10 + 2 * STAGGER_S) == ["r3.1"]
    assert fleet.to_start(10 + 3 * STAGGER_S) == []


def test_when_the_first_one_dies_the_next_starts_alone() -> None:
    fleet = fleet_of(3)
    place(fleet, 0)
    fleet.to_start(0)
    fleet.died("r0.1", "no memory", 5)
    assert fleet.to_start(5) == ["r1.1"]
    assert fleet.to_start(50) == []


def test_a_dead_one_comes_back_later_and_later_under_a_new_name() -> None:
    fleet = fleet_of(1)
    now = 0.0
    for starts in range(1, DEATHS):
        assert start(fleet, now) == f"r0.{starts}"
        assert not fleet.died(f"r0.{starts}", "a bad sample", now)
        wait = BACKOFF_S[min(starts, len(BACKOFF_S)) - 1]
        assert wait == 0 or fleet.to_place(now + wait * 0.9) == []
        now += wait
    assert place(fleet, now) == [f"r0.{DEATHS}"]


def test_failed_starts_in_a_row_quarantine() -> None:
    fleet = fleet_of(2)
    for starts in range(1, FAILED_FIRST_STARTS + 1):
        now = 100.0 * starts
        place(fleet, now)
        assert fleet.to_start(now) == [f"r0.{starts}"]
        given_up = starts == FAILED_FIRST_STARTS
        assert fleet.died(f"r0.{starts}", f"reason {starts}", now) == given_up
    assert fleet.quarantined == {"r0": f"reason {FAILED_FIRST_STARTS}"}
    assert fleet.able == 1
    assert fleet.to_place(10_000) == [], "given up for good"
    assert fleet.to_start(10_000) == ["r1.1"], "the other one goes on"


def test_deaths_at_work_without_a_delivery_quarantine() -> None:
    fleet = fleet_of(1)
    now = die(fleet, DEATHS - 1, 0)
    name = start(fleet, now)
    fleet.saw({name: seen(1, tokens=9, running=1)}, now)
    assert fleet.died(name, "dies of everything", now)
    assert (fleet.able, fleet.working) == (0, [])


def test_one_replica_outlives_a_poisoned_sample() -> None:
    fleet = fleet_of(1)
    die(fleet, ALONE + 1, 0)
    assert fleet.able == 1


def test_engines_that_once_started_get_another_start() -> None:
    fleet = fleet_of(1)
    now = die(fleet, 1, 0)
    now = fail(fleet, FAILED_STARTS - 1, now)
    assert fleet.able == 1
    fail(fleet, 1, now)
    assert fleet.able == 0


def test_one_delivered_sample_forgives_all_deaths() -> None:
    fleet = fleet_of(1)
    now = die(fleet, DEATHS - 1, 0)
    assert not fleet.died(start(fleet, now), "a bad sample", now, delivered=True)
    now = die(fleet, DEATHS - 2, now + max(BACKOFF_S))
    assert (fleet.able, fleet.quarantined) == (1, {})


def test_a_start_that_worked_forgives_those_that_did_not() -> None:
    fleet = fleet_of(1)
    now = die(fleet, 1, 0)
    now = fail(fleet, FAILED_STARTS - 1, now)
    now = die(fleet, 1, now)
    fail(fleet, FAILED_STARTS - 1, now)
    assert fleet.able == 1


def test_one_failed_start_after_deaths_at_work_is_not_three_in_a_row() -> None:
    fleet = fleet_of(1)
    now = die(fleet, FAILED_STARTS, 0)
    fail(fleet, 1, now)
    assert fleet.quarantined == {}


def test_a_slow_start_is_given_up() -> None:
    fleet = fleet_of(2)
    place(fleet, 0)
    fleet.to_start(50)
    assert fleet.overdue(50 + START_S) == {}, "only the start counts, not the wait for room"
    ((reason, hung),) = fleet.overdue(51 + START_S).values()
    assert not hung
    assert reason.startswith("slow start")


def test_a_silent_one_is_given_up() -> None:
    fleet = fleet_of(1)
    name = start(fleet, 0)
    fleet.saw({name: seen(1)}, 10)
    fleet.saw({name: seen(1)}, 40)
    assert fleet.overdue(10 + SILENT_S) == {}
    assert fleet.overdue(11 + SILENT_S)[name].reason.startswith("silent")
    fleet.saw({name: seen(2)}, 11 + SILENT_S)
    assert fleet.overdue(11 + SILENT_S) == {}


def beat_until(fleet: Fleet, name: str, end: int, **state: int) -> None:
    for now in range(0, end + 1, 10):
        fleet.saw({name: seen(1 + now, **state)}, now)


def test_one_that_makes_no_token_while_requests_run_hangs() -> None:
    fleet = fleet_of(1)
    name = start(fleet, 0)
    beat_until(fleet, name, 210, running=3, tokens=7)
    reason, hung = fleet.overdue(210)[name]
    assert hung
    assert reason.startswith("hung")
    assert "it held 3 samples" in reason


def test_one_without_requests_does_not_hang() -> None:
    fleet = fleet_of(1)
    name = start(fleet, 0)
    beat_until(fleet, name, 1000, running=0)
    assert fleet.overdue(1000) == {}
    fleet.saw({name: seen(2000, running=1)}, 1001)
    assert fleet.overdue(1001) == {}, "its time begins with its first request"


def test_one_that_makes_tokens_does_not_hang() -> None:
    fleet = fleet_of(1)
    name = start(fleet, 0)
    for now in range(0, 1000, 50):
        fleet.saw({name: seen(now, running=1, tokens=now)}, now)
        assert fleet.overdue(now) == {}


def test_nobody_is_given_up_for_a_time_when_nobody_watched() -> None:
    fleet = fleet_of(1)
    start(fleet, 0)
    fleet.resume(10_000)
    assert fleet.overdue(10_000 + SILENT_S) == {}
    assert fleet.overdue(10_001 + SILENT_S) != {}


def test_where_everybody_has_left_a_resumed_run_has_them_back() -> None:
    fleet = fleet_of(2)
    names = [start(fleet, 0), start(fleet, 10)]
    fleet.left(names[0], 20)
    fleet.resume(20)
    assert fleet.to_place(20) == [], "one works on"
    fleet.left(names[1], 30)
    assert fleet.to_place(30) == [], "nothing is left to do"
    fleet.resume(40)
    assert fleet.to_place(40) == ["r0.2", "r1.2"]


def test_news_of_an_earlier_start_are_passed_over() -> None:
    fleet = fleet_of(1)
    old = start(fleet, 0)
    fleet.died(old, "no memory", 0)
    place(fleet, 50)
    assert fleet.to_start(50) == ["r0.2"]
    fleet.saw({old: seen(9, delivered=9)}, 51)
    assert fleet.working == [], "the old one's beat makes no new one ready"
    fleet.saw({"r0.2": seen()}, 60)
    fleet.saw({old: seen(10, delivered=9)}, 60 + SILENT_S)
    assert list(fleet.overdue(61 + SILENT_S)) == ["r0.2"]


def test_news_of_an_earlier_start_change_nothing() -> None:
    fleet = fleet_of(1)
    now = die(fleet, 1, 0)
    place(fleet, now)
    fleet.to_start(now)
    fleet.saw({"r0.1": seen(9, delivered=9)}, now)
    assert fleet.working == []


def test_one_that_left_is_not_started_again() -> None:
    fleet = fleet_of(2)
    name = start(fleet, 0)
    fleet.left(name, 5)
    assert fleet.working == []
    assert fleet.to_place(1000) == []
    assert fleet.overdue(1000) == {}
    assert fleet.able == 2


def test_few_or_many_work_as_there_is_room() -> None:
    fleet = fleet_of(5)
    names = fleet.to_place(0)
    for name in names[:2]:
        fleet.placed(name)
    first = fleet.to_start(0)
    fleet.saw({first[0]: seen()}, 1)
    second = fleet.to_start(1)
    fleet.saw({second[0]: seen()}, 2)
    assert fleet.to_start(3) == []
    assert fleet.working == names[:2], "the min works while the max still waits for room"
    fleet.placed(names[4])
    assert fleet.to_start(500) == [names[4]]
    assert fleet.able == 5
