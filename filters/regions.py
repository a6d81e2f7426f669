"""Sets of real numbers as unions of intervals: intervals, inequalities, and what is left out.

`(-\\infty, 3)`, `x < 3` and `\\{x | x < 3\\}` are the same. Ends stay texts: whether two ends are
equal is somebody else's to say.
"""

import re
from itertools import pairwise
from typing import NamedTuple

INFINITY = re.compile(r"\+?\s*\\infty\s*")
NEGATIVE_INFINITY = re.compile(r"-\s*\\infty\s*")
RELATION = re.compile(r"\\le(?![a-zA-Z])|\\ge(?![a-zA-Z])|\\ne(?![a-zA-Z])|<=|>=|!=|<|>")
SIGNS = {"<=": r"\le", ">=": r"\ge", "!=": r"\ne"}
VARIABLE = re.compile(r"\\?[a-zA-Z]+(?:_\{?\w+\}?)?(?:\([a-z]\))?")
BUILDER = re.compile(r"\\\{\s*(\\?[a-zA-Z]+)\s*(?:\\in\s*\\mathbb\s*\{?R\}?\s*)?[|:]\s*(.+)\\\}")
MEMBER = re.compile(r"\\?[a-zA-Z]\s*\\in\s*(.+)")
ALL_REALS = re.compile(r"\\mathbb\s*\{?R\}?|\\text\{\s*all real numbers?\s*\}|all real numbers?")
OR = re.compile(r"\\text\s*\{\s*or\s*\}|\bor\b")
AND = re.compile(r",|\\text\s*\{\s*and\s*\}")
EXCLUDED = re.compile(r"([a-zA-Z])\s*\\ne\s*([^=<>]+)")
SIGNED_REALS = re.compile(
    r"(?:\\text\{)?\s*(?:all )?(positive|negative) (?:reals|real numbers?)\s*\}?"
)
WITHOUT = re.compile(r"(?:\\setminus|\\backslash|-)\s*\\\{(.+)\\\}")


class Interval(NamedTuple):
    """From `low` to `high`; null is infinite."""

    low: str | None
    low_closed: bool
    high: str | None
    high_closed: bool


Region = tuple[Interval, ...]


def region(text: str, *, parentheses: bool = False) -> Region | None:
    """The intervals of a text; null where it is no region. `(a, b)` alone may be a point: it is
    an interval where `parentheses` says so, or where an end is infinite."""
    text = text.strip()
    if match := BUILDER.fullmatch(text):
        return _inequalities(match[2])
    if match := MEMBER.fullmatch(text):
        text, parentheses = match[1].strip(), True
    if match := SIGNED_REALS.fullmatch(text):
        positive = match[1] == "positive"
        return (Interval("0" if positive else None, False, None if positive else "0", False),)
    if ALL_REALS.fullmatch(text):
        return (Interval(None, False, None, False),)
    if match := re.fullmatch(r"\\mathbb\s*\{?R\}?\s*" + WITHOUT.pattern, text):
        return _all_but(match[1].split(","))
    parts = re.split(r"\\cup", text)
    if len(parts) == 1 and r"\infty" in text:
        parts = split_commas(text)
    intervals = [_interval(part.strip(), len(parts) > 1 or parentheses) for part in parts]
    if all(intervals):
        return tuple(one for one in intervals if one is not None)
    return _inequalities(text)


def _interval(text: str, parentheses: bool) -> Interval | None:
    if len(text) < 5 or text[0] not in "([]" or text[-1] not in ")][":
        return None  # ]a, b[ is the French way to write (a, b)
    ends = split_commas(text[1:-1])
    if len(ends) != 2:
        return None
    low, high = (end.strip() for end in ends)
    low_infinite, high_infinite = NEGATIVE_INFINITY.fullmatch(low), INFINITY.fullmatch(high)
    round_only = text[0] == "(" and text[-1] == ")"
    if round_only and not (parentheses or low_infinite or high_infinite):
        return None
    return Interval(
        None if low_infinite else low,
        text[0] == "[" and not low_infinite,
        None if high_infinite else high,
        text[-1] == "]" and not high_infinite,
    )


def _inequalities(text: str) -> Region | None:
    if match := EXCLUDED.fullmatch(text):
        points = match[2].replace(match[1], "").replace(r"\ne", "")
        return _all_but(AND.split(points))
    found: list[Interval] = []
    for part in OR.split(text):
        own = _inequality(part.strip())
        if own is None:
            return None
        found += own
    return tuple(found)


def _inequality(text: str) -> Region | None:
    signs = [SIGNS.get(sign, sign) for sign in RELATION.findall(text)]
    sides = [side.strip() for side in RELATION.split(text)]
    if len(signs) == 1:
        return _one_sign(sides[0], signs[0], sides[1])
    if len(signs) == 2 and VARIABLE.fullmatch(sides[1]):
        upwards = all(sign in ("<", r"\le") for sign in signs)
        downwards = all(sign in (">", r"\ge") for sign in signs)
        if not (upwards or downwards):
            return None
        low, high = (sides[0], sides[2]) if upwards else (sides[2], sides[0])
        first, second = (signs[0], signs[1]) if upwards else (signs[1], signs[0])
        return (_between(low, first in (r"\le", r"\ge"), high, second in (r"\le", r"\ge")),)
    return None


def _one_sign(left: str, sign: str, right: str) -> Region | None:
    if VARIABLE.fullmatch(right) and not VARIABLE.fullmatch(left):
        turned = {"<": ">", ">": "<", r"\le": r"\ge", r"\ge": r"\le", r"\ne": r"\ne"}
        left, sign, right = right, turned[sign], left
    absolute = re.fullmatch(r"\|\s*(\\?[a-zA-Z])\s*\|", left)
    if not right or not (VARIABLE.fullmatch(left) or absolute):
        return None
    closed = sign in (r"\le", r"\ge")
    if sign == r"\ne":
        return _all_but(["-" + right, right] if absolute else [right])
    if sign in ("<", r"\le"):
        return (
            _between(_minus(right) if absolute else None, closed and bool(absolute), right, closed),
        )
    above = _between(right, closed, None, False)
    return (_between(None, False, _minus(right), closed), above) if absolute else (above,)


def _between(low: str | None, low_closed: bool, high: str | None, high_closed: bool) -> Interval:
    low_infinite = low is None or bool(NEGATIVE_INFINITY.fullmatch(low))
    high_infinite = high is None or bool(INFINITY.fullmatch(high))
    return Interval(
        None if low_infinite else low,
        low_closed and not low_infinite,
        None if high_infinite else high,
        high_closed and not high_infinite,
    )


def _minus(text: str) -> str:
    return text[1:] if text.startswith("-") else f"-{text}"


def _all_but(points: list[str]) -> Region:
    """Points stand in their order, which is meant to be the one on the line."""
    ends = [None, *(point.strip() for point in points), None]
    return tuple(Interval(low, False, high, False) for low, high in pairwise(ends))


def split_commas(text: str) -> list[str]:
    """Splits at the commas that are in no bracket."""
    parts, depth, start = [], 0, 0
    for place, letter in enumerate(text):
        if letter in "([{":
            depth += 1
        elif letter in ")]}":
            depth -= 1
        elif letter in ",;" and depth == 0:
            parts.append(text[start:place])
            start = place + 1
    return [*parts, text[start:]]
