"""What a watcher tells of an attempt is what is in the store, whatever happens to that."""

import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra.compaction import merge
from infra.lease import SILENT_S
from infra.meter import Meter
from jobs.fates import fates_at
from jobs.prompts import read_prompts
from jobs.recipe import Job
from jobs.watch.watcher import Watcher
from schemas.identity import reference_id
from tests.conftest import MakeJob
from tests.jobs.watch.attempts import attempt, everything_below, watcher
from tests.pools import drawn


@pytest.fixture
def job(make_job: MakeJob) -> Job:
    """Without scorers that need processes of their own."""
    return make_job(scorers={"math": ["exact_match"], "*": ["format"]})


def funnel(feed: dict[str, Any]) -> Counter[str]:
    return Counter({row["name"]: row["samples"] for row in feed["funnel"] if row["samples"]})


def in_the_pool(job: Job) -> Counter[str]:
    """The same, as a build sees the samples."""
    samples = fates_at(job, read_prompts(job.recipe), job.pool.versions())
    return Counter(reason or "kept" for reason in samples["reason"])


def sample_file(job: Job, name: str) -> Path:
    return Path(job.pool.folder("samples")) / name


def test_the_funnel_fills_as_samples_and_verdicts_come(job: Job) -> None:
    rows = drawn(job, 4)
    watch = watcher(job)
    with attempt(job) as run:
        assert watch.feed()["samples"]["drawn"] == 0
        run.draw(rows[:10])
        assert funnel(watch.feed()) == in_the_pool(job)
        run.draw(rows[10:20], score=False)
        waiting = watch.feed()
        assert waiting["samples"]["drawn"] == 20
        assert waiting["samples"]["waiting"] == 10
        run.score(rows[10:20])
        run.draw(rows[20:])
        feed = watch.feed()
    assert funnel(feed) == in_the_pool(job)
    assert feed["samples"]["waiting"] == 0
    assert feed["samples"]["drawn"] == len(rows)
    assert feed["replicas"][0]["samples"] == len(rows)
    tokens = sum((s.reasoning_tokens or 0) + (s.answer_tokens or 0) for _, s in rows)
    assert feed["samples"]["tokens"] == feed["replicas"][0]["tokens"] == tokens


def test_only_its_own_samples_count(job: Job) -> None:
    rows = drawn(job, 4)
    with attempt(job) as first:
        first.draw(rows[:20])
    with attempt(job) as second:
        second.draw(rows[20:30])
        feeds = [watcher(job, name).feed() for name in (first.name, second.name)]
    assert [feed["samples"]["judged"] for feed in feeds] == [20, 10]
    assert feeds[0]["newer"] == [second.name]


def test_a_pool_that_is_merged_under_the_reader_is_counted_once(job: Job) -> None:
    rows = drawn(job, 4)
    watch = watcher(job)
    with attempt(job) as run:
        files = [run.draw(rows[i : i + 8]) for i in range(0, 24, 8)]
        before = watch.feed()
        unseen = run.draw(rows[24:32])
        folder = job.pool.folder("samples")
        merged = merge(folder, (*files, unseen), f"{run.name}-m000001.parquet")
        run.writer.commit("samples", [merged], (*files, unseen))
        for file in (*files, unseen):
            sample_file(job, file.name).unlink()
        after = watch.feed()
        run.draw(rows[32:40])
        last = watch.feed()
    assert before["samples"]["drawn"] == 24
    assert after["samples"]["drawn"] == after["samples"]["judged"] == 32
    assert last["samples"]["drawn"] == 40
    assert funnel(last) == in_the_pool(job)
    assert not last["notes"]


