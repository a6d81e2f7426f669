"""Procedural: prompts made by tasks of reasoning-gym, for recipes to read."""

import json
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from filters.procedural import LIBRARY, SOLVED, asked, program, result_of
from infra.sandbox.bubblewrap import Bubblewrap
from jobs.tell import Told
from schemas.errors import RecipeError
from schemas.ports import ProgramLimits, ProgramTest, Sandbox

AT_ONCE = 100
"""Problems of a test; what it answers with has a limit."""
TRIED = 5
"""Problems whose right answers a task must accept."""
MOST_FOR_JUNK = 0.25
LIMITS = ProgramLimits(cpu_s=60.0, memory_bytes=1024 * 2**20)
ASKS = "\n\nPut the final answer, and nothing else, between <answer> and </answer>."


def write_problems(tasks: Sequence[str], size: int, seed: int, target: str) -> Told:
    """Writes `target` with the columns prompt, reference and task.

    A task must first show that it accepts its own right answers and gives junk at most a quarter:
    of 105, some give full marks to anything (game_of_life_halting), or none to what they call
    right (boxnet, graph_color, rubiks_cube, rush_hour, propositional_logic). RecipeError for one
    that does not, before anything is written.
    """
    output = Path(target)
    if output.suffix != ".jsonl":
        raise RecipeError(f"-o {target}: must end in .jsonl")
    if size < 1:
        raise RecipeError(f"--size {size}: must be at least 1")
    try:
        metadata.version(LIBRARY)
    except metadata.PackageNotFoundError as error:
        raise RecipeError(
            f"{LIBRARY} is not installed: pip install 'stillhouse[procedural]'"
        ) from error
    sandbox = Bubblewrap(with_libraries=True)
    try:
        makers = {task: _passed(sandbox, task, seed) for task in tasks}
        rows = [row for task in tasks for row in _rows(sandbox, task, makers[task], size, seed)]
    finally:
        sandbox.close()
    part = output.with_name(f".{output.name}.part")
    part.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    part.replace(output)
    text = f"{len(rows):,} problems of {len(makers)} tasks in {output}"
    return text, {"problems": len(rows), "tasks": list(makers), "file": str(output)}


def _passed(sandbox: Sandbox, task: str, seed: int) -> dict[str, Any]:
    """What makes the task's problems, if it knows right from wrong."""
    made = _answer(sandbox, task, asked("problems", task, seed, 0, TRIED))
    entries = [problem["entry"] for problem in made.pop("problems")]
    scores = _answer(sandbox, task, asked("tried", made["module"], task, entries))
    if scores["right"] < SOLVED:
        raise RecipeError(f"{task}: gives a right answer of its own {scores['right']:g} of 1")
    if scores["junk"] > MOST_FOR_JUNK:
        raise RecipeError(f"{task}: gives junk {scores['junk']:g} of 1")
    return made


def _rows(
    sandbox: Sandbox, task: str, made: dict[str, Any], size: int, seed: int
) -> Iterator[dict[str, Any]]:
    for first in range(0, size, AT_ONCE):
        count = min(AT_ONCE, size - first)
        found = _answer(sandbox, task, asked("problems", task, seed, first, count))
        for problem in found["problems"]:
            reference = {"task": task, **made, "entry": problem["entry"]}
            yield {"prompt": problem["question"] + ASKS, "reference": reference, "task": task}


def _answer(sandbox: Sandbox, task: str, test: ProgramTest) -> dict[str, Any]:
    [run, *_] = sandbox.run(program(), [test], LIMITS)
    answer = result_of(run)
    if not isinstance(answer, dict):
        said = run.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise RecipeError(f"{task}: cannot be used here ({run.how}): {said or 'it said nothing'}")
    return answer
