"""The scheduling core under any order of events: no key twice, always progress, one outcome."""

import random
from math import inf

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from infra.goal import Goal
from infra.sampling import Bits, Need, Prefix, eligible_prefix
from infra.scheduler import TRANSIENT_TRIES, Key, Scheduler
from infra.suspects import ALONE

NEED = Need(probe=2, max=6, kept=2, wrong=1)
GOAL = Goal(NEED, tokens_per_sample=1)
KEPT_ONLY = Goal(NEED._replace(wrong=0))
ONE = Goal(Need(probe=1, max=1, kept=1))
HARD = Goal(Need(probe=12, max=32, kept=1))
ALL_WRONG = Bits(2**12 - 1, 2**12 - 1, 0)
PROMPTS = 4
HOLDERS = "AB"


def truth(key: Key) -> bool:
    """Whether a sample is kept, fixed by its key alone."""
    return random.Random(f"{key.prompt} {key.sample_index}").random() < 0.4


def fallacy(key: Key) -> bool:
    """Whether a sample is complete and wrong."""
    return not truth(key) and key.sample_index % 2 == 0


def bits(keys: set[Key]) -> int:
    return sum(1 << key.sample_index for key in keys)


def restored(goal: Goal, *before: Bits) -> Scheduler:
    """One prompt for each of `before`, with the samples that it has already."""
    scheduler = Scheduler(goal, len(before))
    scheduler.restore(before, np.arange(len(before), dtype=np.uint32))
    return scheduler


KEYS = st.builds(Key, st.integers(0, PROMPTS - 1), st.integers(0, NEED.max - 1))


