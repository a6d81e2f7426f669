"""The scheduling core under any order of events: no key twice, always progress, one outcome."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from infra.sampling import eligible_prefix
from infra.scheduler import TRANSIENT_TRIES, Key, Scheduler
from schemas.recipe import SampleCounts

COUNTS = SampleCounts(probe=2, max=6, enough=2)


def truth(key: Key) -> bool:
    """Whether a sample is kept, fixed by its key alone."""
    return random.Random(f"{key.prompt} {key.sample_index}").random() < 0.4


class Chaos(RuleBasedStateMachine):
    """Replicas lease, deliver, fail, are lost; verdicts come whenever they like."""

    @initialize(prompts=st.integers(1, 4))
    def start(self, prompts: int) -> None:
        self.scheduler = Scheduler(COUNTS)
        for _ in range(prompts):
            self.scheduler.add()
        self.held: dict[Key, str] = {}
        self.delivered: set[Key] = set()
        self.waiting: set[Key] = set()

    @rule(holder=st.sampled_from("AB"), count=st.integers(1, 5))
    def lease(self, holder: str, count: int) -> None:
        for key, tries in self.scheduler.lease(holder, count):
            assert key not in self.held, "leased twice at once"
            assert key not in self.delivered, "leased after its delivery"
            assert 0 <= key.sample_index < COUNTS.max
            assert 1 <= tries <= TRANSIENT_TRIES
            self.held[key] = holder

    @rule(data=st.data())
    def deliver(self, data: st.DataObject) -> None:
        if self.held:
            key = data.draw(st.sampled_from(sorted(self.held)))
            holder = self.held.pop(key)
            assert self.scheduler.accepts(holder, key)
            self.scheduler.delivered(holder, key)
            assert not self.scheduler.accepts(holder, key)
            self.delivered.add(key)
            self.waiting.add(key)

    @rule(data=st.data())
    def judge(self, data: st.DataObject) -> None:
        if self.waiting:
            key = data.draw(st.sampled_from(sorted(self.waiting)))
            self.waiting.discard(key)
            self.scheduler.judged(key, kept=truth(key))

    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        if self.held:
            key = data.draw(st.sampled_from(sorted(self.held)))
            if self.scheduler.failed(self.held[key], key):
                del self.held[key]

    @rule(holder=st.sampled_from("AB"))
    def lose(self, holder: str) -> None:
        mine = {key for key, owner in self.held.items() if owner == holder}
        assert self.scheduler.lost(holder) == len(mine)
        for key in mine:
            assert not self.scheduler.accepts(holder, key), "a lost holder may not deliver"
            del self.held[key]

    @invariant()
    def counts_agree(self) -> None:
        if hasattr(self, "scheduler"):
            assert self.scheduler.in_flight == len(self.held)

    def teardown(self) -> None:
        """From any state, an undisturbed replica finishes with the one possible outcome."""
        if not hasattr(self, "scheduler"):
            return
        self.lose("A")
        self.lose("B")
        for _ in range(self.scheduler.prompts * COUNTS.max * 2):
            for key in sorted(self.waiting):
                self.scheduler.judged(key, kept=truth(key))
            self.waiting = set()
            for key, _ in self.scheduler.lease("C", 3):
                self.scheduler.delivered("C", key)
                self.delivered.add(key)
                self.waiting.add(key)
            if self.scheduler.all_settled:
                break
        assert self.scheduler.all_settled
        for prompt in range(self.scheduler.prompts):
            judged = sum(1 << k.sample_index for k in self.delivered if k.prompt == prompt)
            kept = sum(
                1 << k.sample_index for k in self.delivered if k.prompt == prompt and truth(k)
            )
            everything = sum(1 << i for i in range(COUNTS.max) if truth(Key(prompt, i)))
            undisturbed = eligible_prefix(2**COUNTS.max - 1, everything, COUNTS)
            assert eligible_prefix(judged, kept, COUNTS) == undisturbed


Chaos.TestCase.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
TestChaos = Chaos.TestCase


def test_siblings_are_leased_next_to_each_other() -> None:
    scheduler = Scheduler(COUNTS)
    for _ in range(3):
        scheduler.add()
    keys = [key for key, _ in scheduler.lease("A", 5)]
    assert keys == [Key(0, 0), Key(0, 1), Key(1, 0), Key(1, 1), Key(2, 0)]


def test_no_more_run_than_are_missing() -> None:
    scheduler = Scheduler(SampleCounts(probe=2, max=6, enough=3))
    scheduler.add()
    for key, _ in scheduler.lease("A", 9):
        scheduler.delivered("A", key)
        scheduler.judged(key, kept=True)
    assert [key for key, _ in scheduler.lease("A", 9)] == [Key(0, 2)]
    scheduler.delivered("A", Key(0, 2))
    scheduler.judged(Key(0, 2), kept=False)
    assert [key for key, _ in scheduler.lease("A", 9)] == [Key(0, 3)]


def test_known_samples_are_not_drawn_again() -> None:
    scheduler = Scheduler(COUNTS)
    scheduler.add(done=0b011, judged=0b011, kept=0b001)
    assert [key for key, _ in scheduler.lease("A", 9)] == [Key(0, 2)]
    assert scheduler.add(done=0b11, judged=0b11, kept=0b11) == 1
    assert scheduler.settled == 1


def test_a_late_failure_of_a_lost_holder_changes_nothing() -> None:
    scheduler = Scheduler(SampleCounts(probe=1, max=1, enough=1))
    scheduler.add()
    (lease,) = scheduler.lease("A", 1)
    scheduler.lost("A")
    assert scheduler.lease("B", 1) == [lease]
    assert scheduler.failed("A", lease.key)
    assert scheduler.accepts("B", lease.key)
    assert scheduler.in_flight == 1


@given(st.integers(1, 30))
def test_failed_tries_are_capped(prompts: int) -> None:
    scheduler = Scheduler(SampleCounts(probe=1, max=1, enough=1))
    for _ in range(prompts):
        scheduler.add()
    tries = 0
    while not scheduler.all_settled:
        for key, number in scheduler.lease("A", 7):
            tries += 1
            if not scheduler.failed("A", key):
                assert number == TRANSIENT_TRIES
                scheduler.delivered("A", key)
                scheduler.judged(key, kept=False)
    assert tries == prompts * TRANSIENT_TRIES
