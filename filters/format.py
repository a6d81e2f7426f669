"""Is the response whole: the thinking closed, an answer behind it, nothing cut off?"""

import re
from collections.abc import Mapping
from typing import ClassVar

from filters.scorer import FieldType, Response
from schemas.reasoning import CLOSE, OPEN
from schemas.score import Score

PARAGRAPHS = re.compile(r"\n\s*\n")
CODE_FENCE = re.compile(r"^[ \t]*(?:```|~~~)", re.MULTILINE)


class FormatScorer:
    """`format.complete`, with the reason why not, and what the text looks like otherwise.

    Truth about truncation is `finish_reason` alone: a text that merely looks finished is not.
    `longest_paragraph` (characters) and `code_blocks` are of the thinking: DeepSeek dropped chains
    of thought with long paragraphs and code blocks from R1's training data (arXiv 2501.12948,
    section 2.3.3).
    """

    name: ClassVar[str] = "format"
    version: ClassVar[int] = 2
    fields: ClassVar[Mapping[str, FieldType]] = {
        "complete": bool,
        "thinking": bool,
        "missing_open": bool,
        "unclosed": bool,
        "reopened": bool,
        "closings": int,
        "longest_paragraph": int,
        "code_blocks": int,
    }
    verifies: ClassVar[bool] = False
    deadline_s: ClassVar[float | None] = None

    def __call__(self, response: Response) -> Score:
        problem = _first_problem(response)
        reasoning = response.reasoning
        thinks = reasoning is not None
        tags = response.answer.count(CLOSE) + (reasoning or "").count(CLOSE)
        return Score(
            values={
                "complete": problem is None,
                "thinking": bool((reasoning or "").strip()),
                "missing_open": thinks and not response.opened,
                "unclosed": thinks and not response.closed,
                "reopened": OPEN in response.answer,
                "closings": int(thinks and response.closed) + tags,
                "longest_paragraph": max(map(len, PARAGRAPHS.split(reasoning or ""))),
                "code_blocks": (len(CODE_FENCE.findall(reasoning or "")) + 1) // 2,
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