class Chaos(RuleBasedStateMachine):
    """Replicas lease, deliver, fail, die and are lost, some samples kill every engine that draws
    them, verdicts come whenever they like, and schedulers are followed by others."""

    @initialize(prompts=st.integers(1, PROMPTS), killers=st.frozensets(KEYS, max_size=2))
    def start(self, prompts: int, killers: frozenset[Key]) -> None:
        self.scheduler = Scheduler(GOAL, prompts)
        self.killers = killers
        self.held: dict[Key, str] = {}
        self.condemned: set[Key] = set()
        """Leased as poisoned, or delivered so."""
        self.unheard: dict[str, set[Key]] = {}
        """What holders have from a predecessor, before they join its successor."""
        self.delivered: set[Key] = set()
        self.waiting: set[Key] = set()
        self.left = inf
        """Samples that may still be paid for."""

    def wrong(self, key: Key) -> bool:
        return fallacy(key) and key not in self.condemned

    def kept(self, key: Key) -> bool:
        return truth(key) and key not in self.condemned

    def held_by(self, holder: str) -> set[Key]:
        return {key for key, owner in self.held.items() if owner == holder}

    def take(self, holder: str, count: int) -> None:
        room = max(0, self.left - len(self.held))
        leases = self.scheduler.lease(holder, count)
        assert len(leases) <= room, "more than can be paid for"
        for key, tries, poisoned in leases:
            assert key not in self.held, "leased twice at once"
            assert key not in self.delivered, "leased after its delivery"
            assert 0 <= key.sample_index < NEED.max
            assert 1 <= tries <= TRANSIENT_TRIES
            self.held[key] = holder
            if poisoned:
                self.condemned.add(key)
                guilty = {killer.prompt for killer in self.killers}
                assert key.prompt in guilty, "an innocent is condemned"

    def hand_in(self, key: Key) -> None:
        holder = self.held.pop(key)
        assert self.scheduler.accepts(holder, key)
        self.scheduler.delivered(holder, key, 1)
        self.left -= 1
        self.scheduler.allowance.set(self.left)
        assert not self.scheduler.accepts(holder, key)
        self.delivered.add(key)
        self.waiting.add(key)

    def forget(self, holder: str, *, engine_died: bool) -> None:
        mine = self.held_by(holder)
        assert self.scheduler.lost(holder, engine_died=engine_died) == len(mine)
        for key in mine:
            assert not self.scheduler.accepts(holder, key), "a lost holder may not deliver"
            del self.held[key]
        self.condemned -= mine
        self.unheard.pop(holder, None)

    def harmless(self, keys: set[Key]) -> list[Key]:
        """Those that an engine can draw, and those that are only written down."""
        return sorted(key for key in keys if key not in self.killers or key in self.condemned)

    @rule(holder=st.sampled_from(HOLDERS), count=st.integers(1, 5))
    def lease(self, holder: str, count: int) -> None:
        if holder not in self.unheard:
            self.take(holder, count)

    @rule(data=st.data())
    def deliver(self, data: st.DataObject) -> None:
        if can := self.harmless(set(self.held)):
            self.hand_in(data.draw(st.sampled_from(can)))

    @rule(data=st.data())
    def judge(self, data: st.DataObject) -> None:
        if self.waiting:
            key = data.draw(st.sampled_from(sorted(self.waiting)))
            self.waiting.discard(key)
            self.scheduler.judged(key, kept=self.kept(key), wrong=self.wrong(key))

    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        if can := sorted(set(self.held) - self.killers - self.condemned):
            key = data.draw(st.sampled_from(can))
            if self.scheduler.failed(self.held[key], key):
                del self.held[key]

    @rule(holder=st.sampled_from(HOLDERS), data=st.data())
    def cancel(self, holder: str, data: st.DataObject) -> None:
        """Of what is not needed any more, some may have ended meanwhile."""
        surplus = self.scheduler.surplus(holder)
        for key in surplus:
            assert self.held[key] == holder
            judged = {k for k in self.delivered - self.waiting if k.prompt == key.prompt}
            kept = {k for k in judged if self.kept(k)}
            wrong = {k for k in judged if self.wrong(k)}
            prefix = eligible_prefix(bits(judged), bits(kept), bits(wrong), NEED)
            assert prefix.settled
            assert key.sample_index >= prefix.length, "only higher indexes are cancelled"
        ended = data.draw(st.sets(st.sampled_from(surplus))) if surplus else set()
        for key in self.harmless(ended):
            self.hand_in(key)
        self.scheduler.cancelled(holder, surplus)
        for key in self.held_by(holder) & set(surplus):
            del self.held[key]
        self.condemned -= set(surplus) - self.delivered

    @rule(holder=st.sampled_from(HOLDERS))
    def lose(self, holder: str) -> None:
        self.forget(holder, engine_died=False)

    @rule(holder=st.sampled_from(HOLDERS))
    def die(self, holder: str) -> None:
        if self.held_by(holder) & self.killers - self.condemned:
            self.forget(holder, engine_died=True)

    @rule(samples=st.integers(0, 6))
    def afford(self, samples: int) -> None:
        self.scheduler.allowance.set(samples)
        self.left = 0 if self.scheduler.allowance.closed else samples

    @rule()
    def succeed(self) -> None:
        """A successor knows what is in the pool; everything there has its verdict by then."""
        prompts = self.scheduler.prompts
        self.waiting = set()
        before = []
        for number in range(prompts):
            done = {key for key in self.delivered if key.prompt == number}
            kept = bits({key for key in done if self.kept(key)})
            wrong = bits({key for key in done if self.wrong(key)})
            before.append(Bits(bits(done), bits(done), kept, wrong))
        self.scheduler = restored(GOAL, *before)
        self.left = inf
        for holder in HOLDERS:
            self.unheard.setdefault(holder, set()).update(self.held_by(holder))
        self.held = {}

    @rule(holder=st.sampled_from(HOLDERS))
    def join(self, holder: str) -> None:
        keys = self.unheard.pop(holder, set())
        refused = set(self.scheduler.adopt(holder, sorted(keys | self.held_by(holder))))
        assert refused <= keys
        for key in keys - refused:
            assert key not in self.held, "adopted though another has it"
            assert key not in self.delivered, "adopted after its delivery"
            self.held[key] = holder

    @rule(holder=st.sampled_from(HOLDERS))
    def join_without_having_heard_of_a_grant(self, holder: str) -> None:
        """Its answer was lost on the way; somebody draws those samples again."""
        if holder not in self.unheard:
            assert self.scheduler.adopt(holder, []) == []
            for key in self.held_by(holder):
                assert not self.scheduler.accepts(holder, key)
                del self.held[key]

    @rule(count=st.integers(1, 3))
    def lease_to_a_newcomer(self, count: int) -> None:
        """Before or after the holders of the predecessor have joined."""
        self.take("C", count)

    @rule()
    def lose_the_newcomer(self) -> None:
        self.forget("C", engine_died=bool(self.held_by("C") & self.killers - self.condemned))

    @invariant()
    def counts_agree(self) -> None:
        if hasattr(self, "scheduler"):
            assert self.scheduler.in_flight == len(self.held)

    def teardown(self) -> None:
        """From any state, an undisturbed replica finishes with the one possible outcome."""
        if not hasattr(self, "scheduler"):
            return
        for holder in [*HOLDERS, "C"]:
            self.forget(holder, engine_died=False)
        if self.scheduler.allowance.closed:
            self.succeed()
        self.left = inf
        self.scheduler.allowance.set(inf)
        for _ in range(self.scheduler.prompts * NEED.max * 2 + 4 * len(self.killers)):
            if self.scheduler.finished:
                break
            self.work_undisturbed()
        assert self.scheduler.finished
        assert self.scheduler.settled_below == self.scheduler.prompts
        for prompt in range(self.scheduler.prompts):
            self.assert_the_one_outcome(prompt)

    def work_undisturbed(self) -> None:
        for key in sorted(self.waiting):
            self.scheduler.judged(key, kept=self.kept(key), wrong=self.wrong(key))
        self.waiting = set()
        self.take("D", 3)
        if self.held_by("D") & self.killers - self.condemned:
            self.forget("D", engine_died=True)
        for key in sorted(self.held_by("D")):
            self.hand_in(key)

    def assert_the_one_outcome(self, prompt: int) -> None:
        mine = {key for key in self.delivered if key.prompt == prompt}
        if mine & self.condemned:
            return  # how many siblings came through before depends on the order of events
        assert outcome(mine) == outcome({Key(prompt, index) for index in range(NEED.max)})


