"""What the simulated teacher answers: sums, and small programs (`examples/small_programs.py`)."""

import random
import re
from collections.abc import Callable

SUM = re.compile(r"What is (-?\d+) \+ (-?\d+)\?")
PROGRAM = re.compile(
    r"Write a Python (function|program) .*? whole number x, (.*), and (?:return|print)s it\."
)
STEPS: dict[str, str] = {
    r"adds (\d+)": "x = x + {}",
    r"subtracts (\d+)": "x = x - {}",
    r"multiplies by (\d+)": "x = x * {}",
    r"takes the remainder modulo (\d+)": "x = x % {}",
    r"squares it": "x = x * x",
}
SLIPS: tuple[Callable[[str], str], ...] = (
    lambda program: program.replace("x = x", "x = 1 + x", 1),
    lambda program: program.replace("x = x", "x = y", 1),
    lambda program: program.replace("x = x", "x == x", 1).replace("(x):", "(x)"),
)
"""Wrong answers, crashes, and what does not compile."""


def simulated_answer(prompt: str, rng: random.Random, accuracy: float) -> str:
    """Right at the rate of `accuracy`, where it understands the question."""
    is_right = rng.random() < accuracy
    if task := PROGRAM.search(prompt):
        program = _program(task[1] == "function", task[2])
        shown = program if is_right else rng.choice(SLIPS)(program)
        return f"\n\nThis does it:\n\n```python\n{shown}```"
    question = SUM.search(prompt)
    truth = sum(map(int, question.groups())) if question else rng.randrange(1000)
    return f"\n\nThe answer is \\boxed{{{truth if is_right else truth + rng.randint(1, 9)}}}."


def _program(is_function: bool, told: str) -> str:
    lines = []
    for step in told.split(", then "):
        for pattern, code in STEPS.items():
            if match := re.fullmatch(pattern, step):
                lines.append(code.format(*match.groups()))
    if is_function:
        return "def f(x):\n" + "".join(f"    {line}\n" for line in lines) + "    return x\n"
    return "x = int(input())\n" + "".join(f"{line}\n" for line in lines) + "print(x)\n"
