"""Do two final answers say the same? By what they are: numbers, lists, regions, choices, words.

Whatever can be decided exactly is decided here. What is left, real algebra, is that of
`filters/symbolic.py`. Where a rule would have to guess, the answer is not right: a wrong row in a
dataset costs more than one that is missing.
"""

import re
from fractions import Fraction
from typing import NamedTuple

from filters.conventions import (
    AND_OR,
    ASSIGNED,
    same_choice,
    same_choices,
    same_date,
    same_numeral,
    same_ratio,
    same_residue,
    same_time,
    same_words,
)
from filters.expression import equal_at_points
from filters.families import same_family
from filters.math_text import TEXT, normal
from filters.quantity import Quantity, Unit, exact, quantity
from filters.regions import Interval, Region, region, split_commas
from filters.symbolic import equal_expressions

DECIDE = (
    same_choice,
    same_choices,
    same_date,
    same_words,
    same_family,
    same_numeral,
    same_residue,
    same_time,
    same_ratio,
)
LONGEST = 2000
"""Characters of an answer that is looked at."""
LONGEST_DECIMALS = 300
NESTED = 30
"""Brackets in brackets; the time that the grammar takes grows with their square and worse."""
DEEPEST = 4
"""Lists in lists."""
DECIMALS_CLOSE = Fraction(1, 10**6)
"""Relative; of two numbers of which one is written as a decimal."""
COMPARED = re.compile(r"[=<>]|\\(?:le|ge|ne|in)(?![a-zA-Z])")
COLUMN = re.compile(r"\\begin\{[bp]matrix\}(.*)\\end\{[bp]matrix\}", re.DOTALL)
LABEL = re.compile(r"(?<![a-zA-Z0-9\\^])\(?\s*([a-h]|[1-8]|i{1,3}|iv|vi?)\s*\)\s*:?")
PLUS_MINUS = re.compile(r"\\pm(?![a-zA-Z])")
MINUS_PLUS = re.compile(r"\\mp(?![a-zA-Z])")


class Many(NamedTuple):
    """A list of answers."""

    items: tuple[str, ...]
    bracket: str
    """`{`, `(`, `[` or, for a bare list, nothing."""


def equivalent(gold: str, answer: str) -> bool | None:
    """Whether the answer is the gold one; null where that cannot be decided. Raises what sympy
    raises on hostile input, and may take for ever: it runs where it can be killed."""
    if max(len(gold), len(answer)) > LONGEST or max(map(_nesting, (gold, answer))) > NESTED:
        return True if gold == answer else None
    return _equal(normal(gold), normal(answer), 0)


def _equal(gold: str, answer: str, depth: int) -> bool | None:
    if gold == answer:
        return bool(gold)
    if depth > DEEPEST or not answer or not gold:
        return None
    if (decided := _compared(Quantity(gold, None), Quantity(answer, None))) is not None:
        return decided
    for decide in DECIDE:
        if (decided := decide(gold, answer)) is not None:
            return decided
    gold, answer = _without_assignment(gold, answer, depth)
    if gold == answer:
        return True
    if (decided := _as_quantities(gold, answer, depth)) is not None:
        return decided
    if (decided := _as_regions(gold, answer, depth)) is not None:
        return decided
    if (decided := _as_lists(gold, answer, depth)) is not None:
        return decided
    return _by_algebra(gold, answer)


def _without_assignment(gold: str, answer: str, depth: int) -> tuple[str, str]:
    """`x = 5` is `5` where the other side names no variable, or the same one. In a list another
    name is another answer."""
    one, other = _assigned(gold), _assigned(answer)
    if one and other:
        same = one[0] == other[0] or (
            depth == 0 and one[0] not in other[1] and other[0] not in one[1]
        )
        return (one[1], other[1]) if same else (gold, answer)
    if one and not COMPARED.search(answer):
        return one[1], answer
    if other and not COMPARED.search(gold):
        return gold, other[1]
    return gold, answer


def _assigned(text: str) -> tuple[str, str] | None:
    """The name and its value."""
    match = ASSIGNED.fullmatch(text)
    if match is None or text.count("=") > 1 or len(split_commas(text)) > 1:
        return None
    return match[1].replace(" ", ""), match[2]