Chaos.TestCase.settings = settings(max_examples=250, stateful_step_count=50)
TestChaos = Chaos.TestCase


def outcome(judged: set[Key]) -> Prefix:
    """Of a prompt of which these are judged."""
    kept, wrong = filter(truth, judged), filter(fallacy, judged)
    return eligible_prefix(bits(judged), bits(set(kept)), bits(set(wrong)), NEED)


def leased(scheduler: Scheduler, holder: str, count: int) -> list[Key]:
    return [lease.key for lease in scheduler.lease(holder, count)]


def condemned(scheduler: Scheduler, holder: str, count: int) -> dict[Key, bool]:
    return {lease.key: lease.poisoned for lease in scheduler.lease(holder, count)}


def test_siblings_are_leased_next_to_each_other() -> None:
    scheduler = Scheduler(KEPT_ONLY, 3)
    assert leased(scheduler, "A", 5) == [Key(0, 0), Key(0, 1), Key(1, 0), Key(1, 1), Key(2, 0)]
    assert leased(scheduler, "B", 5) == [Key(2, 1)]


def test_no_more_run_than_are_missing() -> None:
    scheduler = Scheduler(Goal(Need(probe=2, max=6, kept=3)), 1)
    for key in leased(scheduler, "A", 9):
        scheduler.delivered("A", key)
        scheduler.judged(key, kept=True)
    assert leased(scheduler, "A", 9) == [Key(0, 2)]
    scheduler.delivered("A", Key(0, 2))
    scheduler.judged(Key(0, 2), kept=False)
    assert leased(scheduler, "A", 9) == [Key(0, 3)]


def test_known_samples_are_not_drawn_again() -> None:
    scheduler = restored(KEPT_ONLY, Bits(0b011, 0b011, 0b001), Bits(0b11, 0b11, 0b11))
    assert scheduler.settled == 1
    assert leased(scheduler, "A", 9) == [Key(0, 2)]


def test_a_verdict_for_a_known_sample_is_taken_before_its_prompt_is_worked_on() -> None:
    scheduler = restored(KEPT_ONLY, Bits(), Bits(0b11, 0b01, 0b01))
    scheduler.judged(Key(1, 1), kept=True)
    assert scheduler.settled == 1


def test_settled_prompts_are_passed_over() -> None:
    settled = Bits(1, 1, 1)
    scheduler = restored(ONE, settled, Bits(), settled, Bits())
    assert (scheduler.settled, scheduler.settled_below) == (2, 1)
    assert leased(scheduler, "A", 9) == [Key(1, 0), Key(3, 0)]
    for number in (3, 1):
        scheduler.delivered("A", Key(number, 0))
        scheduler.judged(Key(number, 0), kept=False)
    assert scheduler.finished
    assert scheduler.settled_below == 4


def test_nothing_to_draw_is_settled() -> None:
    assert Scheduler(GOAL, 0).finished
    assert Scheduler(GOAL, 0).lease("A", 1) == []


def test_a_second_verdict_is_passed_over() -> None:
    scheduler = Scheduler(Goal(Need(probe=2, max=2, kept=1)), 1)
    for key in leased(scheduler, "A", 2):
        scheduler.delivered("A", key)
    scheduler.judged(Key(0, 0), kept=False)
    scheduler.judged(Key(0, 0), kept=True)
    assert not scheduler.finished
    scheduler.judged(Key(0, 1), kept=False)
    assert scheduler.finished
    scheduler.judged(Key(0, 1), kept=True)
    assert scheduler.settled == 1


def test_a_late_failure_of_a_lost_holder_changes_nothing() -> None:
    scheduler = Scheduler(ONE, 1)
    (lease,) = scheduler.lease("A", 1)
    scheduler.lost("A")
    assert scheduler.lease("B", 1) == [lease]
    assert scheduler.failed("A", lease.key)
    assert scheduler.accepts("B", lease.key)
    assert scheduler.in_flight == 1


