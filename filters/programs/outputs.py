"""What a program wrote against what is expected of it."""

import math
import re

CLOSE = 1e-6
"""Relative and absolute: what most tasks allow that allow any difference."""
DECIMAL = re.compile(r"[+-]?(?:\d+\.\d*|\.\d+|\d+(?=[eE]))(?:[eE][+-]?\d+)?")
NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")


def same_output(expected: str, actual: str) -> bool:
    """The same lines, whatever ends them, blanks between words and empty lines; where a number with
    decimals is expected, one that is nearly it."""
    wanted, given = _lines(expected), _lines(actual)
    return wanted == given or (len(wanted) == len(given) and all(map(_same_line, wanted, given)))


def _lines(text: str) -> list[str]:
    return [line.strip() for line in re.split(r"\r\n|\r|\n", text) if line.strip()]


def _same_line(expected: str, actual: str) -> bool:
    wanted, given = expected.split(), actual.split()
    return len(wanted) == len(given) and all(map(_same_word, wanted, given))


def _same_word(expected: str, actual: str) -> bool:
    if expected == actual:
        return True
    if not (DECIMAL.fullmatch(expected) and NUMBER.fullmatch(actual)):
        return False
    return math.isclose(float(expected), float(actual), rel_tol=CLOSE, abs_tol=CLOSE)
