"""Algebra by math-verify, in two stages, with numbers compared by their ratio."""

import pytest

from filters.symbolic import equal_expressions


@pytest.mark.parametrize(
    ("gold", "answer", "equal"),
    [
        (r"\frac{1}{2}", "0.5", True),
        # Predicted without context, `^{2}-1` is a syntax error.
        ("x^{2}-1", "(x-1)(x+1)", True),
        ("x^{2}-1", "(x-1)(x+2)", False),
        (r"\frac{1}{2^{99}}", r"\frac{1}{2^{98}}", False),
        (r"\frac{1}{2004!}", r"\frac{1}{2006!}", False),
        (r"\sqrt{2}", "1.41421356237", True),
        (r"\sqrt{2}", "1.4142", False),
        ("0", r"10^{-20}", False),
        (r"\sqrt{-1}", "i", True),
        (r"\left\{1,2\right\}", r"\left\{2,1\right\}", True),
    ],
)
def test_expressions(gold: str, answer: str, *, equal: bool) -> None:
    assert equal_expressions(gold, answer) is equal


def test_what_is_no_expression_is_undecided() -> None:
    assert equal_expressions("1", r"\text{@@}") is not True
