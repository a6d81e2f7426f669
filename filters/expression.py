"""Expressions of school algebra as functions of their variables, evaluated at a few points.

Whether two such expressions are equal is told by their values (Schwartz 1980, Zippel 1979): where
they differ at one point, they are not, and where they agree to 45 digits at three points that
nobody chose, they are. That takes a tenth of a millisecond, where parsing the whole of LaTeX takes
ten. What is beyond this grammar is undecided here.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import cycle
from typing import Any

import mpmath

DIGITS = 60
SAME = mpmath.mpf(10) ** -45
TOLD_DIGITS = 30
LARGEST = mpmath.mpf(10) ** 40
"""Beyond it two integers may be closer than `SAME`."""
CLOSE = mpmath.mpf(10) ** -6
"""Of values of which one comes from a decimal."""
LARGEST_EXPONENT = 10**5
LARGEST_FACTORIAL = 1000
POINTS = (
    ("0.7319", "1.6283", "2.0911", "0.4127"),
    ("2.4871", "0.3717", "1.1193", "3.0571"),
    ("-1.1741", "0.6287", "-0.8363", "1.9319"),
)
"""Where variables are looked at; in the last one some are negative, or a root of a square would be
its base."""
POSITIVE_POINTS = 2
DEEPEST = 30

TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?|\.\d+)|(?P<name>\\[a-zA-Z]+|[a-zA-Z](?:_\{\w+\})?)"
    r"|(?P<sign>[-+*/^()\[\]{}|!=]))"
)
FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    r"\sin": mpmath.sin, r"\cos": mpmath.cos, r"\tan": mpmath.tan, r"\cot": mpmath.cot,
    r"\sec": mpmath.sec, r"\csc": mpmath.csc, r"\arcsin": mpmath.asin, r"\arccos": mpmath.acos,
    r"\arctan": mpmath.atan, r"\sinh": mpmath.sinh, r"\cosh": mpmath.cosh, r"\tanh": mpmath.tanh,
    r"\ln": mpmath.log, r"\exp": mpmath.exp,
}  # fmt: skip
CLOSING = {"(": ")", "[": "]", "{": "}"}
Value = Any
"""A number of mpmath, real or complex."""
Values = Mapping[str, Value]


class Undecided(Exception):
    """Beyond the grammar, or too large."""


class Expression:
    """A parsed text; `values` gives its value at a point."""

    def __init__(self, text: str) -> None:
        """Undecided for what is beyond the grammar."""
        self._tokens = _tokens(text)
        self._place = 0
        self._depth = 0
        self.variables: set[str] = set()
        self.has_decimals = any("." in token for token in self._tokens)
        self.has_roots = False
        self._value = self._sum()
        if self._place < len(self._tokens):
            raise Undecided(text)

    def __call__(self, values: Values) -> Value:
        return self._value(values)

    def _peek(self) -> str:
        return self._tokens[self._place] if self._place < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        self._place += 1
        return token

    def _expect(self, token: str) -> None:
        if self._next() != token:
            raise Undecided(token)

    def _sum(self) -> Callable[[Values], Value]:
        self._depth += 1
        if self._depth > DEEPEST:
            raise Undecided("too deep")
        terms = []
        sign = 1
        while self._peek() in ("+", "-"):
            sign *= -1 if self._next() == "-" else 1
        terms.append((sign, self._product()))
        while self._peek() in ("+", "-"):
            sign = -1 if self._next() == "-" else 1
            terms.append((sign, self._product()))
        self._depth -= 1
        return lambda values: sum(sign * term(values) for sign, term in terms)

    def _product(self, *, of_function: bool = False) -> Callable[[Values], Value]:
        """Factors with or without signs between them; the argument of a function without brackets
        ends at the next function."""
        factors = [(1, self._power())]
        while True:
            token = self._peek()
            if token in ("*", r"\cdot", r"\times") and not of_function:
                self._place += 1
                negative = self._peek() == "-" and bool(self._next())
                factor = self._power()
                factors.append((1, _negated(factor) if negative else factor))
            elif token == "/" and not of_function:
                self._place += 1
                factors.append((-1, self._power()))
            elif self._begins_factor(token) and not (of_function and token in FUNCTIONS):
                factors.append((1, self._power()))
            else:
                return lambda values: _multiplied(factors, values)

    def _begins_factor(self, token: str) -> bool:
        return (
            bool(token)
            and (token[0].isalnum() or token[0] in r".\({[")
            and token
            not in (
                r"\cdot",
                r"\times",
            )
        )

    def _power(self) -> Callable[[Values], Value]:
        base = self._atom()
        while self._peek() == "!":
            self._place += 1
            base = _factorial(base)
        if self._peek() != "^":
            return base
        self._place += 1
        exponent = self._braced()
        return self._raised(base, exponent)

    def _raised(
        self, base: Callable[[Values], Value], exponent: Callable[[Values], Value]
    ) -> Callable[[Values], Value]:
        def raised(values: Values) -> Value:
            power = exponent(values)
            if abs(power) > LARGEST_EXPONENT:
                raise Undecided("exponent")
            if power != int(mpmath.re(power)):
                self.has_roots = True
            return mpmath.power(base(values), power)

        return raised

    def _atom(self) -> Callable[[Values], Value]:
        token = self._next()
        if not token:
            raise Undecided("the end")
        if token[0].isdigit() or token[0] == ".":
            number = mpmath.mpf(token)
            return lambda _: number
        if token in CLOSING:
            inner = self._sum()
            self._expect(CLOSING[token])
            return inner
        if token == "|":
            inside = self._sum()
            self._expect("|")
            return lambda values: abs(inside(values))
        if token.startswith("\\") or token in ("e", "i"):
            return self._command(token)
        self.variables.add(token)
        return lambda values: values[token]

    def _command(self, token: str) -> Callable[[Values], Value]:
        constants = {r"\pi": mpmath.pi, "e": mpmath.e, "i": mpmath.mpc(0, 1)}
        if token in constants:
            constant = +constants[token]
            return lambda _: constant
        if token == r"\frac":
            if self._tokens[self._place : self._place + 3] == ["{", "d", "}"]:
                raise Undecided("a derivative")
            top, bottom = self._braced(), self._braced()
            return lambda values: top(values) / bottom(values)
        if token == r"\binom":
            above, below = self._braced(), self._braced()
            return lambda values: mpmath.binomial(_small(above(values)), _small(below(values)))
        if token == r"\sqrt":
            return self._root()
        if token in FUNCTIONS:
            return self._function(FUNCTIONS[token])
        if token in GREEK:
            self.variables.add(token)
            return lambda values: values[token]
        raise Undecided(token)

    def _root(self) -> Callable[[Values], Value]:
        degree = 2
        if self._peek() == "[":
            self._place += 1
            token = self._next()
            if not token.isdigit() or len(token) > 3 or token == "0":
                raise Undecided(token)
            degree = int(token)
            self._expect("]")
        radicand = self._braced()
        self.has_roots = True

        def root(values: Values) -> Value:
            value = radicand(values)
            if degree % 2 and not mpmath.im(value) and mpmath.re(value) < 0:
                return -mpmath.root(-mpmath.re(value), degree)
            return mpmath.root(value, degree)

        return root

    def _function(self, function: Callable[[Any], Any]) -> Callable[[Values], Value]:
        exponent = None
        if self._peek() == "^":
            self._place += 1
            exponent = self._braced()
        argument = self._atom() if self._peek() == "(" else self._product(of_function=True)

        def applied(values: Values) -> Value:
            at = argument(values)
            if abs(at) > LARGEST:  # its sine takes as many digits as it has
                raise Undecided("a large argument")
            value = function(at)
            if exponent is None:
                return value
            power = exponent(values)
            if power == -1:
                raise Undecided("an inverse function, or one over it")
            return mpmath.power(value, power)

        return applied

    def _braced(self) -> Callable[[Values], Value]:
        self._expect("{")
        inner = self._sum()
        self._expect("}")
        return inner


GREEK = {
    r"\alpha", r"\beta", r"\gamma", r"\delta", r"\theta", r"\lambda", r"\mu", r"\rho", r"\sigma",
    r"\tau", r"\phi", r"\omega",
}  # fmt: skip


def _tokens(text: str) -> Sequence[str]:
    found, place, text = [], 0, text.strip()
    while place < len(text):
        match = TOKEN.match(text, place)
        if match is None:
            raise Undecided(text[place:])
        found.append(match.group().strip())
        place = match.end()
    return found


def _multiplied(factors: Sequence[tuple[int, Callable[[Values], Value]]], values: Values) -> Value:
    product: Value = mpmath.mpf(1)
    for exponent, factor in factors:
        product = product * factor(values) if exponent > 0 else product / factor(values)
    return product


def _negated(factor: Callable[[Values], Value]) -> Callable[[Values], Value]:
    return lambda values: -factor(values)


def _factorial(base: Callable[[Values], Value]) -> Callable[[Values], Value]:
    return lambda values: mpmath.factorial(_small(base(values)))


def _small(value: Value) -> Value:
    if mpmath.im(value) or not 0 <= value <= LARGEST_FACTORIAL or value != int(value):
        raise Undecided("factorial")
    return value


def equal_at_points(gold: str, answer: str) -> bool | None:
    """Whether both are equal; null where that is beyond this grammar, or where roots of negative
    numbers may mean one thing or another."""
    with mpmath.workdps(DIGITS):
        try:
            one, other = Expression(gold), Expression(answer)
            return _equal(one, other)
        except (Undecided, ZeroDivisionError, OverflowError, ValueError, TypeError):
            return None


def worth(text: str) -> str | None:
    """What an expression is worth, the same for all that are equal: its value or, where it has
    variables, its values at the points, to 30 digits. Null for what is beyond this grammar, and for
    decimals, which may be rounded."""
    with mpmath.workdps(DIGITS):
        try:
            expression = Expression(text)
            variables = sorted(expression.variables)
            points = POINTS if variables else POINTS[:1]
            found = [mpmath.mpmathify(expression(_values(variables, point))) for point in points]
            if expression.has_decimals:
                return None
            if any(not mpmath.isfinite(value) or abs(value) > LARGEST for value in found):
                return None
            return " ".join([*variables, *map(_digits, found)])
        except (Undecided, ZeroDivisionError, OverflowError, ValueError, TypeError):
            return None


def _digits(value: Value) -> str:
    if abs(value - mpmath.nint(value.real)) < SAME:
        return str(int(mpmath.nint(value.real)))
    parts = (mpmath.mpf(0) if abs(part) < SAME else part for part in (value.real, value.imag))
    return "+i".join(mpmath.nstr(part, TOLD_DIGITS) for part in parts)


def _values(variables: Sequence[str], point: Sequence[str]) -> Values:
    return {
        name: mpmath.mpf(text) + place // len(point)
        for place, (name, text) in enumerate(zip(variables, cycle(point), strict=False))
    }


def _equal(one: Expression, other: Expression) -> bool | None:
    variables = sorted(one.variables | other.variables)
    tolerance = CLOSE if one.has_decimals or other.has_decimals else SAME
    for number, point in enumerate(POINTS if variables else POINTS[:1]):
        values = _values(variables, point)
        first, second = one(values), other(values)
        size = max(abs(first), abs(second))
        if not mpmath.isfinite(size) or 0 < size < SAME or size > LARGEST:
            return None
        if abs(first - second) > tolerance * size:
            return None if number >= POSITIVE_POINTS and _has_roots(one, other) else False
    return True


def _has_roots(one: Expression, other: Expression) -> bool:
    return one.has_roots or other.has_roots