def _as_quantities(gold: str, answer: str, depth: int) -> bool | None:
    wanted, given = quantity(gold), quantity(answer)
    if wanted.unit is not None and given.unit is None:
        given = quantity(answer, letters=True)
    elif given.unit is not None and wanted.unit is None:
        wanted = quantity(gold, letters=True)
    if wanted.unit is not None and given.unit is not None:
        if not _comparable(wanted.unit, given.unit):
            return False
        mixed = wanted.unit.dimension != given.unit.dimension and "radian" in (
            wanted.unit.dimension,
            given.unit.dimension,
        )
        if mixed or None in (exact(wanted.number), exact(given.number)):
            one, other = (_in_base_units(own.number, own.unit, mixed) for own in (wanted, given))
            return _equal(one, other, depth + 1)
    return _compared(wanted, given)


def _in_base_units(number: str, unit: Unit | None, radians: bool) -> str:
    assert unit is not None
    if radians and unit.dimension == "angle":
        return rf"\frac{{\pi}}{{180}} \cdot ({number})"
    if unit.factor == 1:
        return number
    return rf"\frac{{{unit.factor.numerator}}}{{{unit.factor.denominator}}} \cdot ({number})"


def _comparable(one: Unit, other: Unit) -> bool:
    if {one.dimension, other.dimension} == {"angle", "radian"}:
        return True
    if one.known and other.known:
        return (one.dimension, one.power) == (other.dimension, other.power)
    if one.known or other.known:
        return False
    return one.dimension in other.dimension or other.dimension in one.dimension


def _compared(wanted: Quantity, given: Quantity) -> bool | None:
    one, other = exact(wanted.number), exact(given.number)
    if one is None or other is None:
        return None
    if wanted.unit is not None and given.unit is not None:
        one, other = one * wanted.unit.factor, other * given.unit.factor
    elif "percent" in (unit.dimension for unit in (wanted.unit, given.unit) if unit):
        # `50 %` is a half, and 50 where the question asks for percent.
        share = one if wanted.unit is not None else other
        plain = other if wanted.unit is not None else one
        return plain in (share, share / 100)
    if one == other:
        return True
    if not any("." in number for number in (wanted.number, given.number)):
        return False
    if all(_terminates(value) for value in (one, other)):
        return False  # neither has been rounded
    return abs(one - other) <= DECIMALS_CLOSE * max(abs(one), abs(other))


def _terminates(value: Fraction) -> bool:
    """Whether its decimals come to an end, soon enough to be written down."""
    return bool(10**LONGEST_DECIMALS % value.denominator == 0)


def _as_regions(gold: str, answer: str, depth: int) -> bool | None:
    wanted, given = region(gold), region(answer)
    if wanted is None and given is None:
        return None
    wanted = wanted or region(gold, parentheses=True)
    given = given or region(answer, parentheses=True)
    if wanted is None or given is None:
        return None if r"\in" in gold + answer else False
    return _equal_regions(wanted, given, depth)


def _equal_regions(wanted: Region, given: Region, depth: int) -> bool | None:
    if len(wanted) != len(given):
        return False
    left = list(given)
    for one in wanted:
        match = next((other for other in left if _equal_intervals(one, other, depth)), None)
        if match is None:
            return False
        left.remove(match)
    return True


def _equal_intervals(one: Interval, other: Interval, depth: int) -> bool:
    if (one.low_closed, one.high_closed) != (other.low_closed, other.high_closed):
        return False
    return all(
        (a is None and b is None)
        or (a is not None and b is not None and _equal(a, b, depth + 1) is True)
        for a, b in ((one.low, other.low), (one.high, other.high))
    )


