"""What becomes of a finished request: a row that says all, and null where nothing is known."""

from array import array
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from infra.confidence import WINDOW
from infra.engines.simulated import THINK_END_TOKEN, SimulatedEngine
from infra.messages import Drawn, Place, Work
from infra.sample_row import (
    POISONED,
    ROW_BYTES,
    Finished,
    Ready,
    prepare,
    sample_row,
)
from infra.scheduler import Key
from infra.settings import ReplicaSettings
from infra.spool import write_file
from schemas.arrow import PROMPTS, SAMPLES
from schemas.errors import RequestError
from schemas.identity import sample_seed, text_digest
from schemas.ports import Completion, EngineFacts, RenderedPrompt, Sampling
from schemas.recipe import Flush, Teacher
from schemas.sample import Sample
from tests.builders import make_prompt, make_sample

FACTS = EngineFacts("vllm", "9", "bfloat16", 4096, 8, think_end_token=THINK_END_TOKEN)
RENDERED = RenderedPrompt("<user>What?<think>", (5, 6, 7), thinking_open=True)
SETTINGS = ReplicaSettings(
    teacher=Teacher(model="m", engine="simulated"),
    teacher_id="t1_t",
    sampling=Sampling(0.6, 0.95, 0, 0.0, 1.0, (), 77),
    flush=Flush(),
    samples="samples",
    attempt="a000001",
    coordinator="c",
    code="code1",
)
PLACE = Place("p.parquet", 0)


def ready(rendered: RenderedPrompt | RequestError = RENDERED, tries: int = 1) -> Ready:
    return Ready(Work(Key(4, 2), tries, PLACE, False), make_prompt(), rendered, seed=11)


def completion(text: str, ids: tuple[int, ...], finish_reason: str = "stop") -> Completion:
    return Completion(text, ids, finish_reason, None, array("f", [-0.25]) * len(ids), -0.25)


def row_of(
    outcome: Completion | RequestError,
    rendered: RenderedPrompt | RequestError = RENDERED,
    facts: EngineFacts = FACTS,
) -> dict[str, Any]:
    """The row, which must fit the table."""
    row = sample_row(Finished(ready(rendered), outcome, 1.5), SETTINGS, facts, "r0.1")
    (stored,) = pa.Table.from_pylist([row], schema=SAMPLES).to_pylist()
    Sample.from_row(stored)
    return row


def picked(row: dict[str, Any], *names: str) -> tuple[Any, ...]:
    return tuple(row[name] for name in names)


def test_a_done_sample() -> None:
    row = row_of(completion("so\n</think>\n\nfour", (0, 0, 1, 0, 0)))
    assert list(row) == SAMPLES.names
    assert row["outcome"] == "done"
    assert picked(row, "failure", "failure_reason", "token_ids", "token_logprobs") == (None,) * 4
    assert picked(row, "reasoning", "answer") == ("so\n", "\n\nfour")
    assert picked(row, "reasoning_tokens", "answer_tokens", "prompt_tokens") == (3, 2, 3)
    assert row["text_digest"] == text_digest(row["text"])
    assert row["prompt_digest"] == text_digest(RENDERED.text)
    assert picked(row, "finish_reason", "mean_logprob", "thinking_open") == ("stop", -0.25, True)


def test_its_key_and_where_it_comes_from() -> None:
    row = row_of(completion("x", (0,)))
    assert picked(row, "prompt_id", "teacher_id", "sample_index") == (
        make_prompt().prompt_id,
        "t1_t",
        2,
    )
    assert picked(row, "max_tokens", "seed", "tries", "duration_s") == (77, 11, 1, 1.5)
    assert picked(row, "replica", "attempt") == ("r0.1", "a000001")
    assert picked(row, "engine", "engine_version", "dtype") == ("vllm", "9", "bfloat16")


def test_a_truncated_sample_can_be_continued() -> None:
    row = row_of(completion("still thinking", (3, 4), "length"))
    assert picked(row, "outcome", "finish_reason", "token_ids") == ("done", "length", (3, 4))
    assert list(row["token_logprobs"]) == [-0.25, -0.25]
    assert picked(row, "reasoning", "answer") == ("still thinking", "")
    assert picked(row, "reasoning_tokens", "answer_tokens") == (2, 0)


CONFIDENCE = ("mean_logprob", "lowest_logprob", "tail_logprob")


def test_how_sure_the_model_was() -> None:
    logprobs = array("f", [-1.0] * WINDOW + [-0.5] * WINDOW)
    long = replace(
        completion("x", (0,) * len(logprobs)), token_logprobs=logprobs, mean_logprob=-0.75
    )
    assert picked(row_of(long), *CONFIDENCE) == (-0.75, -1.0, -0.5)
    assert picked(row_of(completion("x", (0,) * WINDOW)), *CONFIDENCE) == (-0.25,) * 3
    nothing = replace(completion("", ()), mean_logprob=None)
    assert picked(row_of(nothing), *CONFIDENCE) == (None,) * 3


@pytest.mark.parametrize("cut", [True, False, None])
def test_thinking_that_was_cut(cut: bool | None) -> None:
    outcome = replace(completion("so</think>four", (0, 1, 0)), thinking_cut=cut)
    assert picked(row_of(outcome), "finish_reason", "thinking_cut") == ("stop", cut)


def test_a_sample_that_repetition_detection_ended() -> None:
    outcome = completion("so so so", (4, 4, 4), "repetition")
    outcome = replace(outcome, stop_reason="repetition_detected")
    row = row_of(outcome)
    assert picked(row, "outcome", "finish_reason", "stop_reason", "thinking_cut") == (
        "done",
        "repetition",
        "repetition_detected",
        False,
    )


