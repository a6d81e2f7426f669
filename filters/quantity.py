"""Numbers that can be read exactly, with their units.

Rational arithmetic instead of algebra: it decides most answers, 100 times as fast, and it can
neither hang nor confuse numbers that are merely close.
"""

import re
from fractions import Fraction
from typing import NamedTuple

LONGEST = 300
"""Characters of a number; longer ones are nobody's answer."""
LARGEST_EXPONENT = 10_000

GROUPED = re.compile(r"\d{1,3}(?:(?:,|\{,\}| )\d{3})+(?!\d)")
DECIMAL = re.compile(r"(\d+)?(?:\.(\d*))?")
REPEATING = re.compile(
    r"(\d*)\.(\d*)\\(?:overline|bar|dot)\{(\d+)\}|(\d*)\.(\d*)\\(?:overline|bar|dot)(\d)"
)
FRACTION = re.compile(r"\\frac\{([^{}]+)\}\{([^{}]+)\}|([^/\\{}]+)/([^/\\{}]+)")
MIXED = re.compile(r"(\d+)\s*(?:\\frac\{(\d+)\}\{(\d+)\}|\s(\d+)/(\d+))")
SCIENTIFIC = re.compile(
    r"(.+?)\s*(?:(?:\\times|\\cdot|\*|x)\s*10\s*\^\s*\{?\s*([+-]?\d+)\s*\}?|[eE]([+-]?\d+))"
)
LARGE_WORDS = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
LARGE = re.compile(rf"(.+?)\s*(?:\\text\s*\{{)?\s*({'|'.join(LARGE_WORDS)})\s*\}}?", re.IGNORECASE)
POWER_OF_TEN = re.compile(r"10\s*\^\s*\{([+-]?\d+)\}")

_TABLE = {
    "length": {
        "mm": "1/1000", "cm": "1/100", "dm": "1/10", "m": "1", "km": "1000",
        "millimeter": "1/1000", "centimeter": "1/100", "meter": "1", "kilometer": "1000",
        "millimetre": "1/1000", "centimetre": "1/100", "metre": "1", "kilometre": "1000",
        "inch": "0.0254", "in": "0.0254", "foot": "0.3048", "feet": "0.3048", "ft": "0.3048",
        "yard": "0.9144", "yd": "0.9144", "mile": "1609.344", "mi": "1609.344",
        "毫米": "1/1000", "厘米": "1/100", "分米": "1/10", "米": "1",
        "千米": "1000", "公里": "1000",
    },
    "mass": {
        "mg": "1/1000000", "g": "1/1000", "gram": "1/1000", "kg": "1", "kilogram": "1",
        "tonne": "1000", "pound": "0.45359237", "lb": "0.45359237", "ounce": "0.028349523125",
        "oz": "0.028349523125", "克": "1/1000", "千克": "1", "公斤": "1", "吨": "1000",
    },
    "time": {
        "ms": "1/1000", "s": "1", "sec": "1", "second": "1", "min": "60", "minute": "60",
        "h": "3600", "hr": "3600", "hour": "3600", "day": "86400", "week": "604800",
        "秒": "1", "分钟": "60", "小时": "3600", "天": "86400",
    },
    "volume": {"ml": "1/1000", "l": "1", "liter": "1", "litre": "1", "milliliter": "1/1000",
        "毫升": "1/1000", "升": "1"},
    "angle": {"degree": "1", "deg": "1", "度": "1"},
    "radian": {"radian": "1", "rad": "1"},
    "dollar": {"dollar": "1", "\\$": "1", "$": "1", "usd": "1", "cent": "1/100", "¢": "1/100"},
    "euro": {"euro": "1", "€": "1", "eur": "1"},
    "yuan": {"yuan": "1", "元": "1", "¥": "1", "yen": "1", "rmb": "1", "cny": "1", "角": "1/10"},
    "sterling": {"£": "1", "gbp": "1"},
    "percent": {"%": "1", "\\%": "1", "percent": "1", "percentage": "1", "pct": "1"},
    "energy": {"j": "1", "joule": "1", "kj": "1000"},
    "speed": {"km/h": "5/18", "kmh": "5/18", "kph": "5/18", "m/s": "1", "mph": "0.44704",
        "miles per hour": "0.44704", "meters per second": "1", "kilometers per hour": "5/18"},
}  # fmt: skip
UNITS = {
    name: (dimension, Fraction(factor))
    for dimension, units in _TABLE.items()
    for name, factor in units.items()
}
"""Of every unit its dimension, and how many of the dimension's base units it is."""
POWERED = {"square": 2, "sq": 2, "cubic": 3}
RAISED = {"squared": 2, "cubed": 3}
PREFIXES = ("\\$", "$", "€", "£", "¥")
SIGNS = {*PREFIXES, "%", "\\%", "¢"}
TRAILING_UNIT = re.compile(
    r"(?P<number>.*?[\d})!])\s*(?P<unit>\\?%|\^\s*\{?\\circ\s*\}?\s*C?"
    r"|(?:\\text\s*\{[^{}]*\}|[a-zA-Z一-龥¢€£¥µ/.\s]|\\\$)+?)\s*(?:\^\s*\{(?P<power>[23])\})?\s*$"
)
MINUTES = re.compile(
    r"(\d+)\s*\^\s*\{?\s*\\circ\s*\}?\s*(\d{1,2})\s*(?:'|\^\{?\\prime\}?)(?:\s*(\d{1,2})\s*'')?"
)
TRAILING_TEXT = re.compile(
    r"(?P<number>.+?)\s*(?P<unit>\\text\s*\{[^{}]*\})\s*(?:\^\s*\{(?P<power>[23])\})?"
)
"""Behind anything, as in `12\\pi \\text{ cm}`."""


