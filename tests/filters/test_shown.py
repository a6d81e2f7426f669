"""Samples that a report shows."""

from collections.abc import Sequence

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from filters.shown import PER_PROMPT, shown

FATES = ("published", "not_correct", "not_finished", "surplus")
SAMPLES = st.lists(
    st.tuples(st.integers(0, 12), st.sampled_from(FATES), st.sampled_from(["math", "code", None])),
    max_size=80,
)


def frame(rows: Sequence[tuple[int, str, str | None]]) -> pl.DataFrame:
    domains: dict[int, str | None] = {}
    made = []
    for place, (prompt, fate, domain) in enumerate(rows):
        made.append(
            {
                "prompt_id": f"p1_{prompt * 7919 % 1000:03d}",
                "sample_index": place,
                "fate": fate,
                "domain": domains.setdefault(prompt, domain),
                "source": None,
            }
        )
    kinds = {"prompt_id": pl.String, "fate": pl.String, "domain": pl.String, "source": pl.String}
    return pl.DataFrame(made, schema={**kinds, "sample_index": pl.Int64})


@given(SAMPLES, st.integers(0, 100))
def test_never_more_than_asked_for_and_no_prompt_in_part(
    rows: list[tuple[int, str, str | None]], most: int
) -> None:
    samples = frame(rows)
    found = shown(samples, most)
    assert found.height <= most
    assert found.height == samples.height or samples.height > most
    assert found.columns == samples.columns
    key = ["prompt_id", "sample_index"]
    assert found.select(key).is_unique().all()
    own = samples.join(found.select("prompt_id").unique(), on="prompt_id", how="semi")
    for (prompt,), group in own.group_by("prompt_id"):
        mine = found.filter(pl.col("prompt_id") == prompt)
        assert mine.height >= min(PER_PROMPT, group.height)
        assert {*mine["fate"]} == {*group["fate"]}


@given(SAMPLES, st.integers(1, 100), st.randoms())
def test_the_order_of_rows_does_not_matter(
    rows: list[tuple[int, str, str | None]], most: int, random: object
) -> None:
    samples = frame(rows)
    mixed = samples.sample(fraction=1, shuffle=True, seed=3)
    assert shown(samples, most).equals(shown(mixed, most))


def test_what_is_rare_is_there() -> None:
    rows = [(prompt, "published", "math") for prompt in range(400)]
    rows[137] = (137, "not_readable", "math")
    rows[250] = (250, "published", "code")
    found = shown(frame(rows), 12)
    assert found.height == 12
    assert "not_readable" in {*found["fate"]}
    assert "code" in {*found["domain"]}


def test_room_that_is_left_is_for_more_samples_of_a_prompt() -> None:
    samples = frame([(0, FATES[n % 4], "math") for n in range(20)])
    assert shown(samples, PER_PROMPT).height == PER_PROMPT
    assert shown(samples, 15).height == 15
    assert shown(samples, 100).equals(samples)


def test_a_part_of_the_prompts_comes_to_the_same_where_all_fit() -> None:
    samples = frame([(n % 13, FATES[n % 4], "math") for n in range(90)])
    halves = [
        samples.filter(pl.col("prompt_id") < "p1_5"),
        samples.filter(pl.col("prompt_id") >= "p1_5"),
    ]
    parted = pl.concat(shown(half, 1000) for half in halves)
    assert shown(parted, 1000).equals(shown(samples, 1000))