def test_without_thinking_all_is_answer() -> None:
    closed = RenderedPrompt("<user>What?", (5,), thinking_open=False)
    row = row_of(completion("four", (8, 9)), closed)
    assert picked(row, "reasoning", "answer", "reasoning_tokens", "answer_tokens") == (
        None,
        "four",
        0,
        2,
    )


@pytest.mark.parametrize("token", [None, 99])
def test_tokens_that_cannot_be_told_apart_are_null(token: int | None) -> None:
    facts = EngineFacts("vllm", "9", "bfloat16", 4096, 8, think_end_token=token)
    row = row_of(completion("so</think>four", (0, 1, 0)), facts=facts)
    assert picked(row, "reasoning_tokens", "answer_tokens") == (None, None)
    assert row["reasoning"] == "so"


def test_a_rejected_sample() -> None:
    error = RequestError("rejected", "prompt_too_long", "9000 tokens")
    row = row_of(error)
    assert picked(row, "outcome", "failure", "failure_reason", "failure_detail") == (
        "failed",
        "rejected",
        "prompt_too_long",
        "9000 tokens",
    )
    assert picked(row, "text", "text_digest", "finish_reason", "reasoning") == (None,) * 4
    assert row["thinking_cut"] is None
    assert row["prompt_tokens"] == 3, "what was asked is known"


def test_a_prompt_that_cannot_be_rendered_has_no_tokens() -> None:
    error = RequestError("rejected", "template", "no such role")
    row = row_of(error, rendered=error)
    assert picked(row, "prompt_tokens", "prompt_digest", "thinking_open") == (None, None, False)
    assert row["failure_reason"] == "template"


def test_a_poisoned_sample() -> None:
    row = row_of(POISONED, rendered=POISONED)
    assert picked(row, "outcome", "failure", "failure_reason") == (
        "failed",
        "poisoned",
        "engine_died",
    )
    assert row["text"] is None


def test_what_the_coordinator_is_told() -> None:
    done = Finished(ready(), completion("abc", (1, 2, 3)), 0.1)
    assert done.told() == Drawn(Key(4, 2), True, 3, None)
    failed = Finished(ready(), RequestError("rejected", "prompt_too_long", "xy"), 0.1)
    assert failed.told() == Drawn(Key(4, 2), False, 0, "prompt_too_long")
    assert (done.size, failed.size) == (ROW_BYTES + 3, ROW_BYTES + 2)


def test_a_second_try_is_another_request() -> None:
    assert ready(tries=1).request_id != ready(tries=2).request_id


def work_in(folder: Path, *indexes: tuple[int, int, bool]) -> tuple[Work, ...]:
    """Samples of the prompts "What is 0 + 1?", "What is 1 + 1?" …"""
    rows = [asdict(make_prompt(f"What is {number} + 1?")) for number in range(3)]
    write_file(str(folder / "p.parquet"), PROMPTS, rows)
    place = str(folder / "p.parquet")
    return tuple(Work(Key(p, i), 1, Place(place, p), poisoned) for p, i, poisoned in indexes)


def prepared(work: tuple[Work, ...]) -> list[Ready]:
    return prepare(work, SimulatedEngine(SETTINGS.teacher), SETTINGS)


def test_work_is_made_ready(tmp_path: Path) -> None:
    work = work_in(tmp_path, (0, 0, False), (0, 1, False), (2, 0, False))
    made = prepared(work)
    assert [one.work for one in made] == list(work)
    assert [one.prompt.question for one in made] == ["What is 0 + 1?"] * 2 + ["What is 2 + 1?"]
    for one in made:
        assert isinstance(one.rendered, RenderedPrompt)
        assert one.prompt.question in one.rendered.text
        key = (one.prompt.prompt_id, SETTINGS.teacher_id, one.work.key.sample_index)
        assert one.seed == sample_seed(*key)
    assert len({one.request_id for one in made}) == 3


def test_a_poisoned_prompt_never_reaches_the_engine(tmp_path: Path) -> None:
    made = prepared(work_in(tmp_path, (0, 0, True), (0, 1, True), (1, 0, False)))
    assert [one.rendered is POISONED for one in made] == [True, True, False]


def test_a_truncated_text_has_a_digest_of_its_own() -> None:
    """Its continuation may be the same text, ended by its last token, and has other scores."""
    digests = {row_of(completion("a", (0,), why))["text_digest"] for why in ("length", "stop")}
    assert len(digests) == 2


def test_a_truncated_sample_that_cannot_go_on_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "apart.parquet"
    old = make_sample(
        "so far",
        finish_reason="length",
        token_ids=(5, 6),
        token_logprobs=(-0.5, -0.25),
        max_tokens=2,
    )
    write_file(str(path), SAMPLES, [old.to_row()])
    work = Work(Key(4, 2), 1, PLACE, False, truncated=Place(str(path), 0))
    refused = RequestError("rejected", "context_full", "no room")
    finished = Finished(Ready(work, make_prompt(), RENDERED, seed=11, had=2), refused, 1.5)
    row = sample_row(finished, SETTINGS, FACTS, "r0.1")
    assert row == old.to_row() | {
        "token_ids": [5, 6],
        "token_logprobs": [-0.5, -0.25],
        "max_tokens": SETTINGS.sampling.max_tokens,
        "failure": "rejected",
        "failure_reason": "context_full",
        "failure_detail": "no room",
    }
    assert finished.told() == Drawn(Key(4, 2), False, 0, "context_full")
    longer = replace(finished, outcome=completion("so far and on", (5, 6, 7, 8)))
    assert longer.told().tokens == 2, "what the table has is paid for"
