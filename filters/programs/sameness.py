"""Whether what a program answers is what is expected of it.

Imports next to nothing: tests in a sandbox use it too.
"""

from __future__ import annotations

import math
from _collections import OrderedDict  # type: ignore[import-not-found]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CLOSE = 1e-9
"""Relative, of two floats: what another order of the same operations may change."""
NEAR_ZERO = 1e-12
"""Where exactly 0 is expected, as of `sin(pi)`."""


def same_value(given: Any, expected: Any) -> bool:
    """Equal as in Python, but that two floats need only be close.

    Of instances of classes that are derived from built-in ones by what those have stored, not by
    what they say of themselves.
    """
    if isinstance(given, float) and isinstance(expected, float):
        return _is_close(float.__add__(given, 0.0), float.__add__(expected, 0.0))
    for kind in (list, tuple):
        if isinstance(given, kind) and isinstance(expected, kind):
            # Copies: comparing objects may ask the program, which may change what it gave.
            ours, theirs = (_items(kind, value) for value in (given, expected))
            # Not `map`: an error of the program's that is a StopIteration would end it as true.
            pairs = zip(ours, theirs, strict=False)
            return len(ours) == len(theirs) and all(same_value(a, b) for a, b in pairs)
    if isinstance(given, dict) and isinstance(expected, dict):
        if isinstance(given, OrderedDict) and isinstance(expected, OrderedDict):
            return same_value([*given.items()], [*expected.items()])  # their order counts
        own, other = dict(dict.items(given)), dict(dict.items(expected))
        return own.keys() == other.keys() and all(same_value(own[key], other[key]) for key in own)
    try:
        return bool(given == expected)
    except RecursionError:
        return False


def _items(kind: Any, value: Any) -> list[Any]:
    return [*kind.__iter__(value)]


def _is_close(given: float, expected: float) -> bool:
    return (
        given == expected
        or math.isclose(given, expected, rel_tol=CLOSE)
        or (expected == 0 and abs(given) < NEAR_ZERO)
        or (math.isnan(given) and math.isnan(expected))
    )
