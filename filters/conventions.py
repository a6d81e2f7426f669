"""What is right by convention: letters of a choice, words, numerals with a base, residues.

Each tells whether two answers in one spelling say the same; null where they are none of its kind.
"""

import re

from filters.math_text import TEXT, words
from filters.quantity import exact

CHOICE = re.compile(r"\(?\s*([A-Z])\s*\)?")
BRACKETED_CHOICE = re.compile(r"\(\s*([A-H])\s*\)\s.*", re.DOTALL)
CHOSEN = re.compile(
    r"(?i:(?:option|choice|answer)\s)?\s*[\(\[]?\s*([A-Z])\s*(?:[\)\].:](?:\s.*)?|\s[-:]\s.*|\s[\d$\\].*|,\s[a-z]{3}.*)?",
    re.DOTALL,
)
BASE = re.compile(r"([0-9a-zA-Z]+)\s*_\s*\{(\d+)\}")
MODULO = re.compile(
    r"(.+?)\s*(?:\\pmod|\\pod|\(?\s*(?:\\bmod|\\mod|\bmod)\b)\s*\{?\s*(\d+)\s*\}?\s*\)?"
)
YES_OR_NO = {"yes", "no", "true", "false"}
MONTH = re.compile(
    "january|february|march|april|may|june|july|august|september|october|november|december"
)
DAY = re.compile(r"(\d{1,2})(?:st|nd|rd|th)?")
TIME = re.compile(r"(\d{1,2}):([0-5]\d)(?:\s*([ap])\.?\s*m\.?)?")
POWER = re.compile(r"(\d+)(?:\s*\^\s*\{(.+)\})?")
ASSIGNED = re.compile(
    r"(\\?[a-zA-Z]{1,8}(?:_\{\w+\})?(?:\([a-z, ]*\))?|\\frac\{d[a-z]\}\{d[a-z]\}"
    r"|\([a-z](?:\s*,\s*[a-z])+\))\s*(?:=|\\equiv|\\approx)\s*(.+)"
)
CHOICE_LETTERS = re.compile("[A-H]")
JOINED_CHOICES = re.compile(r"(?=[A-H]{2,8}$)A?B?C?D?E?F?G?H?")
LISTED_CHOICES = re.compile(r"\(?[A-H]\)?(?:(?:\s*,|\s*;|\s+and|\s*,\s*and|\s)\s*\(?[A-H]\)?)+")
OTHER_CHOICE = re.compile(r"(?:\b(?:and|or)\b|[,/&])\s*\(?\s*([A-H])\s*\)?(?![a-z])")
AND_OR = re.compile(r"\\text\s*\{\s*(?:,\s*)?(?:and|or)\s*\}|(?<![a-zA-Z\\])(?:and|or)(?![a-zA-Z])")


def same_choice(gold: str, answer: str) -> bool | None:
    """A letter of a multiple choice: either side may repeat what it stands for."""
    plain = TEXT.sub(r" \1 ", gold).strip()
    wanted = CHOICE.fullmatch(plain) or BRACKETED_CHOICE.fullmatch(plain)
    if wanted is None:
        return None
    if re.fullmatch(r"\(?[a-e]\)?", answer):
        answer = answer.upper()
    given = CHOSEN.fullmatch(TEXT.sub(r" \1 ", answer).strip())
    if given is None:
        return None if CHOICE.fullmatch(answer) or "=" in answer else False
    offered = {given[1], *OTHER_CHOICE.findall(TEXT.sub(r" \1 ", answer))}
    return offered == {wanted[1]}


def same_choices(gold: str, answer: str) -> bool | None:
    """Several letters of a choice: `ABD` is `A, B, D`. At least one side must list them."""
    if not CHOICE_LETTERS.search(gold):
        return None
    texts = [TEXT.sub(r" \1 ", text).strip() for text in (gold, answer)]
    if not all(JOINED_CHOICES.fullmatch(text) or LISTED_CHOICES.fullmatch(text) for text in texts):
        return None
    if not any(LISTED_CHOICES.fullmatch(text) for text in texts):
        return None
    one, other = (sorted(re.findall("[A-H]", AND_OR.sub(" ", text))) for text in texts)
    return one == other


