"""Thresholds of a rule: the numbers in it that something is compared with, and other such numbers.

A rule's text is read token by token, as SQL has it: numbers in strings, quoted names and comments
are none. What else is misread does no harm, since a changed rule is always tried.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Final, NamedTuple

TOKEN: Final = re.compile(
    r"""(?P<space>\s+|--[^\n]*|/\*.*?\*/)
    |(?P<text>'(?:[^']|'')*')
    |(?P<word>"(?:[^"]|"")*"|[^\W\d]\w*(?:\.[^\W\d]\w*)*)
    |(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    |(?P<sign><=>|<>|<=|>=|!=|==|::|\|\||.)""",
    re.VERBOSE | re.DOTALL,
)
COMPARISONS: Final = frozenset(["<", "<=", ">", ">=", "=", "==", "!=", "<>"])
LIMITS: Final = frozenset(
    [*COMPARISONS, ",", "and", "or", "not", "when", "then", "else", "in", "is", "like", "between"]
)
"""What an operand of a comparison ends at."""
OPENING: Final = frozenset(["(", "case"])
CLOSING: Final = frozenset([")", "end"])
PLAIN: Final = (1e-6, 1e15)
"""Absolute values that are written without an exponent."""
DECIMALS: Final = 20
NEAR: Final = Decimal("0.1")
"""How much further a rounder number may go, of the way to the nearest one."""


@dataclass(frozen=True)
class Threshold:
    """A number that a rule compares with."""

    rule: str
    start: int
    end: int
    operand: str
    """What is compared with it, an expression."""

    @property
    def number(self) -> str:
        """As it is written."""
        return self.rule[self.start : self.end]

    @property
    def value(self) -> float:
        """What it is worth."""
        return float(self.number.replace(" ", ""))

    def changed(self, number: str) -> str:
        """The rule with another one in its place."""
        return f"{self.rule[: self.start]}{number}{self.rule[self.end :]}"


class Region(NamedTuple):
    """Numbers from `low` to `high` that decide alike; the ends belong to it if they are equal."""

    low: float
    high: float

    @property
    def is_point(self) -> bool:
        """It is one number alone."""
        return self.low == self.high


class _Token(NamedTuple):
    kind: str
    text: str
    start: int
    end: int


def thresholds(rule: str) -> list[Threshold]:
    """In their order in the rule: of `x >= 3`, `3 < x` and `x between 1 and 3`, but not of
    `round(x, 2)` or `x + 3 < y`."""
    tokens = [
        _Token(str(m.lastgroup), m[0].lower() if m.lastgroup == "word" else m[0], *m.span())
        for m in TOKEN.finditer(rule)
        if m.lastgroup != "space"
    ]
    found = []
    for last, token in enumerate(tokens):
        if token.kind != "number":
            continue
        first = last - 1 if _is_negative(tokens, last) else last
        span = _operand(tokens, first, last)
        if span is not None:
            left, right = tokens[span[0]], tokens[span[1]]
            operand = rule[left.start : right.end]
            found.append(Threshold(rule, tokens[first].start, token.end, operand))
    return found


def _at(tokens: Sequence[_Token], index: int) -> str:
    """The sign or word there; nothing beyond the ends, and of what is neither."""
    inside = 0 <= index < len(tokens) and tokens[index].kind in ("sign", "word")
    return tokens[index].text if inside else ""


def _starts(tokens: Sequence[_Token], index: int) -> bool:
    """Whether an operand starts here."""
    return index == 0 or _at(tokens, index - 1) in LIMITS | OPENING


def _ends(tokens: Sequence[_Token], index: int) -> bool:
    return index == len(tokens) - 1 or _at(tokens, index + 1) in LIMITS | CLOSING


def _is_negative(tokens: Sequence[_Token], index: int) -> bool:
    return _at(tokens, index - 1) == "-" and _starts(tokens, index - 1)


def _operand(tokens: Sequence[_Token], first: int, last: int) -> tuple[int, int] | None:
    """First and last token of what the number is compared with, if it is."""
    if not (_starts(tokens, first) and _ends(tokens, last)):
        return None
    before, after = _at(tokens, first - 1), _at(tokens, last + 1)
    if before == "and":
        between = _leftmost(tokens, first - 2) - 1
        if _at(tokens, between) == "between":
            return _left_of_between(tokens, between)
    if before in COMPARISONS:
        start = _leftmost(tokens, first - 2)
        return (start, first - 2) if start <= first - 2 else None
    if before == "between":
        return _left_of_between(tokens, first - 1)
    if after in COMPARISONS:
        end = _rightmost(tokens, last + 2)
        return (last + 2, end) if end >= last + 2 else None
    return None


def _left_of_between(tokens: Sequence[_Token], between: int) -> tuple[int, int] | None:
    end = between - 2 if _at(tokens, between - 1) == "not" else between - 1
    start = _leftmost(tokens, end)
    return (start, end) if start <= end else None


def _leftmost(tokens: Sequence[_Token], index: int) -> int:
    """Where the operand begins that ends here."""
    depth = 0
    while index >= 0:
        text = _at(tokens, index)
        depth += (text in CLOSING) - (text in OPENING)
        if depth < 0 or (depth == 0 and text in LIMITS):
            break
        index -= 1
    return index + 1


def _rightmost(tokens: Sequence[_Token], index: int) -> int:
    depth = 0
    while index < len(tokens):
        text = _at(tokens, index)
        depth += (text in OPENING) - (text in CLOSING)
        if depth < 0 or (depth == 0 and text in LIMITS):
            break
        index += 1
    return index - 1


def regions(values: Sequence[float], current: float, *, up: bool) -> Iterator[Region]:
    """All numbers above (or below) the current one, nearest first, cut where a comparison with one
    of `values` changes."""
    beyond = sorted({value for value in values if (value > current if up else value < current)})
    near = current
    for value in beyond if up else reversed(beyond):
        if near != current or current in values:
            yield Region(min(near, value), max(near, value))
        yield Region(value, value)
        near = value
    if near != current or current in values:
        yield Region(near, math.inf) if up else Region(-math.inf, near)


def number_in(region: Region, current: float, *, whole: bool, wide: bool = False) -> str | None:
    """A round number of a region, near to its end that is nearest to `current`; null where it has
    none. `whole`: integers alone; `wide`: a point's neighbours on the far side count too, since
    they decide alike."""
    up = region.low >= current
    near = Decimal(repr(region.low if up else region.high))
    if region.is_point and (whole or not wide):
        return written(region.low)
    way = abs(near - Decimal(repr(current))) or max(abs(near), Decimal(1))
    far = near + (NEAR * way if up else -NEAR * way)
    for decimals in range(1 if whole else DECIMALS):
        step = Decimal(1).scaleb(-decimals)
        number = (near / step).to_integral_value(ROUND_CEILING if up else ROUND_FLOOR) * step
        if number == near and not region.is_point:
            number += step if up else -step
        reached = whole or (number <= far if up else number >= far)
        if reached and (region.is_point or region.low < float(number) < region.high):
            return written(float(number))
    return None


def written(value: float) -> str:
    """A number as a rule has it: as short as it can be, and exact."""
    if value == 0 or PLAIN[0] <= abs(value) < PLAIN[1]:
        return format(Decimal(repr(value)).normalize(), "f")
    return repr(value)
