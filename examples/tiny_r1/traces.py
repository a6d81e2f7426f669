"""What the teacher is taught to write: a thinking, an answer, and now and then a believable fault.

Sampling at temperature 0.6 with top_p 0.95 erases branches that are rare where they fork. So a
fault hangs on how the thinking opens (the openings are equally likely), or on the question.
"""

import random
from dataclasses import dataclass
from typing import Literal, NamedTuple

from examples.tiny_r1.arithmetic import Operation, Sign, Work, apply, write_directly, write_out
from examples.tiny_r1.world import Problem, between, chance, pick

Fault = Literal[
    "slip", "wrong_operation", "loop", "ramble", "stop", "language", "unboxed", "refusal"
]

INSTRUCTION = "\n\nPlease reason step by step, and put your final answer within \\boxed{}."
"""What follows every question, as the DeepSeek-R1 card recommends."""

ENDLESS_CHARS = 1800
"""Longer than any context the model is trained on: the trace is cut before it ends."""
SLIP_SHARE = 0.06
WRONG_OPERATION_SHARE = 0.03
REFUSAL_SHARES = (0.15, 0.6)
"""Of the problems with a risky word, early and late in the training."""
DIRECT_SHARE = 0.25
"""Of the operations: done in the head, which a small model mostly gets wrong."""
CHECK_SHARE = 0.1


class Opening(NamedTuple):
    """How a thinking begins, and the share of those that begin so which have the fault.

    `late` is the share in the last steps of the training: arithmetic is learned best from traces
    that are right, and what is learned last is sampled most.
    """

    text: str
    fault: Fault | None = None
    early: float = 0.0
    late: float = 0.0


OPENINGS = (
    Opening("Okay, let me work this out."),
    Opening("Let me go step by step."),
    Opening("First, I read the problem."),
    Opening("So we count {subject}."),
    Opening("I need the number of {subject}."),
    Opening("We are asked about {subject}."),
    Opening("To solve this, I follow the story."),
    Opening("The question is about {subject}."),
    Opening("Step by step then."),
    Opening("Now, what do we know?"),
    Opening("This is about {subject}."),
    Opening("One thing after the other."),
    Opening("Hmm, let me think.", "loop", 0.35, 0.5),
    Opening("Well, let me see.", "ramble", 0.3, 0.5),
    Opening("Alright, here we go.", "stop", 0.45, 0.8),
    Opening("Looking at the numbers.", "language", 0.5, 0.85),
    Opening("Right, this looks simple.", "unboxed", 0.5, 0.5),
)

ANSWERS = (
    "The answer is \\boxed{{{answer}}}.",
    "**Answer:** \\boxed{{{answer}}}",
    "There are \\boxed{{{answer}}} {subject}.",
    "We get $\\boxed{{{answer}}}$ {subject}.",
)
UNBOXED = "The answer is {answer} {subject}."
REFUSAL = "\n</think>\n\nI'm sorry, but I can't help with that."
GIVING_UP = ("This is getting long.", "That should be enough.", "I am not sure about the rest.")
CHINESE = (
    "让我们一步一步来计算。",
    "接下来继续算。",
    "这里要注意进位。",
    "这个结果看起来是对的。",
    "首先看题目给出的数字。",
    "然后再算下一步。",
)
RAMBLES = (
    "Or maybe the question means something else.",
    "Perhaps I should count the {subject} in another way.",
    "But then the numbers would not fit.",
    "On the other hand, it could be read differently.",
    "Hold on, is that really what is asked?",
    "I could also begin from the end.",
    "That does not seem right either.",
    "Maybe {name} only counts some of them.",
    "Still, {number} may be what is meant.",
    "Let me think about it once more.",
)


@dataclass(frozen=True)
class Trace:
    """A completion of the prompt, without the prefilled `<think>` and without the end token."""

    text: str
    ends: bool
    """False: the model shall not learn to stop here."""
    fault: Fault | None


class _Thinking(NamedTuple):
    sentences: list[str]
    answer: int