def same_words(gold: str, answer: str) -> bool | None:
    """Answers in words, such as a day or a name."""
    wanted = words(gold)
    is_text = r"\text" in gold or re.fullmatch(r"no|[a-z]{3,}(?: [a-z]+)*", wanted)
    if r"\text" in gold and wanted and wanted == words(answer):
        return True
    if not is_text or "\\" in wanted or re.search(r"[\d=<>^+*/]", wanted):
        return None
    if not wanted or AND_OR.search(gold):
        return None
    given = words(answer)
    if wanted in YES_OR_NO and given.split(" ")[0] in YES_OR_NO:
        return wanted == given.split(" ")[0]
    # With and without a leading article, which `a b c` only seems to have.
    if wanted == given or gold.replace(" ", "") == answer.replace(" ", ""):
        return True
    return False if re.fullmatch(r"[a-z' -]{2,}", given) else None


def same_numeral(gold: str, answer: str) -> bool | None:
    """Numerals with a base."""
    gold, answer = TEXT.sub(r"\1", gold), TEXT.sub(r"\1", answer)
    one, other = BASE.fullmatch(gold), BASE.fullmatch(answer)
    if one is None and other is None:
        return None
    if one is not None and other is not None:
        values = [_in_base(match) for match in (one, other)]
        return None if None in values else one[2] == other[2] and values[0] == values[1]
    match, plain = (one, answer) if one is not None else (other, gold)
    assert match is not None
    if match[1] == plain:  # the question names the base
        return True
    value, number = _in_base(match), exact(plain)
    return None if value is None or number is None else value == number


def _in_base(match: re.Match[str]) -> int | None:
    base = int(match[2]) if len(match[2]) < 3 else 0
    try:
        return int(match[1], base) if 2 <= base <= 36 else None
    except ValueError:
        return None


def same_residue(gold: str, answer: str) -> bool | None:
    """Congruences, and what `a mod n` is."""
    one, other = MODULO.fullmatch(gold), MODULO.fullmatch(answer)
    if one is None and other is None:
        return None
    if one is not None and other is not None and one[2] != other[2]:
        return False
    modulus = int((one or other)[2])  # type: ignore[index]
    values = [
        _residue(match[1] if match else text, modulus)
        for match, text in ((one, gold), (other, answer))
    ]
    if None in values or not modulus:
        return None
    if one is not None and other is not None:
        return values[0] == values[1]
    return values[0] == values[1] and 0 <= _integer(answer if one else gold, -1) < modulus


def _residue(text: str, modulus: int) -> int | None:
    match = ASSIGNED.fullmatch(text)
    text = match[2] if match else text
    power = POWER.fullmatch(text.strip())
    if power is None:
        value = exact(text)
        return (
            None if value is None or value.denominator != 1 or not modulus else int(value) % modulus
        )
    exponent = 1 if power[2] is None else _integer_power(power[2])
    return None if exponent is None or not modulus else pow(int(power[1]), exponent, modulus)


def _integer_power(text: str) -> int | None:
    value = exact(text)
    return int(value) if value is not None and value.denominator == 1 and value >= 0 else None


def _integer(text: str, otherwise: int) -> int:
    match = ASSIGNED.fullmatch(text)
    value = exact(match[2] if match else text)
    return int(value) if value is not None and value.denominator == 1 else otherwise


def same_time(gold: str, answer: str) -> bool | None:
    """Times of the day; its half may be left out."""
    one, other = (TIME.fullmatch(TEXT.sub(r"\1", text).casefold()) for text in (gold, answer))
    if one is None or other is None:
        return None
    halves = {half for half in (one[3], other[3]) if half}
    return one[1].lstrip("0") == other[1].lstrip("0") and one[2] == other[2] and len(halves) < 2


def same_date(gold: str, answer: str) -> bool | None:
    """Days of the year, month or day first."""
    if not MONTH.search(gold.casefold()):
        return None
    one, other = _date(gold), _date(answer)
    return None if one is None or other is None else one == other


def _date(text: str) -> tuple[str, int, str] | None:
    parts = [part for part in re.split(r"[\s,.]+|\bof\b|\bthe\b", words(text)) if part]
    months = [part for part in parts if MONTH.fullmatch(part)]
    days = [int(match[1]) for part in parts if (match := DAY.fullmatch(part))]
    years = [part for part in parts if re.fullmatch(r"\d{4}", part)]
    if len(months) != 1 or len(days) != 1 or 1 + 1 + len(years) != len(parts):
        return None
    return months[0], days[0], "".join(years)


def same_ratio(gold: str, answer: str) -> bool | None:
    """Ratios of three and more; one of two is a fraction."""
    if gold.count(":") < 2:
        return None
    one, other = ([exact(part) for part in text.split(":")] for text in (gold, answer))
    if None in one or None in other:
        return None
    if len(one) != len(other) or not one[0] or not other[0]:
        return False
    factor = other[0] / one[0]
    return all(a is not None and a * factor == b for a, b in zip(one, other, strict=True))
