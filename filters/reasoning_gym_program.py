"""Makes the problems of reasoning-gym's tasks, and scores answers to them: runs in a sandbox alone.

Some tasks evaluate the answer as code (8 of 105, measured with a payload), some hang on `9**9**9`.
Importing the package takes 5.9 s and needs all that any of its tasks needs; of a task's own module
0.1 s, in packages whose `__init__` is left out.
"""

import ast
import importlib
import os
import re
import sys
import types
from typing import Any

PACKAGE = "reasoning_gym"
WHOLE = {"reasoning_gym.coaching", "reasoning_gym.data"}
"""Of these all is needed, and it is small."""
EVALUATES = re.compile(r"\b(?:eval|exec|parse_expr|sympify)\(")
JUNK = (
    "", " ", "?", "x", "-", "[]", "{}", "()", "None", "nan", "[[]]", "the answer", "I do not know",
    "\\boxed{}", "a, b, c", "1 1 1 1", "-0.5", "9" * 30, "<answer>", "```",
)  # fmt: skip
"""None of them is likely to be right by chance."""


def problems(libraries: str, task: str, seed: int, first: int, count: int) -> dict[str, Any]:
    """So many problems of a task, and the module that scores them. An entry is a Python literal: in
    JSON its tuples would be lists, which three tasks do not take for the same."""
    module, source = _find(libraries, task)
    dataset = _dataset(libraries, module, task, size=first + count, seed=seed)
    entries = [_plain(dataset[place]) for place in range(first, first + count)]
    return {
        "module": module,
        "evaluates": bool(EVALUATES.search(source)),
        "problems": [{"question": one["question"], "entry": repr(one)} for one in entries],
    }


def score(libraries: str, module: str, task: str, entry: str, answer: str) -> float:
    """From 0 to 1."""
    dataset = _dataset(libraries, module, task, size=1)
    return float(dataset.score_answer(answer=answer, entry=ast.literal_eval(entry)))


def tried(libraries: str, module: str, task: str, entries: list[str]) -> dict[str, float]:
    """What the worst right answer scores, and the best junk in the mean over the entries."""
    dataset = _dataset(libraries, module, task, size=1)
    read = [ast.literal_eval(entry) for entry in entries]
    junk = [sum(_scored(dataset, entry, text) for entry in read) / len(read) for text in JUNK]
    return {"right": min(_scored(dataset, one, one["answer"]) for one in read), "junk": max(junk)}


def _scored(dataset: Any, entry: dict[str, Any], answer: str) -> float:
    try:
        return float(dataset.score_answer(answer=answer, entry=entry))
    except Exception:  # whatever a task raises on junk: it is not accepted
        return 0.0


def _find(libraries: str, task: str) -> tuple[str, str]:
    """The module that registers a task, and its source; LookupError where there is none."""
    registered = re.compile(rf"register_dataset\(\s*\"{re.escape(task)}\"")
    named = re.compile(rf"DATASET_NAME = \"{re.escape(task)}\"")
    for folder, _, files in os.walk(os.path.join(libraries, PACKAGE)):
        for file in files:
            path = os.path.join(folder, file)
            if not file.endswith(".py"):
                continue
            with open(path, encoding="utf-8") as opened:
                source = opened.read()
            registers = registered.search(source) or named.search(source)
            if registers and "register_dataset(" in source:
                return os.path.relpath(path, libraries)[:-3].replace(os.sep, "."), source
    raise LookupError(f"reasoning-gym has no task {task!r}")


def _dataset(libraries: str, module: str, task: str, **settings: int) -> Any:
    sys.path.insert(0, libraries)
    root = os.path.join(libraries, PACKAGE)
    for folder, _, _ in os.walk(root):
        name = os.path.relpath(folder, libraries).replace(os.sep, ".")
        if name not in WHOLE and name.count(".") <= 1 and name not in sys.modules:
            package = types.ModuleType(name)
            package.__path__ = [folder]
            sys.modules[name] = package
    importlib.import_module(f"{PACKAGE}.coaching")  # before the factory: they import each other
    factory = importlib.import_module(f"{PACKAGE}.factory")
    importlib.import_module(module)
    return factory.create_dataset(task, **settings)


def _plain(value: Any) -> Any:
    """Of types that a Python literal can spell."""
    if hasattr(value, "tolist"):  # numpy's
        return value.tolist()
    if isinstance(value, dict):
        return {_plain(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set):
        kind = next(kind for kind in (list, tuple, set) if isinstance(value, kind))
        return kind(map(_plain, value))
    return value if isinstance(value, bool | int | float | str | None) else str(value)
