"""Is the final answer right, as mathematics?"""

from collections.abc import Mapping
from importlib.metadata import version
from typing import ClassVar

from filters.equivalence import equivalent
from filters.final_answer import final_answers
from filters.scorer import FieldType, Response
from filters.verifier import verify
from schemas.score import Score

GSM8K_MARK = "####"


class MathScorer:
    """The final answer behind the thinking against the reference. Algebra may hang, so that it runs
    in a process that can be killed."""

    name: ClassVar[str] = "math"
    version: ClassVar[int] = 2
    fields: ClassVar[Mapping[str, FieldType]] = {"answer": str}
    verifies: ClassVar[bool] = True
    deadline_s: ClassVar[float | None] = 2.0

    def __call__(self, response: Response) -> Score:
        return verify(response, final_reference(response.reference), equivalent)

    def libraries(self) -> Mapping[str, str]:
        return {
            name: version(name)
            for name in ("math-verify", "latex2sympy2_extended", "antlr4-python3-runtime", "sympy")
        }


def final_reference(reference: str | None) -> str | None:
    """The final answer of a reference; GSM8K's references end in `#### answer`, and those with a
    whole solution have it in a box."""
    if reference is None or not reference.strip():
        return None
    own = reference.rpartition(GSM8K_MARK)[2].strip()
    if "\\boxed" in own:
        own = ", ".join(final_answers(own)) or own
    return own
