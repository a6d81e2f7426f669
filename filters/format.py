"""Is the response whole: the thinking closed, an answer behind it, nothing cut off?"""

from collections.abc import Mapping
from typing import ClassVar

from filters.scorer import FieldType, Response
from schemas.reasoning import CLOSE, OPEN
from schemas.score import Score


class FormatScorer:
    """`format.complete`, with the reason why not.

    Truth about truncation is `finish_reason` alone: a text that merely looks finished is not.
    """

    name: ClassVar[str] = "format"
    version: ClassVar[int] = 1
    fields: ClassVar[Mapping[str, FieldType]] = {
        "complete": bool,
        "thinking": bool,
        "closings": int,
    }
    verifies: ClassVar[bool] = False
    deadline_s: ClassVar[float | None] = None

    def __call__(self, response: Response) -> Score:
        problem = _first_problem(response)
        return Score(
            values={
                "complete": problem is None,
                "thinking": bool((response.reasoning or "").strip()),
                "closings": int(response.closed and response.reasoning is not None)
                + response.answer.count(CLOSE),
            },
            reason=problem,
        )

    def libraries(self) -> Mapping[str, str]:
        return {}


def _first_problem(response: Response) -> str | None:
    thinks = response.reasoning is not None
    if response.finish_reason == "length":
        return "truncated"
    if thinks and not response.closed:
        return "unclosed_thinking"
    if response.finish_reason not in (None, "stop"):
        return "stopped_early"
    if not response.answer.strip():
        return "empty_answer"
    if OPEN in response.answer or CLOSE in response.answer:
        return "reopened_thinking"
    if thinks and not (response.reasoning or "").strip():
        return "empty_thinking"
    return None
