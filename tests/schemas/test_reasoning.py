"""Splitting loses nothing, and splits where the model closed its thinking."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.reasoning import Split, split_reasoning

TEXTS = st.lists(st.one_of(st.text(max_size=8), st.sampled_from(["<think>", "</think>", "\n"])))


@given(TEXTS, st.booleans())
def test_the_parts_join_to_the_text(parts: list[str], thinking_open: bool) -> None:
    text = "".join(parts)
    assert split_reasoning(text, thinking_open=thinking_open).join() == text


@pytest.mark.parametrize(
    ("text", "thinking_open", "expected"),
    [
        ("a</think>b", True, Split("", "a", True, "b")),
        ("a", True, Split("", "a", False, "")),
        ("</think>b", True, Split("", "", True, "b")),
        ("a</think>b</think>c", True, Split("", "a", True, "b</think>c")),
        ("<think>a</think>b", False, Split("<think>", "a", True, "b")),
        ("\n<think>a</think>b", False, Split("\n<think>", "a", True, "b")),
        ("<think>a", False, Split("<think>", "a", False, "")),
        ("a</think>b", False, Split("", "a", True, "b")),
        ("just an answer", False, Split("", None, False, "just an answer")),
        ("it says <think> later", False, Split("", None, False, "it says <think> later")),
        ("", True, Split("", "", False, "")),
        ("", False, Split("", None, False, "")),
        ("<THINK>a</THINK>b", False, Split("", None, False, "<THINK>a</THINK>b")),
    ],
)
def test_where_it_splits(text: str, thinking_open: bool, expected: Split) -> None:
    assert split_reasoning(text, thinking_open=thinking_open) == expected
