"""Sets that a whole number runs through: `\\pi/4 + k\\pi, k \\in \\mathbb{Z}` or `3 \\pmod 7`."""

import re
from typing import NamedTuple

import mpmath

from filters.conventions import ASSIGNED, MODULO
from filters.expression import DIGITS, SAME, Expression, Undecided, Value, equal_at_points

PARAMETER = re.compile(
    r"(?P<body>.+?)[\s,;:(]*(?:\\text\s*\{[^{}]*\}|where|for)?\s*(?P<name>[a-z])\s*\\in\s*"
    r"\\mathbb\s*\{?\s*Z\s*\}?\s*\)?"
)


class Family(NamedTuple):
    """`first + k * step` for all whole k."""

    first: Value
    step: Value


def same_family(gold: str, answer: str) -> bool | None:
    """Whether both run through the same numbers, under whatever name; null where neither says
    that it runs through whole numbers."""
    if r"\in" not in gold + answer:
        return None
    one, other = PARAMETER.fullmatch(gold), PARAMETER.fullmatch(answer)
    if one is None and other is None:
        return None
    with mpmath.workdps(DIGITS):
        try:
            wanted, given = _family(gold, one), _family(answer, other)
        except (Undecided, ZeroDivisionError, OverflowError, ValueError, TypeError):
            wanted = given = None
        if wanted is not None and given is not None:
            away = (wanted.first - given.first) / wanted.step
            return bool(
                abs(abs(wanted.step) - abs(given.step)) < SAME
                and abs(away - mpmath.nint(away)) < SAME
            )
    if one is None or other is None:
        return None
    own = rf"(?<![a-zA-Z\\]){other['name']}(?![a-zA-Z])"
    return equal_at_points(_value(one["body"]), re.sub(own, one["name"], _value(other["body"])))


def _family(text: str, match: re.Match[str] | None) -> Family | None:
    """Null where it is not one of evenly spaced numbers."""
    if match is None:
        residue = MODULO.fullmatch(text)
        if residue is None:
            return None
        return Family(Expression(_value(residue[1]))({}), mpmath.mpf(residue[2]))
    expression = Expression(_value(match["body"]))
    if expression.variables != {match["name"]}:
        return None
    first, second, third = (expression({match["name"]: mpmath.mpf(k)}) for k in range(3))
    step = second - first
    even = abs(third - second - step) < SAME and abs(step) > SAME
    return Family(first, step) if even else None


def _value(text: str) -> str:
    match = ASSIGNED.fullmatch(text.strip())
    return match[2] if match else text.strip()
