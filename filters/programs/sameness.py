"""Whether what a program answers is what is expected of it.

Imports next to nothing: tests in a sandbox use it too.
"""

from __future__ import annotations

import math

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CLOSE = 1e-9
"""Relative, of two floats: what another order of the same operations may change."""
NEAR_ZERO = 1e-12
"""Where exactly 0 is expected, as of `sin(pi)`."""


def same_value(given: Any, expected: Any) -> bool:
    """Equal as in Python, but that two floats need only be close."""
    if isinstance(given, float) and isinstance(expected, float):
        return (
            given == expected
            or math.isclose(given, expected, rel_tol=CLOSE)
            or (expected == 0 and abs(given) < NEAR_ZERO)
            or (math.isnan(given) and math.isnan(expected))
        )
    for kind in (list, tuple):
        if isinstance(given, kind) and isinstance(expected, kind):
            return len(given) == len(expected) and all(map(same_value, given, expected))
    if hasattr(given, "move_to_end") and hasattr(expected, "move_to_end"):
        return same_value([*given.items()], [*expected.items()])  # their order counts
    if isinstance(given, dict) and isinstance(expected, dict):
        return given.keys() == expected.keys() and all(
            same_value(given[key], expected[key]) for key in given
        )
    try:
        return bool(given == expected)
    except RecursionError:
        return False
