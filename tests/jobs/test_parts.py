"""Parts and row groups follow from the rows alone."""

from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.picking import in_part
from jobs import parts
from jobs.parts import Part, batches, row_groups

SIZES = st.lists(st.integers(0, 30), min_size=1, max_size=40)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "TOKENS_PER_PART", 100)
    monkeypatch.setattr(parts, "ROWS_PER_GROUP", 3)
    monkeypatch.setattr(parts, "BYTES_PER_GROUP", 100)
    monkeypatch.setattr(parts, "TOKENS_AT_ONCE", 10)


def parts_of(by_prompt: pl.DataFrame) -> list[Part]:
    return parts.parts_of(by_prompt, "sft", "train")


def prompts(sizes: list[int]) -> pl.DataFrame:
    ids = [f"p{number:03}" for number in range(len(sizes))]
    return pl.DataFrame({"prompt_id": ids, "size": sizes})


@given(SIZES)
def test_parts_are_ranges_of_prompts_of_about_one_size(sizes: list[int]) -> None:
    found = parts_of(prompts(sizes))
    ids = prompts(sizes)["prompt_id"].to_list()
    assert [part.number for part in found] == [*range(len(found))]
    assert {part.count for part in found} == {len(found)}
    ranges = [ids[ids.index(part.first) : ids.index(part.last) + 1] for part in found]
    assert [one for some in ranges for one in some] == ids, "each prompt is in one part"
    wanted = max(1, int(sum(sizes) / 100 + 0.5))
    assert len(found) == wanted
    by_id = dict(zip(ids, sizes, strict=True))
    for some in ranges:
        size = sum(by_id[one] for one in some)
        assert abs(size - sum(sizes) / wanted) <= max(sizes), "but for a prompt"


def test_bounds_are_where_they_were() -> None:
    found = parts_of(prompts([50, 50, 50, 50]))
    assert found == [
        Part("sft", "train", 0, 2, "p000", "p001"),
        Part("sft", "train", 1, 2, "p002", "p003"),
    ]
    assert len(parts_of(prompts([50, 50, 49]))) == 1, "a part and a half are one"
    assert len(parts_of(prompts([50, 50, 50]))) == 2
    assert [part.first for part in parts_of(prompts([400, 1, 1]))] == ["p000", "p001"]
    assert parts_of(prompts([0, 0])) == [Part("sft", "train", 0, 1, "p000", "p001")]


def test_what_a_sample_counts() -> None:
    rows = pl.DataFrame(
        {
            "prompt_tokens": [5, None, 5],
            "reasoning_tokens": [10, 10, None],
            "answer_tokens": [1, 1, 1],
        },
        schema=dict.fromkeys(("prompt_tokens", "reasoning_tokens", "answer_tokens"), pl.Int32),
    )
    assert rows.select(in_part()).to_series().to_list() == [16, 11, 8_005]


def rows_of(lengths: list[int]) -> pl.DataFrame:
    """Rows of an output with so many bytes of text."""
    rows = [
        {
            "id": number,
            "prompt": "",
            "reasoning": "r" * (length // 2) if length % 3 else None,
            "response": "é" * (length // 4),
            "messages": [{"role": "user", "content": "x" * (length // 8)}] * 2,
        }
        for number, length in enumerate(lengths)
    ]
    message = pl.Struct({"role": pl.String, "content": pl.String})
    schema = dict.fromkeys(("prompt", "reasoning", "response"), pl.String)
    return pl.DataFrame(rows, schema={"id": pl.Int64, **schema, "messages": pl.List(message)})


def text_bytes(row: dict[str, object]) -> int:
    texts = [row["prompt"], row["reasoning"] or "", row["response"]]
    texts += [message["content"] for message in row["messages"]]  # type: ignore[attr-defined]
    return sum(len(str(text).encode()) for text in texts)


@given(st.lists(st.integers(0, 150), min_size=1, max_size=30), st.data())
def test_row_groups_are_full_and_not_too_large_however_rows_come(
    lengths: list[int], data: st.DataObject
) -> None:
    rows = rows_of(lengths)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(lengths)))) | {0, len(lengths)})
    some = [rows[start:end] for start, end in pairwise(cuts)]
    groups = [group.to_dicts() for group in row_groups(some)]
    assert [row for group in groups for row in group] == rows.to_dicts()
    for group, after in zip(groups, [*groups[1:], []], strict=True):
        size = sum(map(text_bytes, group))
        assert len(group) == 1 or (len(group) <= 3 and size <= 100)
        if after and len(group) < 3:
            assert size + text_bytes(after[0]) > 100, "the next one would not have fitted"


def test_a_row_that_just_fits_is_in_the_group() -> None:
    rows = rows_of([48, 48, 48])
    sizes = [text_bytes(row) for row in rows.to_dicts()]
    for most, heights in ((sum(sizes[:2]), [2, 1]), (sum(sizes[:2]) - 1, [1, 1, 1])):
        with pytest.MonkeyPatch.context() as then:
            then.setattr(parts, "BYTES_PER_GROUP", most)
            assert [group.height for group in row_groups([rows])] == heights


@given(st.lists(st.integers(0, 25), max_size=20))
def test_batches_are_all_rows_in_their_order(tokens: list[int]) -> None:
    chosen = pl.DataFrame({"size": tokens, "id": range(len(tokens))}, {"size": pl.Int64, "id": int})
    found = list(batches(chosen))
    assert [one for some in found for one in some["id"]] == list(range(len(tokens)))
    assert all(some.height == 1 or some["size"].sum() <= 10 for some in found)
