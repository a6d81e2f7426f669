"""Is the final answer right, as mathematics?"""

from collections.abc import Mapping
from importlib.metadata import version
from typing import ClassVar

from filters.equivalence import equivalent
from filters.final_answer import final_answers
from filters.verifier import Verifier

GSM8K_MARK = "####"


class MathScorer(Verifier):
    """The final answer behind the thinking against the reference. Algebra may hang, so that it runs
    in a process that can be killed."""

    name: ClassVar[str] = "math"
    version: ClassVar[int] = 4
    deadline_s: ClassVar[float | None] = 2.0

    def same(self, reference: str, answer: str) -> bool | None:
        return equivalent(reference, answer)

    def libraries(self) -> Mapping[str, str]:
        return {
            name: version(name)
            for name in ("math-verify", "latex2sympy2_extended", "antlr4-python3-runtime", "sympy")
        }

    def final_reference(self, reference: str) -> str:
        """GSM8K's references end in `#### answer`, and those with a whole solution have it in a
        box."""
        own = reference.rpartition(GSM8K_MARK)[2].strip()
        if "\\boxed" in own:
            own = ", ".join(final_answers(own)) or own
        return own
