"""Equality of expressions by math-verify, faster and with a relative comparison of numbers.

Its grammar (ANTLR) predicts with full context, which takes 95 % of its time. Predicting without
(SLL) gives the same tree or a syntax error, and only then the slow way is gone (ANTLR's own advice,
Parr et al. 2014, "Adaptive LL(*) parsing"). math-verify's numbers are equal to six decimals, so
that all tiny ones are: numbers are compared by their ratio here.

No text ever becomes code: sympy's `sympify` and `parse_expr` evaluate what they read, and are not
called with it.
"""

import logging
from collections.abc import Iterable
from functools import cache
from typing import Any

DIGITS = 60
CLOSE = 1e-6
"""Two numbers whose ratio is this close to 1 are equal where one of them is a decimal."""
SAME = 1e-50
"""The same for exact ones."""


def equal_expressions(gold: str, answer: str) -> bool | None:
    """Whether two LaTeX expressions are equal; null where one cannot be parsed. Raises what sympy
    raises, and may take for ever: it runs where it can be killed."""
    parsed_gold, parsed = (_parse(text) for text in (gold, answer))
    if not parsed_gold or not parsed:
        return None
    if (verdict := _equal_numbers(parsed_gold[0], parsed[0])) is not None:
        return verdict
    return bool(_verify()(parsed_gold, parsed, timeout_seconds=None, raise_on_error=True))


def _parse(text: str) -> list[Any]:
    """Expressions alone: math-verify falls back to the bare string where its grammar found none."""
    parse = _two_stage_parse()
    found: Iterable[Any] = parse(f"${text}$", parsing_timeout=None, raise_on_error=True)
    return [part for part in found if not isinstance(part, str)]


def _equal_numbers(gold: Any, answer: Any) -> bool | None:
    """By their values, if both are numbers."""
    import sympy

    if not all(isinstance(one, sympy.Expr) for one in (gold, answer)):
        return None
    # Where it is the only letter, it is no index.
    gold, answer = (
        one.subs(dict.fromkeys(one.free_symbols, sympy.I))
        if {str(symbol) for symbol in one.free_symbols} == {"i"}
        else one
        for one in (gold, answer)
    )
    if gold.free_symbols or answer.free_symbols:
        return None
    if gold.is_Rational and answer.is_Rational:
        return bool(gold == answer)
    if gold.is_zero or answer.is_zero:
        return bool((gold - answer).equals(0))
    values = [one.evalf(DIGITS) for one in (gold, answer)]
    if not all(value.is_finite for value in values):
        return None
    tolerance = CLOSE if gold.atoms(sympy.Float) or answer.atoms(sympy.Float) else SAME
    return bool(abs(values[0] - values[1]) <= tolerance * max(map(abs, values)))


@cache
def _two_stage_parse() -> Any:
    """math-verify's `parse`; 0.6 s and 56 MiB to import, so only where it is needed."""
    from antlr4 import PredictionMode
    from latex2sympy2_extended.latex2sympy2 import _Latex2Sympy
    from math_verify import parse

    # It warns in every call that somebody else must keep the deadline; somebody does.
    logging.getLogger("math_verify").setLevel(logging.ERROR)
    create, whole = _Latex2Sympy.create_parser, _Latex2Sympy.parse

    def create_parser(self: Any, text: str) -> Any:
        parser = create(self, text)
        if not getattr(self, "full_context", False):
            parser._interp.predictionMode = PredictionMode.SLL
        return parser

    def two_stages(self: Any, text: str) -> Any:
        try:
            return whole(self, text)
        except Exception:
            self.full_context = True
            return whole(self, text)

    _Latex2Sympy.create_parser, _Latex2Sympy.parse = create_parser, two_stages
    return parse


@cache
def _verify() -> Any:
    from math_verify import verify

    return verify
