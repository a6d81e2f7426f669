"""Is the final answer right? Mathematical equivalence by math-verify."""

import logging
import re
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import ClassVar

from filters.scorer import FieldType, Response
from schemas.score import FALSE, TRUE, UNPARSABLE, Score

INTEGER = re.compile(r"[+-]?\d{1,300}")
GSM8K_MARK = "####"


class MathScorer:
    """The last `\\boxed{}` of the answer against the reference.

    What cannot be decided is `unparsable`, never true. Only the boxed content is parsed: over a
    whole answer math-verify picks up numbers in passing ("the problem mentions 12 apples" = 12).
    math-verify's own timeouts are switched off, because they raise in every thread but the main
    one (its issue 50); the deadline is kept by killing the process that it runs in.
    """

    name: ClassVar[str] = "math"
    version: ClassVar[int] = 1
    fields: ClassVar[Mapping[str, FieldType]] = {"answer": str}
    verifies: ClassVar[bool] = True
    deadline_s: ClassVar[float | None] = 5.0

    def __call__(self, response: Response) -> Score:
        gold = final_reference(response.reference)
        if gold is None:
            return Score(values={"answer": None}, reason="no_reference")
        boxed = last_boxed(response.answer)
        if boxed is None or not boxed.strip():
            return _unparsable(None, "no_boxed_answer")
        try:
            verdict = _equivalent(gold, boxed.strip())
        except Exception as error:  # sympy raises every type on hostile input; none means "false"
            return _unparsable(boxed, f"undecided_{type(error).__name__.lower()}")
        if verdict is None:
            return _unparsable(boxed, "not_parsed")
        return Score(
            values={"answer": boxed},
            verdict=TRUE if verdict else FALSE,
            reason=None if verdict else "wrong_answer",
            evidence=f"{boxed} against {gold}",
        )

    def libraries(self) -> Mapping[str, str]:
        return {
            name: version(name)
            for name in ("math-verify", "latex2sympy2_extended", "antlr4-python3-runtime")
        }


def _unparsable(answer: str | None, reason: str) -> Score:
    return Score(values={"answer": answer}, verdict=UNPARSABLE, reason=reason, evidence=answer)


def final_reference(reference: str | None) -> str | None:
    """The final answer of a reference; GSM8K's references end in `#### answer`."""
    if reference is None or not reference.strip():
        return None
    return reference.rpartition(GSM8K_MARK)[2].strip()


def last_boxed(text: str) -> str | None:
    """Content of the last `\\boxed{…}` with its braces matched; null without one."""
    start = text.rfind("\\boxed{")
    if start < 0:
        return None
    begin, depth = start + len("\\boxed{"), 1
    for brace in re.finditer(r"\\.|[{}]", text[begin:], re.DOTALL):
        depth += {"{": 1, "}": -1}.get(brace.group(), 0)
        if depth == 0:
            return text[begin : begin + brace.start()]
    return None


def _equivalent(gold: str, answer: str) -> bool | None:
    """Whether both are the same number, set or expression; null if one cannot be parsed."""
    if INTEGER.fullmatch(gold) and INTEGER.fullmatch(answer):
        return int(gold) == int(answer)
    from math_verify import parse, verify  # 0.6 s and 56 MiB: only where it is needed

    # It warns in every call that somebody else must keep the deadline; somebody does.
    logging.getLogger("math_verify").setLevel(logging.ERROR)
    parsed_gold, parsed = (
        parse(f"${_without_currency(text)}$", parsing_timeout=None, raise_on_error=True)
        for text in (gold, answer)
    )
    if not _has_expression(parsed_gold) or not _has_expression(parsed):
        return True if gold == answer else None
    return bool(verify(parsed_gold, parsed, timeout_seconds=None, raise_on_error=True))


def _without_currency(text: str) -> str:
    """A dollar sign inside the math that we open and close ourselves would end it."""
    return text.replace("\\$", "").replace("$", "")


def _has_expression(parsed: Iterable[object]) -> bool:
    """math-verify falls back to the bare string where its grammar found nothing."""
    return any(not isinstance(part, str) for part in parsed)
