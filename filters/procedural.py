"""Is the answer to a procedural problem right? Asked of the task that made the problem."""

import json
import re
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar

from filters.final_answer import final_answers
from filters.in_sandbox import InSandbox
from filters.programs.values import read_value
from filters.scorer import FieldType, Response
from schemas.errors import SandboxError
from schemas.ports import LIBRARIES, ProgramLimits, ProgramRun, ProgramTest
from schemas.score import FALSE, TRUE, UNPARSABLE, FieldValue, Score

LIBRARY = "reasoning-gym"
TAGGED = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
"""As reasoning-gym's own prompts ask for it."""
SOLVED = 1 - 1e-6
"""Anything less is partial credit, which some tasks give to junk."""
LIMITS = ProgramLimits(cpu_s=4.0, memory_bytes=512 * 2**20)
"""A task's libraries, such as sympy, take up to a second of it."""
CODE = re.compile(
    r"__|\b(?:import|lambda|eval|exec|open|getattr|setattr|globals|compile)\b|[A-Za-z_)\]]\.[A-Za-z_]"
)
"""In an answer that its task evaluates: it could make the score whatever it likes."""
LONGEST = 20_000
"""Characters of an answer."""


class ProceduralScorer(InSandbox):
    """The task's own score; only all of it is right. The reference is what `stillhouse procedural`
    writes: `{"task": …, "module": …, "evaluates": …, "entry": …}`.

    Tasks run in a sandbox alone, since some evaluate the answer as code.
    """

    name: ClassVar[str] = "procedural"
    version: ClassVar[int] = 1
    fields: ClassVar[Mapping[str, FieldType]] = {"score": float, "isolation": str}
    sees_libraries: ClassVar[bool] = True

    def libraries(self) -> Mapping[str, str]:
        try:
            return {LIBRARY: metadata.version(LIBRARY)}
        except metadata.PackageNotFoundError:
            return {LIBRARY: "none"}

    def __call__(self, response: Response) -> Score:
        if not (response.reference or "").strip():
            return self.unscored("no_reference")
        if self.sandbox is None:
            return self.without_sandbox()
        try:
            told = json.loads(response.reference or "")
            task = told["module"], told["task"], told["entry"]
        except (ValueError, TypeError, LookupError, RecursionError) as error:
            return self.unscored("bad_reference", f"{type(error).__name__}: {error}")
        answer = answer_of(response.answer)
        if not answer:
            return self._scored(None, UNPARSABLE, "no_final_answer", None)
        if len(answer) > LONGEST or (told.get("evaluates", True) and CODE.search(answer)):
            return self._scored(None, FALSE, "code_in_answer", answer[:500])
        return self._judged(answer, task)

    def _judged(self, answer: str, task: tuple[Any, ...]) -> Score:
        assert self.sandbox is not None
        try:
            [run, *_] = self.sandbox.run(program(), [asked("score", *task, answer)], LIMITS)
        except SandboxError as error:
            return self.unscored("no_sandbox", str(error))
        value = result_of(run)
        if not isinstance(value, float):
            reason = "timeout" if run.how == "late" else "crash"
            said = run.stderr.decode("utf-8", "replace").strip()[-500:]
            return self._scored(None, FALSE, reason, said)
        right = value >= SOLVED
        if right:
            return self._scored(value, TRUE, None, answer[:500])
        return self._scored(value, FALSE, "wrong_answer", answer[:500])

    def _scored(
        self, value: float | None, verdict: str, reason: str | None, evidence: str | None
    ) -> Score:
        assert self.sandbox is not None
        values: dict[str, FieldValue] = {"score": value, "isolation": self.sandbox.isolation}
        return Score(values, verdict, reason, evidence)


def answer_of(text: str) -> str:
    """What stands between the last `<answer>` tags, else the last box or final line, else all."""
    if tagged := TAGGED.findall(text):
        return str(tagged[-1]).strip()
    found = final_answers(text)
    return (found[-1] if found else text).strip()


@cache
def program() -> str:
    """What makes problems and scores answers, in the sandbox."""
    return Path(__file__).with_name("reasoning_gym_program.py").read_text(encoding="utf-8")


def asked(function: str, *arguments: Any) -> ProgramTest:
    """A call of one of the program's functions, which get the folder of libraries first."""
    return ProgramTest(expression=f"{function}({LIBRARIES!r}, *arguments)", arguments=arguments)


def result_of(run: ProgramRun) -> Any:
    """Null where it has none."""
    try:
        return read_value(run.result or "") if run.how == "ended" and run.status == 0 else None
    except ValueError:
        return None