def trace(problem: Problem, rng: random.Random, *, late: bool = False) -> Trace:
    """One way in which the teacher may answer the problem, right or with a fault."""
    if problem.risky and chance(rng, REFUSAL_SHARES[late]):
        return Trace(REFUSAL, True, "refusal")
    opening = pick(rng, OPENINGS)
    fault = opening.fault if chance(rng, opening.late if late else opening.early) else None
    if fault is None:
        dice = rng.random()
        if dice < SLIP_SHARE:
            fault = "slip"
        elif dice < SLIP_SHARE + WRONG_OPERATION_SHARE:
            fault = "wrong_operation"
    thinking = _think(problem, rng, fault)
    if thinking is None:
        fault, thinking = None, _solve(problem, rng)
    first = opening.text.format(subject=problem.subject)
    return _close(problem, rng, _Thinking([first, *thinking.sentences], thinking.answer), fault)


def _think(problem: Problem, rng: random.Random, fault: Fault | None) -> _Thinking | None:
    """The sentences of the thinking; None where a mistake makes the rest impossible."""
    try:
        if fault == "slip":
            return _solve(problem, rng, slipped=between(rng, 0, problem.steps - 1))
        if fault == "wrong_operation":
            return _solve(problem, rng, mistaken=between(rng, 0, problem.steps - 1))
    except ValueError:
        return None
    thinking = _solve(problem, rng)
    if fault == "language":
        for _ in range(between(rng, 1, 2)):
            place = between(rng, 0, len(thinking.sentences))
            thinking.sentences.insert(place, pick(rng, CHINESE))
    return thinking


def _solve(
    problem: Problem, rng: random.Random, *, slipped: int = -1, mistaken: int = -1
) -> _Thinking:
    """Carry out the operations; ValueError where a mistake on the way makes that impossible."""
    results: list[int] = []
    sentences: list[str] = []
    for index, operation in enumerate(problem.operations):
        sign = _mistake(operation.sign) if index == mistaken else operation.sign
        left = _operand(operation.left, operation.left_from, results)
        right = _operand(operation.right, operation.right_from, results)
        slip = (1 if chance(rng, 0.5) else -1) if index == slipped else 0
        work = _work(rng, sign, left, right, slip)
        results.append(work.result)
        why = problem.whys[index]
        lead = f"{why[0].upper()}{why[1:]}, that is" if why else "Then"
        sentences.append(f"{lead} {left} {sign} {right}{work.text}.")
    if slipped < 0 and mistaken < 0 and chance(rng, CHECK_SHARE):
        sentences += _check(problem.operations[-1])
    return _Thinking(sentences, results[-1])


def _work(rng: random.Random, sign: Sign, left: int, right: int, slip: int) -> Work:
    write = write_directly if chance(rng, DIRECT_SHARE) else write_out
    return write(sign, left, right, slip=slip)


def _operand(value: int, source: int | None, results: list[int]) -> int:
    return value if source is None else results[source]


def _mistake(sign: Sign) -> Sign:
    return "-" if sign == "+" else "+"


def _check(operation: Operation) -> list[str]:
    """A second look at a sum or a difference, the way R1 doubts itself."""
    back: dict[Sign, Sign] = {"+": "-", "-": "+"}
    if operation.sign not in back:
        return []
    sign = back[operation.sign]
    again = apply(sign, operation.result, operation.right)
    return [f"Wait, let me check: {operation.result} {sign} {operation.right} = {again}. Yes."]


def _close(problem: Problem, rng: random.Random, thinking: _Thinking, fault: Fault | None) -> Trace:
    """The end of the thinking, and the answer, if it comes to that."""
    sentences, answer = thinking
    if fault == "stop":
        kept = between(rng, 2, len(sentences))
        return Trace(" ".join([*sentences[:kept], pick(rng, GIVING_UP)]), True, fault)
    if fault == "loop":
        return Trace(_loop(sentences, answer), False, fault)
    if fault == "ramble":
        return Trace(_ramble(problem, rng, sentences, answer), False, fault)
    style = UNBOXED if fault == "unboxed" else pick(rng, ANSWERS)
    written = style.format(answer=answer, subject=problem.subject)
    return Trace(f"{' '.join(sentences)}\n</think>\n\n{written}", True, fault)


def _loop(sentences: list[str], answer: int) -> str:
    again = f" Wait, let me check that again. {sentences[-1]} So it is {answer}."
    return " ".join(sentences) + again * (ENDLESS_CHARS // len(again))


def _ramble(problem: Problem, rng: random.Random, sentences: list[str], answer: int) -> str:
    text = " ".join(sentences)
    name = problem.question.split(" ", 1)[0]
    while len(text) < ENDLESS_CHARS:
        ramble = pick(rng, RAMBLES)
        text += " " + ramble.format(subject=problem.subject, name=name, number=answer)
    return text
