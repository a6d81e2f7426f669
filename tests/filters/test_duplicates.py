"""Which prompts are duplicates, which are in conflict, and which are only alike."""

from collections.abc import Sequence

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.duplicates import (
    apart_by_kind,
    conflicting,
    duplicates,
    kinds,
    near_duplicates,
    same_texts,
)
from filters.near_duplicates import bands, shingles

STORY = (
    "A baker has 40 loaves of bread in the morning and sells half of them before noon. In the "
    "afternoon he bakes 12 more, gives 3 of them to his neighbour, and counts what is left on the "
    "shelf before he closes the shop. How many loaves does he count?"
)


def flags(texts: list[str], references: list[str | None]) -> tuple[list[bool], list[bool]]:
    """duplicate, conflicting"""
    same = same_texts(series(texts), series(references))
    return duplicates(same).to_list(), conflicting(same).to_list()


def near(texts: list[str], references: list[str | None]) -> list[bool]:
    sets = shingles(series(texts))
    keys = apart_by_kind(bands(sets), kinds(series(texts), series(references)))
    return near_duplicates(keys, sets.take).to_list()


def series(texts: Sequence[str | None]) -> pl.Series:
    return pl.Series(texts, dtype=pl.String)


def test_the_first_of_those_that_say_the_same_is_no_duplicate() -> None:
    told = [STORY, f" {STORY}\n", STORY.replace(". ", ".\n\n"), "What is seven times six?"]
    assert flags(told, ["1", "1", "1", "2"]) == ([False, True, True, False], [False] * 4)
    assert flags(told[::-1], ["2", "1", "1", "1"])[0] == [False, False, True, True]
    assert flags(["a?", "a?"], [None, None])[0] == [False, True]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Compute (2+3)*4.", "Compute 2+(3*4)."),
        ("6 & 3", "6 | 3"),
        ("What is 5! modulo 7?", "What is 5 modulo 7?"),
        ("Find x with |x - 3| = 1", "Find x with x - 3 = 1"),
        ("Is (()) closed?", "Is ())( closed?"),
        ("#..#\n##.#", "#.##\n#.##"),
        ("# ##\n#  #", "## #\n#  #"),
        (" #\n# #", "  #\n# #"),
        ("#\n# ", "#\n#  "),
        ("Reverse AbC", "Reverse ABc"),
        ("x\u00b2", "x2"),
        ("Is 12 even?", "Is 14 even?"),
    ],
)
def test_other_problems_are_neither_duplicates_nor_in_conflict(one: str, other: str) -> None:
    """In most of these all words are the same (issue 7)."""
    assert flags([one, other], ["yes", "yes"]) == ([False] * 2, [False] * 2)
    assert flags([one, other], ["yes", "no"]) == ([False] * 2, [False] * 2)
    assert near([one, other], ["yes", "yes"]) == [False] * 2 or one.lower() == other.lower()


def test_the_same_text_with_two_references_is_in_conflict() -> None:
    told = [STORY, f"{STORY} ", STORY.upper(), "∑", "∑\n", "∑"]
    found = flags(told, ["1", "2", "5", "3", "4", "4"])
    assert found == ([False] * 5 + [True], [True, True, False, True, True, True])
    assert flags(told[:2], ["1", None])[1] == [False, False], "one of them says nothing"
    assert flags(told[:2], ["2", "2.0"]) == ([False, True], [False, False])
    assert flags(told[:2], [r"\frac{3}{2}", "1.5"]) == ([False, True], [False, False])


def test_near_duplicates_have_their_numbers_signs_and_references() -> None:
    told = [STORY, STORY.replace("A baker", "The baker"), STORY.replace("12", "14")]
    assert near(told, ["9", "9", "9"]) == [False, True, False]
    assert near(told, ["9", "8", "9"]) == [False] * 3
    assert near(told, [None, None, "9"]) == [False, True, False]
    assert near([STORY, f"{STORY.upper()} "], ["9", "9"]) == [False, True]
    assert near([STORY, STORY.rstrip("?").replace(",", "")], ["9", "9"]) == [False, True]
    assert near([STORY, STORY.replace("before he", "before (he)")], ["9", "9"]) == [False] * 2


def test_what_another_kind_stands_between_connects_nothing() -> None:
    """Each is alike with the next one only: through the one in the middle all would be one."""
    words = [f"word{chr(97 + number % 26)}{chr(97 + number // 26)}" for number in range(120)]
    changed = [*words[:4], *("other" + "x" * n for n in range(8)), *words[12:]]
    further = [*changed[:-12], *("third" + "x" * n for n in range(8)), *changed[-4:]]
    told = [" ".join(text) for text in (words, changed, further)]
    assert near(told, ["a", "a", "a"]) == [False, True, True]
    assert near(told, ["a", "b", "a"]) == [False, False, False]


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["x", "y", None]))))
def test_of_each_text_and_reference_one_is_left(prompts: list[tuple[str, str | None]]) -> None:
    duplicate, conflict = flags([text for text, _ in prompts], [own for _, own in prompts])
    left = [prompt for prompt, out in zip(prompts, duplicate, strict=True) if not out]
    assert left == list(dict.fromkeys(prompts))
    named = [(text, reference) for text, reference in prompts if reference is not None]
    for (text, reference), told in zip(prompts, conflict, strict=True):
        others = {other for own, other in named if own == text}
        assert told == (reference is not None and len(others) > 1)
