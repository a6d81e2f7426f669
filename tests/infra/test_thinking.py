"""A closing tag is the budget's if the budget was used up before it, and else the model's own."""

import pytest

from infra.engines.thinking import thinking_was_cut

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
