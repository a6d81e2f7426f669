"""Where thinking was closed, and by whom: a closing tag is the budget's if the budget was used up
before it, and else the model's own."""

import pytest

from infra.engines.thinking import closing_place, thinking_was_cut
from schemas.reasoning import NEVER

OPEN, CLOSE = 1, 2
BUDGET = 4


@pytest.mark.parametrize(
    ("prompt", "completion", "cut"),
    [
        ([9, OPEN], [9, 9, 9, CLOSE, 9], False),
        ([9, OPEN], [9, 9, 9, 9, CLOSE, 9], True),
        ([9, OPEN, 9], [9, 9, CLOSE, 9], False),
        ([9, OPEN, 9], [9, 9, 9, CLOSE, 9], True),
        ([9, OPEN, 9, 9, 9, 9, 9], [CLOSE, 9], True),
        ([9], [OPEN, 9, 9, 9, CLOSE, 9], False),
        ([9], [9, OPEN, 9, 9, 9, 9, CLOSE, 9], True),
        ([9], [9, 9, 9, 9, 9, CLOSE, 9], False),
        ([OPEN, 9, 9, 9, 9, CLOSE], [9, 9, 9, CLOSE], False),
        ([OPEN, 9, CLOSE, OPEN], [9, 9, 9, 9, CLOSE], True),
        ([9, OPEN], [9, 9, 9, 9, 9, 9], False),
        ([9, OPEN], [9, CLOSE, 9, 9, 9, CLOSE], False),
        ([9, OPEN], [9, CLOSE, OPEN, 9, 9, 9, 9, CLOSE], True),
        ([9, OPEN], [], False),
    ],
)
def test_whose_tag_it_is(prompt: list[int], completion: list[int], *, cut: bool) -> None:
    assert thinking_was_cut(prompt, completion, BUDGET, OPEN, CLOSE) is cut


@pytest.mark.parametrize(
    ("completion", "cut"),
    [
        ([OPEN, 9, 9, 9, CLOSE], None),
        ([9, 9, OPEN, 9, CLOSE], None),
        ([OPEN, 9, CLOSE], False),
        ([9, OPEN, 9, 9, 9, 9, CLOSE], True),
    ],
)
def test_with_two_opening_tags_both_counts_must_agree(
    completion: list[int], *, cut: bool | None
) -> None:
    assert thinking_was_cut([9, OPEN], completion, BUDGET, OPEN, CLOSE) is cut


PIECES = {0: "</", 1: "think", 7: ">", CLOSE: "</think>", 9: "a"}
QUOTED = [0, 1, 7]


def decode(ids: list[int]) -> str:
    return "".join(PIECES[one] for one in ids)


@pytest.mark.parametrize(
    ("ids", "closing", "place"),
    [
        ([9, CLOSE, 9], CLOSE, None),
        ([9, CLOSE, 9, CLOSE], CLOSE, None),
        ([9, *QUOTED, 9, CLOSE, 9], CLOSE, 10),
        ([9, *QUOTED, 9], CLOSE, NEVER),
        ([9, CLOSE, 9, *QUOTED], CLOSE, 1),
        ([9, *QUOTED, 9], None, None),
        ([9], CLOSE, None),
    ],
)
def test_the_tag_that_is_a_token_closes(
    ids: list[int], closing: int | None, place: int | None
) -> None:
    assert closing_place(decode(ids), ids, closing, decode) == place


def test_where_tokens_decode_to_another_text_nothing_is_told() -> None:
    ids = [9, *QUOTED, 9, CLOSE, 9]
    assert closing_place(f" {decode(ids)}", ids, CLOSE, decode) is None