def _many(text: str) -> Many | None:
    """A list of answers; null where it is one."""
    text, bracket = text.strip(), ""
    for opening, closing in ((r"\{", r"\}"), ("(", ")"), ("[", "]"), (r"\langle", r"\rangle")):
        inner = text[len(opening) : -len(closing)]
        if text.startswith(opening) and text.endswith(closing) and _is_balanced(inner):
            if opening != r"\{" and PLUS_MINUS.search(inner):
                return Many(_expanded([text]), "")  # two points, not a point with two numbers
            items = split_commas(inner)
            if len(items) > 1 or opening == r"\{":
                bracket = "(" if opening == r"\langle" else opening[-1]
                return Many(_expanded(items), bracket)
            return None
    text = TEXT.sub(r" \1 ", text).strip()
    if parts := _parts(text):
        return Many(tuple(parts), "(")
    items = split_commas(AND_OR.sub(",", text))
    items = [item.strip() for item in items if item.strip()]
    expanded = _expanded(items)
    return Many(expanded, bracket) if len(expanded) > 1 else None


def _parts(text: str) -> list[str]:
    """What `(a) 5, (b) 12` says under its labels, which must be all from the first one on."""
    for labels in ("abcdefgh", "12345678", ("i", "ii", "iii", "iv", "v", "vi")):
        found = [match for match in LABEL.finditer(text) if match[1] in labels]
        if len(found) > 1 and [m[1] for m in found] == list(labels[: len(found)]):
            ends = [match.start() for match in found[1:]] + [len(text)]
            parts = [text[m.end() : end].strip(" ,;.") for m, end in zip(found, ends, strict=True)]
            return parts if found[0].start() == 0 and all(parts) else []
    return []


def _as_tuple(text: str) -> str:
    """A column vector; everything else as it is."""
    match = COLUMN.fullmatch(text.strip())
    rows = match[1].split(r"\\") if match and "&" not in match[1] else []
    return f"({', '.join(row.strip() for row in rows)})" if len(rows) > 1 else text


def _nesting(text: str) -> int:
    depth = deepest = 0
    for letter in text:
        depth += (letter in "([{") - (letter in ")]}")
        deepest = max(deepest, depth)
    return deepest


def _is_balanced(text: str) -> bool:
    depth = 0
    for letter in text:
        depth += (letter in "([{") - (letter in ")]}")
        if depth < 0:
            return False
    return depth == 0


def _expanded(items: list[str]) -> tuple[str, ...]:
    """`a \\pm b` is two answers; where the sign comes twice, it is the same in both places."""
    found: list[str] = []
    for item in items:
        if PLUS_MINUS.search(item):
            for sign, other in (("+", "-"), ("-", "+")):
                found.append(MINUS_PLUS.sub(other, PLUS_MINUS.sub(sign, item)).strip())
        else:
            found.append(item.strip())
    return tuple(found)


def _as_lists(gold: str, answer: str, depth: int) -> bool | None:
    wanted, given = _many(_as_tuple(gold)), _many(_as_tuple(answer))
    if wanted is None and given is None:
        return None
    if wanted is None or given is None:
        return None if AND_OR.search(gold + answer) or "\\begin" in gold + answer else False
    ordered = "(" in (wanted.bracket, given.bracket) or "[" in (wanted.bracket, given.bracket)
    if len(wanted.items) != len(given.items) or (
        ordered and "{" in (wanted.bracket, given.bracket)
    ):
        return False
    return _equal_lists(wanted.items, list(given.items), depth, ordered=ordered)


def _equal_lists(
    wanted: tuple[str, ...], given: list[str], depth: int, *, ordered: bool
) -> bool | None:
    for one in wanted:
        candidates = given[:1] if ordered else given
        verdicts = [_equal(one, other, depth + 1) for other in candidates]
        if True not in verdicts:
            return None if None in verdicts else False
        given.pop(verdicts.index(True))
    return True


def _by_algebra(gold: str, answer: str) -> bool | None:
    gold, answer = _for_algebra(gold), _for_algebra(answer)
    verdict = equal_at_points(gold, answer)
    return equal_expressions(gold, answer) if verdict is None else verdict


def _for_algebra(text: str) -> str:
    """Units and degrees gone that the grammar would take for variables."""
    own = quantity(text)
    text = own.number if own.unit is not None and own.unit.dimension != "angle" else text
    text = re.sub(r"(?<![\d.}/])(\d+)\s*/\s*(\d+)(?![\d.])", r"\\frac{\1}{\2}", text)
    return re.sub(r"(\d+(?:\.\d+)?)\s*\^\s*\{?\s*\\circ\s*\}?", r"\\frac{\1 \\pi}{180}", text)
