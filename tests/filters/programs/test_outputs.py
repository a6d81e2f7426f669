"""Outputs are the same but for what no task cares about."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.programs.outputs import same_output


@pytest.mark.parametrize(
    ("expected", "actual", "same"),
    [
        ("1 2\n", "1 2", True),
        ("1 2\n", "1 2\r\n\r\n", True),
        ("1\r2", "1\n2", True),
        ("1 2", " 1  2 ", True),
        ("1\n2", "1 2", False),
        ("1\n2", "1", False),
        ("1", "1\n2", False),
        ("0.5 0.5", "0.50 ", False),
        ("0.5", "0.50 0.5", False),
        ("1\n\n2", "1\n2", True),
        ("YES", "yes", False),
        ("0.5", "0.50000001", True),
        ("0.5", "0.51", False),
        ("0.5", ".5", True),
        ("0.5", "1/2", False),
        ("5", "5.0", False),
        ("5.0", "5", True),
        ("1e-3", "0.001", True),
        ("1e400", "1e400", True),
        ("0.5", "nan", False),
        ("", "", True),
        ("", "\n\n", True),
        ("", "x", False),
        ("x", "", False),
    ],
)
def test_outputs(expected: str, actual: str, same: bool) -> None:
    assert same_output(expected, actual) is same


@given(st.text(), st.text())
def test_any_text(expected: str, actual: str) -> None:
    assert same_output(expected, expected)
    assert same_output(expected, actual) in (True, False)
