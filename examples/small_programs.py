"""Small programming prompts with exact tests; pure, seeded, the same on every machine.

Run as `python -m examples.small_programs --seed 3 --count 60 -o prompts.jsonl`. Half of them ask
for a function, half for a program that reads and prints. The simulated engine can answer them.
"""

import argparse
import json
import random
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

Operation = Callable[[int, int], int]
STEPS: dict[str, Operation] = {
    "adds {}": lambda x, n: x + n,
    "subtracts {}": lambda x, n: x - n,
    "multiplies by {}": lambda x, n: x * n,
    "takes the remainder modulo {}": lambda x, n: x % n,
    "squares it": lambda x, _: x * x,
}
INPUTS = (0, 1, 7, 12, 100, -5)
FUNCTION = "Write a Python function `f(x)` that takes a whole number x, {steps}, and returns it."
SCRIPT = "Write a Python program that reads a whole number x, {steps}, and prints it."


class Task(NamedTuple):
    """A prompt and its tests, as the `code` scorer reads them."""

    question: str
    tests: list[dict[str, Any]]


def tasks(seed: int) -> Iterator[Task]:
    """Tasks without end, no question twice."""
    rng = random.Random(seed)
    seen: set[str] = set()
    while True:
        steps = [(rng.choice(list(STEPS)), rng.randint(2, 20)) for _ in range(rng.randint(2, 4))]
        told = ", then ".join(step.format(number) for step, number in steps)
        is_function = len(seen) % 2 == 0
        question = (FUNCTION if is_function else SCRIPT).format(steps=told)
        if question not in seen:
            seen.add(question)
            yield Task(question, [_test(is_function, x, _result(steps, x)) for x in INPUTS])


def _result(steps: list[tuple[str, int]], x: int) -> int:
    for step, number in steps:
        x = STEPS[step](x, number)
    return x


def _test(is_function: bool, x: int, result: int) -> dict[str, Any]:
    if is_function:
        return {"call": "f", "arguments": [x], "returns": result}
    return {"input": f"{x}\n", "output": f"{result}\n"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    lines = [json.dumps(task._asdict()) for task in islice(tasks(options.seed), options.count)]
    options.output.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