class Unit(NamedTuple):
    """`area` is `length` with a power of 2. What is not known is its own dimension."""

    dimension: str
    power: int
    factor: Fraction
    known: bool


class Quantity(NamedTuple):
    """A text as a number and, perhaps, a unit."""

    number: str
    unit: Unit | None


def exact(text: str) -> Fraction | None:
    """The number that a text spells; null for everything else."""
    text = text.strip()
    if not text or len(text) > LONGEST or not re.search(r"\d", text):
        return None
    negative = False
    while text[:1] in ("+", "-"):
        negative ^= text[0] == "-"
        text = text[1:].strip()
    value = _unsigned(text)
    return None if value is None else -value if negative else value


def _unsigned(text: str) -> Fraction | None:
    if text.startswith("{") and text.endswith("}"):
        return exact(text[1:-1])
    if (value := _decimal(text)) is not None:
        return value
    if match := MIXED.fullmatch(text):
        whole, *parts = (part for part in match.groups() if part is not None)
        return None if int(parts[1]) == 0 else Fraction(int(whole)) + Fraction(*map(int, parts))
    if match := FRACTION.fullmatch(text):
        top, bottom = (exact(part) for part in match.groups() if part is not None)
        return None if top is None or not bottom else top / bottom
    if match := REPEATING.fullmatch(text):
        return _repeating(*(part for part in match.groups() if part is not None))
    if match := LARGE.fullmatch(text):
        own = _decimal(match[1].strip())
        return None if own is None else own * LARGE_WORDS[match[2].casefold()]
    if match := POWER_OF_TEN.fullmatch(text):
        return _times_ten(Fraction(1), match.group(1))
    if match := SCIENTIFIC.fullmatch(text):
        mantissa = _decimal(match.group(1).strip())
        return None if mantissa is None else _times_ten(mantissa, match[2] or match[3])
    return None


def _decimal(text: str) -> Fraction | None:
    head, point, tail = text.partition(".")
    if GROUPED.fullmatch(head):
        text = re.sub(r",|\{,\}| ", "", head) + point + tail
    match = DECIMAL.fullmatch(text)
    if match is None or not (match[1] or match[2]):
        return None
    return Fraction(text if match[1] else f"0{text}")


def _times_ten(mantissa: Fraction, exponent: str) -> Fraction | None:
    power = int(exponent) if len(exponent) < 8 else LARGEST_EXPONENT + 1
    return None if abs(power) > LARGEST_EXPONENT else mantissa * Fraction(10) ** power


def _repeating(whole: str, fixed: str, period: str) -> Fraction:
    shift = 10 ** len(fixed)
    first = Fraction(int(whole or "0")) + Fraction(int(fixed or "0"), shift)
    return first + Fraction(int(period), (10 ** len(period) - 1) * shift)


def quantity(text: str, *, letters: bool = False) -> Quantity:
    """The number's text, without its unit, and the unit. A single letter may be a variable: it is
    a unit only where `letters` says so."""
    text = _whole_degrees(text.strip())
    for prefix in PREFIXES:
        if text.startswith(prefix):
            return Quantity(text[len(prefix) :].strip(), _unit(prefix, 1))
    match = TRAILING_UNIT.fullmatch(text) or TRAILING_TEXT.fullmatch(text)
    if match is None or LARGE.fullmatch(text):
        return Quantity(text, None)
    unit = _unit(match["unit"], int(match["power"] or 1), letters=letters)
    number_is_told = exact(match["number"]) is not None
    if unit is None or not (unit.known or number_is_told or r"\text" in match["unit"]):
        return Quantity(text, None)  # as the `dx` of an integral
    return Quantity(match["number"].strip(), unit)


def _whole_degrees(text: str) -> str:
    """`22^\\circ 30'`, in degrees alone."""
    match = MINUTES.fullmatch(text)
    if match is None:
        return text
    degrees, minutes, seconds = (int(part or 0) for part in match.groups())
    return rf"\frac{{{degrees * 3600 + minutes * 60 + seconds}}}{{3600}}^\circ"


def _unit(text: str, power: int, *, letters: bool = False) -> Unit | None:
    """Null for what is rather a variable."""
    name = re.sub(r"\\text\s*\{([^{}]*)\}", r" \1 ", text)
    name = re.sub(r"\s+", " ", name).strip().strip(".")
    if name.startswith("^"):
        dimension = "temperature" if name.endswith("C") else "angle"
        return Unit(dimension, 1, Fraction(1), known=True)
    parts = name.split()
    if len(parts) > 1 and parts[0].casefold() in POWERED:
        power = POWERED[parts.pop(0).casefold()]
    if len(parts) > 1 and parts[-1].casefold() in RAISED:
        power = RAISED[parts.pop().casefold()]
    known = _known(" ".join(parts))
    is_word = letters or r"\text" in text or len(text.strip()) > 1 or name in SIGNS or _is_cjk(name)
    if known is not None and is_word:
        return Unit(known[0], power, known[1] ** power, known=True)
    if not is_word or not re.fullmatch(r"[a-zA-Z一-龥][a-zA-Z一-龥 .'-]*", name):
        return None
    return Unit(_singular(name.casefold()), power, Fraction(1), known=False)


def _is_cjk(text: str) -> bool:
    return bool(re.fullmatch("[一-龥]+", text))


def _known(name: str) -> tuple[str, Fraction] | None:
    for one in (name, name.casefold(), _singular(name.casefold())):
        if one in UNITS:
            return UNITS[one]
    return None


def _singular(name: str) -> str:
    if name.endswith("ches"):
        return name[:-2]
    return name[:-1] if len(name) > 3 and name.endswith("s") else name
