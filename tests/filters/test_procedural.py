"""Answers to procedural problems are judged by their task, which cannot be made to say anything."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from filters.procedural import ProceduralScorer, answer_of, asked, program, result_of
from filters.scorer import Response
from infra.sandbox.bubblewrap import Bubblewrap
from schemas.errors import SandboxError
from schemas.ports import ProgramLimits
from schemas.score import Score


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Bubblewrap]:
    one = Bubblewrap(with_libraries=True)
    yield one
    one.close()


def reference(sandbox: Bubblewrap, task: str) -> dict[str, Any]:
    [run] = sandbox.run(program(), [asked("problems", task, 0, 0, 1)], ProgramLimits())
    made = result_of(run)
    [problem] = made.pop("problems")
    return {"task": task, **made, "entry": problem["entry"]}


def judged(sandbox: Bubblewrap, told: Any, answer: str) -> Score:
    scorer = ProceduralScorer()
    scorer.use(sandbox)
    text = told if isinstance(told, str) else json.dumps(told)
    return scorer(Response("q", None, answer, "stop", reference=text))


def test_a_task_judges(sandbox: Bubblewrap) -> None:
    task = reference(sandbox, "number_sorting")
    right = task["entry"].partition("'answer': \"")[2].partition('"')[0]
    score = judged(sandbox, task, f"So it is <answer> {right} </answer>")
    assert (score.verdict, score.reason, score.values["score"]) == ("true", None, 1.0)
    assert judged(sandbox, task, "<answer>['1']</answer>").reason == "wrong_answer"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("7", "wrong_answer"),
        ("9**9**9**9", "timeout"),
        ("__import__('os')", "code_in_answer"),
        ("().__class__", "code_in_answer"),
        ("x.y", "code_in_answer"),
        ("eval ('1')", "code_in_answer"),
        ("1" * 30_000, "code_in_answer"),
    ],
)
def test_what_an_evaluating_task_is_not_asked(
    sandbox: Bubblewrap, answer: str, reason: str
) -> None:
    task = reference(sandbox, "countdown")
    assert task["evaluates"] is True
    score = judged(sandbox, task, answer)
    assert (score.verdict, score.reason) == ("false", reason)


@pytest.mark.parametrize(
    ("told", "answer", "verdict", "reason"),
    [
        ("", "1", None, "no_reference"),
        ("{", "1", None, "bad_reference"),
        ("[]", "1", None, "bad_reference"),
        ('{"task": "gcd"}', "1", None, "bad_reference"),
        ({"task": "gcd", "module": "os", "entry": "{}"}, "1", "false", "crash"),
        ({"task": "x", "module": "reasoning_gym.y", "entry": "{"}, "1", "false", "crash"),
        ({"task": "gcd", "module": "m", "entry": "{}"}, " ", "unparsable", "no_final_answer"),
    ],
)
def test_odd_references(
    sandbox: Bubblewrap, told: Any, answer: str, verdict: str | None, reason: str
) -> None:
    score = judged(sandbox, told, answer)
    assert (score.verdict, score.reason) == (verdict, reason)


def test_without_a_sandbox_nothing_is_scored() -> None:
    scorer = ProceduralScorer()
    scorer.use(SandboxError("sandbox: there is no bubblewrap"))
    score = scorer(Response("q", None, "1", "stop", reference="{}"))
    assert (score.verdict, score.reason) == (None, "no_sandbox")


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<answer>1</answer> no, <answer>\n2 </answer>", "2"),
        ("It is \\boxed{3}.", "3"),
        ("  4 \n", "4"),
        ("<answer>5", "<answer>5"),
    ],
)
def test_where_the_answer_is(text: str, answer: str) -> None:
    assert answer_of(text) == answer


def test_programs_of_models_see_no_libraries() -> None:
    one = Bubblewrap()
    source = "import os; print(os.path.exists('/libraries'))"
    [run] = one.run(source, [asked("print")], ProgramLimits())
    one.close()
    assert b"True" not in run.stdout
