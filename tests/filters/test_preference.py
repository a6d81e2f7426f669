"""Rows of the output `preference`."""

from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.assistant import assistant_messages, reasoning_and_response
from filters.pairs import CHOSEN, REJECTED
from filters.picking import score_columns
from filters.preference import preference_rows
from filters.sft import COLUMNS, sft_rows
from filters.signature import SignatureScorer
from schemas.arrow import PROMPTS
from schemas.outputs import PREFERENCE

READ = {
    ("one", 3): ("\nIs it 4?\n", "\n\nIt is $4$.\n"),
    ("one", 8): ("", "5"),
    ("two", 3): (None, " It is <think>six</think>\x00. "),
    ("two", 4): ("  Seven\n\n</think> it is.", "7"),
}


def side(index: int, path: str, row: int, answer: str | None) -> dict[str, Any]:
    return {
        "id": f"y1_{index}",
        "sample_index": index,
        "final_answer": answer,
        "tokens": 40 + index,
        "mean_logprob": -0.25 * index,
        "text_digest": f"x1_{index}",
        "path": path,
        "row": row,
    }


def pair(number: int, chosen: dict[str, Any], rejected: dict[str, Any]) -> dict[str, Any]:
    """As `pairs_of` has it."""
    of_prompt = {
        "id": f"d1_{number}",
        "prompt_id": "p1_0",
        "teacher_id": "t1_0",
        "domain": "math",
        "source": None,
        "group.pass_rate": 0.5,
        "tokens": 100,
    }
    sides = {"chosen": chosen, "rejected": rejected}
    columns = {f"{name}.{key}": own[key] for name, own in sides.items() for key in own}
    return of_prompt | columns


PAIRS = pl.DataFrame(
    [
        pair(0, side(1, "one", 3, "4"), side(2, "two", 3, "6")),
        pair(1, side(3, "two", 4, None), side(4, "one", 8, None)),
    ],
    schema_overrides={
        "source": pl.String,
        **{f"{name}.sample_index": pl.Int32 for name in ("chosen", "rejected")},
        **{f"{name}.tokens": pl.Int32 for name in ("chosen", "rejected")},
        **{f"{name}.row": pl.Int64 for name in ("chosen", "rejected")},
    },
)
MESSAGES = [{"role": "system", "content": "Think."}, {"role": "user", "content": "2 + 2?"}]


def texts(prefix: str) -> pl.DataFrame:
    found = [READ[place] for place in PAIRS.select(f"{prefix}path", f"{prefix}row").iter_rows()]
    names = (f"{prefix}reasoning", f"{prefix}answer")
    return pl.DataFrame(found, dict.fromkeys(names, pl.String), orient="row")


def rows_of(reference: str | None = "4") -> pl.DataFrame:
    of_prompt = pl.DataFrame(
        {"messages": [MESSAGES] * 2, "reference": [reference] * 2, "license": ["MIT"] * 2},
        schema_overrides={"messages": pl.Schema(PROMPTS)["messages"], "reference": pl.String},
    )
    wide = pl.concat([PAIRS, texts(CHOSEN), texts(REJECTED), of_prompt], how="horizontal")
    return preference_rows(wide, {}, "made 1")


def test_a_row_has_both_messages() -> None:
    assert rows_of().row(0, named=True) == {
        "id": "d1_0",
        "prompt_id": "p1_0",
        "domain": "math",
        "source": None,
        "license": "MIT",
        "prompt": MESSAGES,
        "chosen": [
            {"role": "assistant", "content": "<think>\nIs it 4?\n</think>\n\nIt is $4$."},
        ],
        "rejected": [{"role": "assistant", "content": "It is <think>six</think>\x00."}],
        "chosen_id": "y1_1",
        "rejected_id": "y1_2",
        "chosen_index": 1,
        "rejected_index": 2,
        "chosen_answer": "4",
        "rejected_answer": "6",
        "reference_answer": "4",
        "chosen_tokens": 41,
        "rejected_tokens": 42,
        "chosen_logprob": -0.25,
        "rejected_logprob": -0.5,
        "pass_rate": 0.5,
        "generator": "made 1",
        "teacher_id": "t1_0",
        "chosen_digest": "x1_1",
        "rejected_digest": "x1_2",
    }


def test_each_side_has_its_own_text() -> None:
    contents = [
        [message["content"] for message in rows_of()[name].explode()]
        for name in ("chosen", "rejected")
    ]
    assert contents[0][1] == "<think>\n  Seven\n\n</think> it is.\n</think>\n\n7"
    assert contents[1][1] == "<think>\n\n</think>\n\n5", "a thinking that is empty is one"


def test_rows_fit_their_schema() -> None:
    rows = rows_of()
    assert rows.columns == PREFERENCE.names
    # As the schema of files: what has no nulls here may have none.
    table = pa.Table.from_arrays(
        [column.combine_chunks() for column in rows.to_arrow().cast(PREFERENCE).columns],
        schema=PREFERENCE,
    )
    table.validate(full=True)
    assert rows.schema == pl.Schema(PREFERENCE)


@pytest.mark.parametrize(("reference", "answer"), [(None, None), (" \n", None), ("4 ", "4 ")])
def test_the_reference_is_the_prompts_own(reference: str | None, answer: str | None) -> None:
    assert rows_of(reference)["reference_answer"].to_list() == [answer] * 2


PIECES = st.sampled_from([*"\n a{}\x00é", "<think>", "</think>"])
TEXT = st.lists(PIECES, max_size=8).map("".join)


@given(st.lists(st.tuples(st.none() | TEXT, TEXT), min_size=1))
def test_messages_are_those_of_the_sft_output(samples: list[tuple[str | None, str]]) -> None:
    read = pl.DataFrame(samples, {"reasoning": pl.String, "answer": pl.String}, orient="row")
    scorers = {"signature": SignatureScorer()}
    narrow = {name: pl.lit(None) for name in (*COLUMNS, *score_columns(scorers))}
    asked = pl.lit(MESSAGES, pl.Schema(PROMPTS)["messages"])
    of_prompt = {"messages": asked, "reference": pl.lit(""), "license": pl.lit(None)}
    own = narrow | {"group.majority": pl.lit(None, pl.String)} | of_prompt
    rows = sft_rows(read.with_columns(**own), scorers, "made 1")
    prefixed = read.select(pl.all().name.prefix("chosen."))
    prefixed = prefixed.with_columns(*reasoning_and_response("chosen."))
    made = prefixed.select(assistant_messages("chosen.")).to_series()
    assert made.to_list() == [messages[-1:] for messages in rows["messages"].to_list()]
    assert prefixed["chosen.reasoning"].equals(rows["reasoning"])
    assert prefixed["chosen.response"].equals(rows["response"])
