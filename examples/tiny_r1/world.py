"""A small world of word problems with exact answers; pure, seeded, the same on every machine.

Run as `python -m examples.tiny_r1.world --seed 7 --count 240 -o prompts.jsonl`.
"""

import argparse
import json
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

from examples.tiny_r1.arithmetic import Operation, Sign, apply
from examples.tiny_r1.stories import ASIDES, FAMILIES, PEOPLE, RISKY, Family, Scene

T = TypeVar("T")

LARGEST = 9999
ASIDE_SHARE = 0.3
RISKY_SHARE = 0.05
LONG_PRODUCT_SHARE = 0.1
"""Share of products whose smaller factor has two digits."""
LENGTHS = (2, 2, 3, 3, 3, 4, 4, 5)
"""How many operations a problem has, each equally likely."""
SIZES = (0, 0, 0, 1, 1, 1, 2, 2)
"""How large a problem's numbers are, each equally likely."""
QUANTITIES = ((6, 60), (20, 400), (100, 3000))
FACTORS = ((3, 20), (6, 90), (20, 400))
"""By the size of the problem's numbers: plain amounts, and the larger factor of a product."""


@dataclass(frozen=True)
class Problem:
    """A word problem, its exact answer, and the operations that lead to it."""

    question: str
    answer: int
    kind: str
    operations: tuple[Operation, ...]
    whys: tuple[str, ...]
    """What each operation is for, as the thinking restates it; empty where it follows from the
    one before."""
    subject: str
    """What is counted, as a plural noun."""

    @property
    def steps(self) -> int:
        """Number of operations."""
        return len(self.operations)

    @property
    def risky(self) -> bool:
        """Whether a model that is afraid of words would refuse it."""
        return self.subject in RISKY


def pick(rng: random.Random, values: Sequence[T]) -> T:
    """One of the values. Spelled out because `Random.choice` is not promised to stay the same."""
    return values[int(rng.random() * len(values))]


def between(rng: random.Random, low: int, high: int) -> int:
    """A whole number from low to high, both included."""
    return low + int(rng.random() * (high - low + 1))


def chance(rng: random.Random, share: float) -> bool:
    """True for that share of calls."""
    return rng.random() < share


