"""Splitting loses nothing, and splits where the model closed its thinking."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.reasoning import CLOSE, NEVER, Split, closing_of, split_reasoning

TEXTS = st.lists(st.one_of(st.text(max_size=8), st.sampled_from(["<think>", "</think>", "\n"])))


@given(TEXTS, st.booleans())
def test_the_parts_join_to_the_text(parts: list[str], thinking_open: bool) -> None:
    text = "".join(parts)
    split = split_reasoning(text, thinking_open=thinking_open)
    assert split.join() == text
    again = closing_of(text, split.reasoning, thinking_open=thinking_open)
    assert split_reasoning(text, thinking_open=thinking_open, closing_at=again) == split


@pytest.mark.parametrize(
    ("text", "thinking_open", "expected"),
    [
        ("a</think>b", True, Split("", "a", CLOSE, "b")),
        ("a", True, Split("", "a", "", "")),
        ("</think>b", True, Split("", "", CLOSE, "b")),
        ("a</think>b</think>c", True, Split("", "a", CLOSE, "b</think>c")),
        ("<think>a</think>b", False, Split("<think>", "a", CLOSE, "b")),
        ("<think>a</think>b", True, Split("<think>", "a", CLOSE, "b")),
        ("\n<think>a</think>b", False, Split("\n<think>", "a", CLOSE, "b")),
        ("<think>a", False, Split("<think>", "a", "", "")),
        ("a</think>b", False, Split("", "a", CLOSE, "b")),
        ("just an answer", False, Split("", None, "", "just an answer")),
        ("it says <think> later", False, Split("", None, "", "it says <think> later")),
        ("", True, Split("", "", "", "")),
        ("", False, Split("", None, "", "")),
        ("<THINK>a</THINK>b", False, Split("", None, "", "<THINK>a</THINK>b")),
    ],
)
def test_where_it_splits(text: str, thinking_open: bool, expected: Split) -> None:
    assert split_reasoning(text, thinking_open=thinking_open) == expected


def test_a_quoted_tag_closes_nothing() -> None:
    text = "I write </think> when I am done</think>four"
    at = text.rindex(CLOSE)
    split = split_reasoning(text, thinking_open=True, closing_at=at)
    assert split == Split("", "I write </think> when I am done", CLOSE, "four")
    assert closing_of(text, split.reasoning, thinking_open=True) == at
    never = split_reasoning(text, thinking_open=True, closing_at=NEVER)
    assert never == Split("", text, "", "")
    assert closing_of(text, text, thinking_open=True) == NEVER
