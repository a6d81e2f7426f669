"""Sums written out digit by digit, as small as a model of a million parameters can learn them."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

Sign = Literal["+", "-", "×", "÷"]


class Work(NamedTuple):
    """What a trace writes after `left sign right`, and the number it ends with."""

    text: str
    result: int


@dataclass(frozen=True)
class Operation:
    """One operation of a solution; `*_from` is the index of the operation an operand comes from."""

    sign: Sign
    left: int
    right: int
    left_from: int | None = None
    right_from: int | None = None

    @property
    def result(self) -> int:
        """The exact value; ValueError where it is negative or not a whole number."""
        return apply(self.sign, self.left, self.right)


def apply(sign: Sign, left: int, right: int) -> int:
    """`left sign right`; ValueError where that is negative or not a whole number."""
    if sign == "+":
        return left + right
    if sign == "×":
        return left * right
    if sign == "-":
        if right > left:
            raise ValueError(f"{left} - {right} is negative")
        return left - right
    if right == 0 or left % right:
        raise ValueError(f"{left} ÷ {right} is not a whole number")
    return left // right


def write_out(sign: Sign, left: int, right: int, *, slip: int = 0) -> Work:
    """The written work of an operation; `slip` is added to one of its columns.

    A slip that would leave the range of a digit is swallowed, and the work is right after all.
    Raises ValueError where the operation cannot be done in whole numbers of zero or more.
    """
    apply(sign, left, right)
    if max(left, right) < 10 or (sign == "÷" and left < 10 * right):
        return write_directly(sign, left, right, slip=slip)
    if sign == "+":
        columns, result = _add(left, right, slip)
    elif sign == "-":
        columns, result = _subtract(left, right, slip)
    elif sign == "×":
        columns, result = _multiply(max(left, right), min(left, right), slip)
    else:
        columns, result = _divide(left, right, slip)
    return Work(f": {', '.join(columns)}, so {result}", result)


def write_directly(sign: Sign, left: int, right: int, *, slip: int = 0) -> Work:
    """The result alone, as done in the head."""
    result = abs(apply(sign, left, right) + slip)
    return Work(f" = {result}", result)


def _digits(number: int) -> list[int]:
    """Decimal digits, the ones first."""
    return [int(digit) for digit in reversed(str(number))]


def _number(digits: list[int]) -> int:
    return sum(digit * 10**place for place, digit in enumerate(digits))


def _pairs(left: int, right: int) -> list[tuple[int, int]]:
    a, b = _digits(left), _digits(right)
    width = max(len(a), len(b))
    return list(
        zip(a + [0] * (width - len(a)), b + [0] * (width - len(b)), strict=True),
    )


def _add(left: int, right: int, slip: int) -> tuple[list[str], int]:
    columns, digits, carry = [], [], 0
    for a, b in _pairs(left, right):
        total = max(0, a + b + carry + slip)
        columns.append(f"{a} + {b}{f' + {carry}' if carry else ''} = {total}")
        digits.append(total % 10)
        carry, slip = total // 10, 0
    return columns, _number([*digits, carry])


def _subtract(left: int, right: int, slip: int) -> tuple[list[str], int]:
    columns, digits, borrow = [], [], 0
    for a, b in _pairs(left, right):
        top = a + 10 if a < b + borrow else a
        rest = max(0, min(9, top - b - borrow + slip))
        columns.append(f"{top} - {b}{f' - {borrow}' if borrow else ''} = {rest}")
        digits.append(rest)
        borrow, slip = int(top > 9), 0
    return columns, _number(digits)


def _multiply(left: int, right: int, slip: int) -> tuple[list[str], int]:
    if right >= 10:
        ones, tens = left * (right % 10) + slip, left * (right - right % 10)
        total = ones + tens
        parts = [f"{left} × {right % 10} = {ones}", f"{left} × {right - right % 10} = {tens}"]
        return [*parts, f"{tens} + {ones} = {total}"], total
    columns, digits, carry = [], [], 0
    for a in _digits(left):
        total = max(0, a * right + carry + slip)
        columns.append(f"{a} × {right}{f' + {carry}' if carry else ''} = {total}")
        digits.append(total % 10)
        carry, slip = total // 10, 0
    return columns, _number(digits) + carry * 10 ** len(digits)


def _divide(left: int, right: int, slip: int) -> tuple[list[str], int]:
    """Long division; a slip changes the last digit of the quotient."""
    columns, quotient, rest = [], 0, 0
    for digit in reversed(_digits(left)):
        part = 10 * rest + digit
        rest = part % right
        if quotient or part >= right:
            quotient = 10 * quotient + part // right
            columns.append(f"{part} ÷ {right} = {part // right}{f' r {rest}' if rest else ''}")
    if not slip:
        return columns, quotient
    wrong = quotient + (1 if quotient % 10 == 0 else slip if quotient % 10 < 9 else -1)
    columns[-1] = columns[-1].rsplit(" ", 1)[0] + f" {wrong % 10}"
    return columns, wrong