def test_a_merge_is_still_known_when_a_look_is_cut_short(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.watch.tally.FILES", 1)
    ticks = iter(range(10**9))
    rows = drawn(job, 4)
    watch = watcher(job, clock=lambda: float(next(ticks)))

    def all_of_it() -> dict[str, Any]:
        feed = watch.feed()
        while feed["reading"]:
            feed = watch.feed()
        return feed

    with attempt(job) as run:
        files = (run.draw(rows[:8]), run.draw(rows[8:16]))
        assert all_of_it()["samples"]["drawn"] == 16
        for i in range(16, 32, 4):
            run.draw(rows[i : i + 4])
        merged = merge(job.pool.folder("samples"), files, f"{run.name}-m000001.parquet")
        run.writer.commit("samples", [merged], files)
        feed = all_of_it()
    assert feed["samples"]["drawn"] == 32
    assert funnel(feed) == in_the_pool(job)


def test_a_sample_waits_for_all_its_scores_by_its_own_reference(job: Job) -> None:
    rows = drawn(job, 1)
    other = [(replace(p, reference="0", reference_id=reference_id("0")), s) for p, s in rows]
    watch = watcher(job)
    with attempt(job) as run:
        run.draw(rows, score=False)
        waiting = []
        for scored, scorers in ((other, None), (rows, ["format"]), (rows, ["exact_match"])):
            run.score(scored, scorers)
            waiting.append(watch.feed()["samples"]["waiting"])
    assert waiting == [12, 12, 0]
    assert funnel(watch.feed()) == in_the_pool(job)


def test_each_file_is_read_once(job: Job) -> None:
    rows = drawn(job, 4)
    watch = watcher(job)
    with attempt(job) as run:
        file = run.draw(rows[:8])
        assert watch.feed()["samples"]["judged"] == 8
        sample_file(job, file.name).write_bytes(b"")
        run.draw(rows[8:16])
        feed = watch.feed()
    assert feed["samples"]["judged"] == 16
    assert not feed["notes"], "what was read is not needed any more"
    assert feed["newest"]["kept"][0]["answer"]


def test_newest_samples_come_first_with_prompts_and_texts(job: Job) -> None:
    rows = drawn(job, 4)
    watch = watcher(job)
    with attempt(job) as run:
        run.draw(rows[:24])
        watch.feed()
        run.draw(rows[24:])
        newest = watch.feed()["newest"]
    assert [len(newest[side]) for side in ("kept", "rejected")] == [8, 8]
    texts = {(s.prompt_id, s.sample_index): (p, s) for p, s in rows[24:]}
    for side, shown in newest.items():
        prompt, sample = texts[shown[0]["prompt_id"], shown[0]["sample_index"]]
        assert shown[0]["kept"] == (side == "kept") == (shown[0]["fate"] == "kept")
        assert shown[0]["prompt"] == prompt.question
        assert shown[0]["reference"] == prompt.reference
        assert shown[0]["answer"] == (sample.answer or "").strip()
        assert shown[0]["scores"]["format.complete"] is True


def test_a_run_that_was_not_begun_yet_is_waited_for(job: Job) -> None:
    watch = watcher(job)
    assert watch.feed()["state"]["name"] == "waiting"
    with attempt(job) as run:
        feed = watch.feed()
        assert (feed["state"]["name"], feed["attempt"]) == ("running", run.name)
        assert feed["samples"]["drawn"] == 0
    ended = watch.feed()
    assert (ended["state"]["name"], ended["attempt"]) == ("finished", run.name)
    with attempt(job) as later:
        assert watch.feed()["attempt"] == later.name, "the newest one was asked for"


@pytest.mark.parametrize(
    ("reason", "state", "what"),
    [
        (None, "finished", "nothing left to draw"),
        ("Interrupted: stopped in good order", "stopped", "stopped in good order"),
        ("RunError: fewer replicas", "failed", "RunError: fewer replicas"),
    ],
)
def test_how_an_attempt_ended(job: Job, reason: str | None, state: str, what: str) -> None:
    with attempt(job, reason):
        pass
    feed = watcher(job).feed()
    assert (feed["state"]["name"], feed["state"]["what"]) == (state, what)
    assert [replica["state"] for replica in feed["replicas"]] == ["ended"]


def abandon(job: Job, **changes: Any) -> None:
    """The lease as another process left it."""
    key = f"pools/{job.recipe.pool}/writer.json"
    before = job.store.get(key)
    assert before is not None
    after = json.dumps({**json.loads(before), "released": False, **changes}).encode()
    assert job.store.replace_if(key, after, expected=before)


def unfinished(job: Job) -> str:
    """An attempt that said nothing of its end."""
    with attempt(job) as run:
        pass
    folder = Path(job.pool.root) / "attempts" / run.name / "events"
    sorted(folder.iterdir())[-1].unlink()
    return run.name


def test_a_process_that_is_gone_has_crashed(job: Job) -> None:
    unfinished(job)
    feed = watcher(job).feed()
    assert feed["state"]["name"] == "crashed"
    assert feed["state"]["since"]


def test_a_heartbeat_that_stops_elsewhere_is_a_crash_after_a_while(job: Job) -> None:
    now = 0.0
    unfinished(job)
    abandon(job, process="another machine/1/1")
    watch = watcher(job, clock=lambda: now)
    assert watch.feed()["state"]["name"] == "running"
    now = SILENT_S - 1
    assert watch.feed()["state"]["name"] == "running"
    now = SILENT_S + 1
    assert watch.feed()["state"]["name"] == "crashed"
    abandon(job, process="another machine/1/1", beats=7)
    assert watch.feed()["state"]["name"] == "running", "it beats again"


def test_a_store_that_is_out_leaves_what_was_known_and_says_since_when(
    job: Job, tmp_path: Path
) -> None:
    rows = drawn(job, 2)
    watch = watcher(job)
    root = Path(job.store.url)
    with attempt(job) as run:
        run.draw(rows)
        good = watch.feed()
    root.rename(tmp_path / "away")
    first, second = watch.feed(), watch.feed()
    assert first["samples"] == good["samples"]
    assert str(root) in first["stale"]["reason"]
    assert second["stale"]["since"] == first["stale"]["since"]
    assert not root.exists(), "a watcher makes nothing"
    (tmp_path / "away").rename(root)
    assert watch.feed()["stale"] is None


def test_a_lease_that_is_gone_is_no_crash(job: Job) -> None:
    watch = watcher(job)
    with attempt(job):
        assert watch.feed()["state"]["name"] == "running"
    (Path(job.pool.root) / "writer.json").unlink()
    feed = watch.feed()
    assert "not there now" in feed["stale"]["reason"]
    assert feed["state"]["name"] == "running", "as it was last known"


def test_torn_files_are_named_and_the_others_counted(job: Job) -> None:
    rows = drawn(job, 4)
    watch = watcher(job)
    with attempt(job) as run:
        torn = run.draw(rows[:8], score=False)
        whole = sample_file(job, torn.name).read_bytes()
        sample_file(job, torn.name).write_bytes(whole[:-100])
        run.draw(rows[8:16])
        run.tell("trouble", reason="x")
        events = Path(job.pool.root) / "attempts" / run.name / "events"
        last = sorted(events.iterdir())[-1]
        last.write_bytes(last.read_bytes()[:-4])
        feed = watch.feed()
        assert feed["samples"]["drawn"] == 8
        notes = " ".join(feed["notes"])
        assert torn.name in notes
        assert last.name in notes
        sample_file(job, torn.name).write_bytes(whole)
        mended = watch.feed()
    assert mended["samples"]["drawn"] == 16
    assert torn.name not in " ".join(mended["notes"])


def test_an_attempt_of_another_version_is_shown_as_far_as_it_is_understood(job: Job) -> None:
    with attempt(job) as run:
        run.draw(drawn(job, 1))
    path = Path(job.pool.root) / "attempts" / run.name / "recipe.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "no_such_field": 1}))
    feed = watcher(job).feed()
    assert feed["state"]["name"] == "finished"
    assert feed["samples"]["drawn"] == 12
    assert "no_such_field" in feed["notes"][0]


def test_one_that_noted_no_progress_has_its_mean_speed(job: Job) -> None:
    with attempt(job) as run:
        run.tell("settled", drawn=9, tokens=900, working_s=10.0)
    feed = watcher(job).feed()
    assert (feed["progress"], feed["throughput"]) == (None, [])
    assert feed["mean_tokens_per_s"] == 90


def test_evaluation_sets_that_are_not_here_are_missed_by_name(
    make_job: MakeJob, tmp_path: Path
) -> None:
    questions = tmp_path / "questions.jsonl"
    questions.write_text('{"question": "What is the sum of all primes below a million?"}\n')
    job = make_job(scorers={"*": ["format", "leaks"]}, keep={}, decontaminate=[str(questions)])
    with attempt(job) as run:
        run.draw(drawn(job, 1))
    questions.unlink()
    feed = watcher(job).feed()
    assert feed["samples"]["drawn"] == feed["samples"]["waiting"] == 12
    assert "questions.jsonl" in feed["notes"][0]


def test_cost_and_what_is_left_of_the_budget(make_job: MakeJob) -> None:
    job = make_job(
        scorers={"*": ["format"]},
        keep={},
        budget={"tokens": 1000, "usd": 10},
        price={"gpu_hour": 2.5},
    )
    for tokens in (300, 200):
        with attempt(job) as run:
            meter = Meter(job.store, job.recipe.pool, run.name, job.recipe.name, "t", gpus=1)
            meter.started("r0.1", 0.0)
            meter.saw({}, tokens, 3600.0)
            meter.save(3600.0, last=True)
    cost = watcher(job).feed()["cost"]
    assert (cost["tokens"], cost["gpu_hours"], cost["usd"]) == (200, 1, 2.5)
    assert (cost["all"]["tokens"], cost["all"]["usd"]) == (500, 5)
    assert cost["budget"] == [
        {"limit": "tokens", "spent": 500, "allowed": 1000},
        {"limit": "usd", "spent": 5, "allowed": 10},
    ]


def test_watchers_write_nothing(job: Job) -> None:
    with attempt(job) as run:
        run.draw(drawn(job, 2))
    before = everything_below(Path(job.store.url))
    feeds = [watch.feed() for watch in (watcher(job), watcher(job)) for _ in range(3)]
    assert everything_below(Path(job.store.url)) == before
    assert all(feed == feeds[0] for feed in feeds)


def test_it_does_not_look_more_often_than_every_few_seconds(job: Job) -> None:
    now = 100.0
    with attempt(job) as run:
        watch = Watcher(job.store, job.recipe.pool, clock=lambda: now)
        watch.feed()
        run.draw(drawn(job, 1))
        assert watch.feed()["samples"]["drawn"] == 0
        now += 5
        assert watch.feed()["samples"]["drawn"] == 12


def test_a_long_look_goes_on_at_the_next_one(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.watch.tally.FILES", 4)
    ticks = iter(range(10**9))
    rows = drawn(job, 4)
    with attempt(job) as run:
        for i in range(0, len(rows), 2):
            run.draw(rows[i : i + 2])
        watch = watcher(job, clock=lambda: float(next(ticks)))
        feeds = [watch.feed()]
        while feeds[-1]["reading"]:
            feeds.append(watch.feed())
    assert len(feeds) > 2
    left = [feed["reading"] for feed in feeds]
    assert left == sorted(left, reverse=True)
    assert funnel(feeds[-1]) == in_the_pool(job)


def test_a_store_that_was_emptied_is_no_new_beginning(job: Job) -> None:
    with attempt(job) as run:
        run.draw(drawn(job, 1))
    watch = watcher(job)
    good = watch.feed()
    shutil.rmtree(Path(job.store.url) / "pools")
    assert watch.feed()["samples"] == good["samples"]
    assert watch.feed()["stale"]


def test_replicas_and_why(job: Job) -> None:
    with attempt(job) as run:
        run.tell("replica_started", replica="r1.1")
        run.tell("replica_died", replica="r1.1", reason="out of memory")
        run.tell("samples_requeued", replica="r1.1", samples=1234)
        run.tell("replica_started", replica="r1.2")
        run.tell("replica_started", replica="r2.1")
        run.tell("replica_ready", replica="r2.1")
        run.tell("replica_left", replica="r2.1", handed_over=7)
        rows = watcher(job).feed()["replicas"]
    states = {row["name"]: (row["state"], row["reason"]) for row in rows}
    assert states == {
        "r0.1": ("working", ""),
        "r1.2": ("starting", ""),
        "r2.1": ("given_back", "7 half drawn samples went on elsewhere"),
        "r1.1": ("died", "out of memory; 1,234 samples are drawn again"),
    }
    assert [row["name"] for row in rows] == ["r0.1", "r1.2", "r2.1", "r1.1"]


def test_how_far_it_is_as_the_run_last_said(job: Job) -> None:
    with attempt(job) as run:
        for tokens in (0, 1000):
            run.events.add("progress", tokens=tokens, drawn=tokens // 100, prompts=12, settled=3)
        run.events.flush()
        feed = watcher(job).feed()
    assert (feed["progress"]["settled"], feed["progress"]["prompts"]) == (3, 12)


def test_on_every_store(make_job: MakeJob, store_url: str) -> None:
    job = make_job(store=store_url, scorers={"math": ["exact_match"], "*": ["format"]})
    rows = drawn(job, 2)
    watch = watcher(job)
    assert watch.feed()["state"]["name"] == "waiting"
    with attempt(job) as run:
        run.draw(rows[:10])
        assert funnel(watch.feed()) == in_the_pool(job)
        run.draw(rows[10:])
        run.tell("progress", prompts=12, settled=4, tokens=10, drawn=24)
        feed = watch.feed()
    assert funnel(feed) == in_the_pool(job)
    assert feed["newest"]["kept"][0]["prompt"]
    assert feed["progress"]["settled"] == 4
    assert watch.feed()["state"]["name"] == "finished"