def test_what_a_settled_prompt_does_not_need_is_cancelled() -> None:
    scheduler = restored(HARD, ALL_WRONG)
    ahead = leased(scheduler, "A", 9)
    assert len(ahead) > 2, "so likely are they needed"
    scheduler.delivered("A", ahead[0])
    scheduler.judged(ahead[0], kept=True)
    assert scheduler.settled == 1
    assert scheduler.surplus("A") == ahead[1:]
    assert scheduler.surplus("A") == [], "told once"
    scheduler.delivered("A", ahead[1])
    scheduler.judged(ahead[1], kept=True)
    scheduler.cancelled("A", ahead[2:])
    assert scheduler.in_flight == 0
    assert leased(scheduler, "B", 9) == []


def test_what_is_not_needed_is_not_taken_up_again() -> None:
    scheduler = restored(HARD, ALL_WRONG)
    (first,) = leased(scheduler, "A", 1)
    ahead = leased(scheduler, "B", 9)
    scheduler.delivered("A", first)
    scheduler.judged(first, kept=True)
    assert scheduler.finished
    assert scheduler.in_flight == len(ahead) > 0
    scheduler.lost("B")
    assert scheduler.in_flight == 0
    assert leased(scheduler, "A", 9) == []


@given(st.integers(1, 30))
def test_failed_tries_are_capped(prompts: int) -> None:
    scheduler = Scheduler(ONE, prompts)
    tries = 0
    while not scheduler.finished:
        for key, number, _ in scheduler.lease("A", 7):
            tries += 1
            if not scheduler.failed("A", key):
                assert number == TRANSIENT_TRIES
                scheduler.delivered("A", key)
                scheduler.judged(key, kept=False)
    assert tries == prompts * TRANSIENT_TRIES


def test_a_lost_holder_costs_no_try() -> None:
    scheduler = Scheduler(ONE, 1)
    for _ in range(2 * TRANSIENT_TRIES):
        assert [lease.tries for lease in scheduler.lease("A", 1)] == [1]
        scheduler.lost("A")


def test_a_successor_adopts_what_is_held() -> None:
    scheduler = restored(KEPT_ONLY, Bits(), Bits(0b01, 0b01, 0), Bits(0b11, 0b11, 0b11))
    held = [Key(0, 1), Key(1, 0), Key(1, 1), Key(2, 0)]
    assert scheduler.adopt("A", held) == [Key(1, 0), Key(2, 0)], "done already"
    assert scheduler.adopt("B", [Key(0, 1)]) == [Key(0, 1)], "somebody else's"
    assert scheduler.in_flight == 2
    assert leased(scheduler, "B", 9) == [Key(0, 0)], "only what nobody holds"
    assert scheduler.accepts("A", Key(0, 1))


def test_a_sample_that_kills_alone_is_poisoned_with_its_prompt() -> None:
    scheduler = Scheduler(Goal(Need(probe=1, max=3, kept=1)), 1)
    for holder in "ABCD":
        assert condemned(scheduler, holder, 1) == {Key(0, 0): False}
        scheduler.lost(holder, engine_died=True)
    for index in range(3):
        assert condemned(scheduler, "E", 9) == {Key(0, index): True}
        scheduler.delivered("E", Key(0, index))
        scheduler.judged(Key(0, index), kept=False)
    assert scheduler.finished


def test_a_killed_process_condemns_nobody() -> None:
    scheduler = Scheduler(ONE, 1)
    for _ in range(3 * ALONE):
        assert condemned(scheduler, "A", 1) == {Key(0, 0): False}
        scheduler.lost("A", engine_died=False)


def test_suspects_of_a_killed_process_are_drawn_again() -> None:
    scheduler = Scheduler(ONE, 2)
    scheduler.lease("A", 2)
    scheduler.lost("A", engine_died=True)
    assert leased(scheduler, "B", 2) == [Key(0, 0), Key(1, 0)]
    scheduler.lost("B", engine_died=False)
    assert leased(scheduler, "C", 2) == [Key(0, 0), Key(1, 0)]


def test_the_last_suspect_is_drawn_alone() -> None:
    scheduler = Scheduler(ONE, 9)
    for _ in range(ALONE):
        scheduler.lease("A", 1)
        scheduler.lost("A", engine_died=True)
    assert leased(scheduler, "B", 2) == [Key(0, 0)], "nothing else is drawn there"
    assert leased(scheduler, "B", 2) == []
    assert leased(scheduler, "A", 2) == [Key(1, 0), Key(2, 0)], "others go on"
    scheduler.delivered("B", Key(0, 0))
    assert leased(scheduler, "B", 2) == [Key(3, 0), Key(4, 0)]