class _Story:
    """A problem in the making."""

    def __init__(self, rng: random.Random, family: Family) -> None:
        self.rng, self.family = rng, family
        self.size = pick(rng, SIZES)
        name, pronoun = pick(rng, PEOPLE)
        friend = pick(rng, [person for person, _ in PEOPLE if person != name])
        risky = len(family.things) > 4 and chance(rng, RISKY_SHARE * 1.5)
        self.words: dict[str, object] = {
            "name": name,
            "friend": friend,
            "He": pronoun,
            "he": pronoun.lower(),
            "him": "him" if pronoun == "He" else "her",
            "things": pick(rng, RISKY if risky else family.things),
        }
        self.sentences: list[str] = []
        self.operations: list[Operation] = []
        self.whys: list[str] = []
        self.amount = 0

    def quantity(self, low: int = 2, high: int = LARGEST) -> int:
        """A plain amount of the problem's size within the bounds; ValueError if there is none."""
        bottom, top = QUANTITIES[self.size]
        bottom, top = max(bottom, low), min(top, high)
        if bottom > top:
            raise ValueError("no such quantity")
        return between(self.rng, bottom, top)

    def factors(self, largest: int = LARGEST) -> tuple[int, int]:
        """Two factors whose product is at most `largest`; ValueError if there are none."""
        low, high = FACTORS[self.size]
        small = between(self.rng, 2, 9)
        if self.size and chance(self.rng, LONG_PRODUCT_SHARE):
            small = 10 * between(self.rng, 1, 2) + between(self.rng, 1, 9)
        high = min(high, largest // small)
        if low > high:
            raise ValueError("no such factors")
        return small, between(self.rng, low, high)

    def operate(self, sign: Sign, right: int, *, why: str, right_from: int | None = None) -> None:
        """Change the running amount; ValueError where the result would not do."""
        amount = apply(sign, self.amount, right)
        if not 1 <= amount <= LARGEST:
            raise ValueError("out of range")
        previous = len(self.operations) - (1 if right_from is None else 2)
        left_from = previous if previous >= 0 else None
        self.operations.append(Operation(sign, self.amount, right, left_from, right_from))
        self.whys.append(why)
        self.amount = amount

    def tell(self, text: str, **numbers: int) -> str:
        return text.format(**self.words, **numbers)

    def start(self, scene: Scene) -> None:
        """The first sentence; its operation, if it has one, is the first of the problem."""
        if scene.shape == "=a":
            self.amount = a = self.quantity()
            self.sentences.append(self.tell(scene.text, a=a))
            return
        a, b = self.factors() if scene.shape == "a×b" else (self.quantity(), self.quantity())
        self.amount = a
        sign: Sign = "×" if scene.shape == "a×b" else "+"
        self.operate(sign, b, why=self.tell(scene.why, a=a, b=b))
        self.sentences.append(self.tell(scene.text, a=a, b=b))

    def go_on(self, scene: Scene) -> None:
        """One more sentence; ValueError, and nothing changed, where it does not fit the amount."""
        sign: Sign = "+" if scene.shape[0] == "+" else "-"
        if scene.shape.endswith("c×d"):
            c, d = self.factors(self.amount - 1 if sign == "-" else LARGEST - self.amount)
            self.sentences.append(self.tell(scene.text, c=c, d=d))
            self._product(c, d, self.tell(scene.why, c=c, d=d))
            self.operate(sign, c * d, why="", right_from=len(self.operations) - 1)
            return
        if scene.shape == "÷c":
            sign, c = "÷", pick(self.rng, _divisors(self.amount))
        elif scene.shape == "×c":
            sign, c = "×", between(self.rng, 2, 6)
        else:
            c = self.quantity(high=self.amount - 1 if sign == "-" else LARGEST)
        self.operate(sign, c, why=self.tell(scene.why, c=c))
        self.sentences.append(self.tell(scene.text, c=c))

    def _product(self, c: int, d: int, why: str) -> None:
        self.operations.append(Operation("×", c, d))
        self.whys.append(why)


def _divisors(amount: int) -> list[int]:
    """The one-digit divisors that leave more than one; ValueError if there are none."""
    divisors = [c for c in range(2, 10) if amount % c == 0 and amount > c]
    if not divisors:
        raise ValueError(f"{amount} cannot be shared")
    return divisors


def _problem(rng: random.Random) -> Problem | None:
    """One problem, or None where the story got stuck."""
    family = pick(rng, FAMILIES)
    story = _Story(rng, family)
    length = pick(rng, LENGTHS)
    try:
        story.start(pick(rng, family.starts))
    except ValueError:
        return None
    told: set[Scene] = set()
    for _ in range(40):
        room = length - len(story.operations)
        if room == 0:
            return _finish(story)
        scene = pick(rng, family.events)
        if scene in told or (room == 1 and scene.shape.endswith("c×d")):
            continue
        try:
            story.go_on(scene)
        except ValueError:
            continue
        told.add(scene)
    return None


def _finish(story: _Story) -> Problem:
    rng = story.rng
    if chance(rng, ASIDE_SHARE):
        place = between(rng, 1, len(story.sentences))
        story.sentences.insert(place, story.tell(pick(rng, ASIDES), n=between(rng, 5, 90)))
    ask = story.tell(pick(rng, story.family.asks))
    return Problem(
        question=" ".join([*story.sentences, ask]),
        answer=story.amount,
        kind=story.family.kind,
        operations=tuple(story.operations),
        whys=tuple(story.whys),
        subject=str(story.words["things"]),
    )


def problems(seed: int) -> Iterator[Problem]:
    """Problems without end, no question twice in a row of a seed; a prefix never changes."""
    rng = random.Random(seed)
    seen: set[str] = set()
    while True:
        problem = _problem(rng)
        if problem is not None and problem.question not in seen:
            seen.add(problem.question)
            yield problem


def prompt_row(problem: Problem) -> dict[str, str]:
    """What a prompts file says of a problem; the answer is exact text, never a float."""
    return {"question": problem.question, "answer": str(problem.answer), "kind": problem.kind}


def write_prompts(seed: int, count: int) -> str:
    """The text of a prompts file: `count` rows of JSON, one a line."""
    rows = map(prompt_row, islice(problems(seed), count))
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write prompts to a file, or to standard output."""
    parser = argparse.ArgumentParser(description="Make word problems with exact answers.")
    parser.add_argument("--seed", type=int, default=0, help="which problems (default: 0)")
    parser.add_argument("--count", type=int, default=240, help="how many (default: 240)")
    parser.add_argument("-o", "--out", type=Path, help="a jsonl file (default: standard output)")
    options = parser.parse_args(arguments)
    text = write_prompts(options.seed, options.count)
    if options.out is None:
        sys.stdout.write(text)
    else:
        options.out.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
