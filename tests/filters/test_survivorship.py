"""Counts of what was drawn and of what is published add up over shards and parts."""

import random

import polars as pl
import pytest

from filters.survivorship import (
    PASS_RATES,
    added_up,
    drawn_counts,
    measured,
    middle,
    published_counts,
)

SCHEMA = {
    "prompt_id": pl.String,
    "domain": pl.String,
    "source": pl.String,
    "finish_reason": pl.String,
    "reasoning_tokens": pl.Int32,
    "answer_tokens": pl.Int32,
    "correct": pl.Boolean,
    "group.pass_rate": pl.Float64,
}


def frame(*rows: tuple[object, ...]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def random_samples(prompts: int) -> pl.DataFrame:
    chance = random.Random(3)
    rows: list[tuple[object, ...]] = []
    for number in range(prompts):
        rate = chance.choice([None, 0.0, 1 / 8, 0.25, 1 / 3, 0.5, 0.75, 7 / 8, 1.0])
        origin = chance.choice(["math", "code"]), chance.choice([None, "10", "9", "gsm8k"])
        for _ in range(chance.randint(1, 6)):
            tokens = chance.choice([None, 0, 1, 255, 256, 2**30]), chance.randint(0, 3)
            reason = chance.choice(["stop", "length", "repetition", None])
            right = chance.choice([None, True, False])
            rows.append((f"p{number:03d}", *origin, reason, *tokens, right, rate))
    return frame(*rows)


def cut(samples: pl.DataFrame, pieces: int) -> list[pl.DataFrame]:
    """By prompts, which are never divided."""
    number = pl.col("prompt_id").str.slice(1).cast(pl.Int64) % pieces
    return [samples.filter(number == piece) for piece in range(pieces)]


@pytest.mark.parametrize("pieces", [2, 7, 60])
def test_shards_and_parts_come_to_what_the_whole_comes_to(pieces: int) -> None:
    samples = random_samples(50)
    chosen = samples.filter(pl.col("finish_reason") == "stop")
    whole = added_up([drawn_counts(samples), published_counts(chosen)])
    shards = [
        drawn_counts(shard) for shard in cut(samples.sample(fraction=1, shuffle=True), pieces)
    ]
    parts = [published_counts(part) for part in cut(chosen, pieces)]
    assert repr(added_up([*reversed(parts), *shards])) == repr(whole), "also the order of bins"
    assert added_up([added_up(shards), added_up(parts)]) == whole
    for origin in ("source", "domain"):
        for measure, wanted in (
            ("samples", samples.height),
            ("prompts", samples["prompt_id"].n_unique()),
            ("samples_published", chosen.height),
            ("prompts_published", chosen["prompt_id"].n_unique()),
        ):
            assert sum(measured(whole[origin], measure).values()) == wanted
    assert sum(measured(whole["tokens"], "finished").values()) == chosen.height
    assert sum(measured(whole["tokens"], "published").values()) == chosen.height
    assert sum(measured(whole["solved"], "prompts").values()) == 50
    assert [*whole["pass_rate"]] == [own for own in PASS_RATES if own in whole["pass_rate"]]
    assert [*whole["source"]] == ["", "10", "9", "gsm8k"]


def test_nothing_adds_up_to_nothing() -> None:
    empty = frame()
    assert added_up([]) == {}
    assert not any(added_up([drawn_counts(empty), published_counts(empty)]).values())


@pytest.mark.parametrize(
    ("rate", "name"),
    [
        (None, "unknown"),
        (0.0, "never"),
        (1 / 64, "up_to_1/4"),
        (3 / 12, "up_to_1/4"),
        (0.26, "up_to_1/2"),
        (0.5, "up_to_1/2"),
        (9 / 12, "up_to_3/4"),
        (0.76, "below_1"),
        (63 / 64, "below_1"),
        (1.0, "always"),
    ],
)
def test_prompts_by_their_pass_rate(rate: float | None, name: str) -> None:
    row = ("p", "math", "s", "stop", 1, 1, True, rate)
    assert drawn_counts(frame(row, row))["pass_rate"] == {name: {"prompts": 1}}
    assert published_counts(frame(row, row))["pass_rate"] == {name: {"prompts_published": 1}}


@pytest.mark.parametrize(
    ("tokens", "name"),
    [(0, "0"), (1, "1"), (2, "2"), (3, "2"), (4, "4"), (255, "128"), (256, "256")]
    + [(2**n - 1, str(2 ** (n - 1))) for n in (15, 29, 30)]
    + [(2**n, str(2**n)) for n in (15, 29, 30)]
    + [(None, "unknown")],
)
def test_samples_by_the_power_of_two_below_their_length(tokens: int | None, name: str) -> None:
    row = ("p", "math", "s", "stop", tokens, 0, None, None)
    assert drawn_counts(frame(row))["tokens"] == {name: {"finished": 1}}
    assert published_counts(frame(row))["tokens"] == {name: {"published": 1}}


def test_only_what_the_model_ended_is_finished() -> None:
    rows = [("p", "math", "s", reason, 9, 9, None, None) for reason in ("length", None, "stop")]
    counts = drawn_counts(frame(*rows))
    assert counts["tokens"] == {"16": {"finished": 1}}
    assert counts["source"] == {"s": {"prompts": 1, "samples": 3, "tokens": 54}}


def test_a_prompt_is_solved_if_any_sample_is_right() -> None:
    verdicts = {"a": (None, True), "b": (None, False), "c": (None, None), "d": (False, True)}
    rows = [
        (prompt, "math", "s", "stop", 1, 1, verdict, 0.0)
        for prompt, own in verdicts.items()
        for verdict in own
    ]
    assert drawn_counts(frame(*rows))["solved"] == {
        "yes": {"prompts": 2},
        "no": {"prompts": 1},
        "unknown": {"prompts": 1},
    }


def test_the_middle_length() -> None:
    assert middle({"unknown": 9}) is None
    assert middle({"16": 1, "128": 1, "unknown": 9}) == "16"
    assert middle({"128": 2, "16": 1}) == "128"
    assert middle({"0": 5, "1": 1}) == "0"
