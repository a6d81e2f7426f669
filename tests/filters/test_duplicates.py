"""Which prompts are duplicates, which are in conflict, and which are only alike."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from filters.duplicates import duplicates
from filters.near_duplicates import bands, shingles

STORY = (
    "A baker has {n} loaves of bread in the morning and sells half of them before noon. In the "
    "afternoon he bakes a dozen more, gives three of them to his neighbour, and counts what is "
    "left on the shelf before he closes the shop. How many loaves does he count"
)


def flags(texts: list[str], references: list[str | None]) -> tuple[list[bool], list[bool]]:
    sets = shingles(pl.Series(texts, dtype=pl.String))
    found = duplicates(pl.Series(references, dtype=pl.String), bands(sets), sets)
    return found["prompt.duplicate"].to_list(), found["prompt.conflicting_reference"].to_list()


def test_the_first_of_those_that_say_the_same_is_no_duplicate() -> None:
    told = [STORY.format(n=20), STORY.format(n=20).upper() + "?!", "What is seven times six?"]
    assert flags(told, ["r1", "r1", "r2"]) == ([False, True, False], [False] * 3)
    assert flags(told[::-1], ["r2", "r1", "r1"])[0] == [False, False, True]


def test_other_references_are_other_prompts() -> None:
    """The same story with other numbers has another answer; by its words it is a duplicate."""
    told = [STORY.format(n=20), STORY.format(n=24), STORY.format(n=28)]
    assert flags(told, ["r19", "r21", "r23"]) == ([False] * 3, [False] * 3)
    assert flags(told, ["r19", "r19", "r23"])[0] == [False, True, False]
    assert flags(told, [None, None, None])[0] == [False, True, True]


def test_what_another_reference_stands_between_connects_nothing() -> None:
    """Each is alike with the next one only: through the one in the middle all would be one."""
    words = [f"word{number}" for number in range(120)]
    changed = [*words[:4], *(f"other{n}" for n in range(8)), *words[12:]]
    further = [*changed[:-12], *(f"third{n}" for n in range(8)), *changed[-4:]]
    told = [" ".join(text) for text in (words, changed, further)]
    assert flags(told, ["a", "a", "a"])[0] == [False, True, True]
    assert flags(told, ["a", "b", "a"])[0] == [False, False, False]


def test_the_same_words_with_two_references_are_in_conflict() -> None:
    told = [STORY.format(n=20), STORY.format(n=20) + "?", STORY.format(n=24), "∑", "∑", "∑"]
    found = flags(told, ["r1", "r2", "r5", "r3", "r4", "r4"])
    assert found == ([False] * 6, [True, True, False, False, False, False])
    assert flags(told[:2], ["r1", None])[1] == [False, False], "one of them says nothing"


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["x", "y", None]))))
def test_of_each_text_and_reference_one_is_left(prompts: list[tuple[str, str | None]]) -> None:
    texts = [STORY.replace("baker", text * 3) for text, _ in prompts]
    references = [reference for _, reference in prompts]
    duplicate, conflicting = flags(texts, references)
    left = [prompt for prompt, out in zip(prompts, duplicate, strict=True) if not out]
    # The words that are changed make other texts, alike with the first or not: never both apart
    # and together.
    assert len(set(left)) == len(left)
    named = [(text, reference) for text, reference in prompts if reference is not None]
    for (text, reference), told in zip(prompts, conflicting, strict=True):
        others = {other for own, other in named if own == text}
        assert told == (reference is not None and len(others) > 1)
