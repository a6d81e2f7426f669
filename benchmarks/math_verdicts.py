"""Verdicts on answers a second: ours against math-verify's own, and what a hang costs the others.

    python -m benchmarks.math_verdicts [--rows 600]

On a mix of answers as models give them (integers, fractions, surds, polynomials, points, intervals,
words), half of them right, both in one process and in turn. Where the verdicts differ, both are
shown: the label is known, since each answer was made from its reference. Then 50 answers that hang
among 5,000 sound ones, through the process that can be killed.
"""

import argparse
import logging
import random
import statistics
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from filters.equivalence import equivalent
from filters.scorer import Response
from filters.scorers import SCORERS
from jobs.guarded import guarded

ROUNDS = 3
HANGS = [
    r"9^{9^{9^{9}}}",
    r"2^{2^{33}}",
    r"(x+y+z+w)^{200}",
    r"\binom{10^6}{5\cdot10^5}",
    r"\sum_{k=1}^{10^9} k^k",
]
Pair = tuple[str, str, bool]


def integer(rng: random.Random) -> Pair:
    number = rng.randint(-10_000, 10_000)
    right = rng.random() < 0.5
    return str(number), str(number if right else number + rng.randint(1, 9)), right


def fraction(rng: random.Random) -> Pair:
    top, bottom, times = rng.randint(1, 60), rng.randint(2, 60), rng.randint(1, 3)
    right = rng.random() < 0.5
    other = top * times if right else top * times + 1
    return rf"\frac{{{top}}}{{{bottom}}}", rf"\frac{{{other}}}{{{bottom * times}}}", right


def surd(rng: random.Random) -> Pair:
    factor, radicand = rng.randint(2, 9), rng.choice([2, 3, 5, 6, 7])
    right = rng.random() < 0.5
    inside = factor**2 * radicand + (0 if right else 1)
    return rf"{factor}\sqrt{{{radicand}}}", rf"\sqrt{{{inside}}}", right


def polynomial(rng: random.Random) -> Pair:
    a, b = rng.randint(1, 9), rng.randint(1, 9)
    right = rng.random() < 0.5
    return f"x^2+{a + b}x+{a * b}", f"(x+{a})(x+{b if right else b + 1})", right


def point(rng: random.Random) -> Pair:
    x, y = rng.randint(-20, 20), rng.randint(-20, 20)
    right = rng.random() < 0.5
    return f"({x},{y})", f"({x}, {y if right else y + 1})", right


def interval(rng: random.Random) -> Pair:
    low = rng.randint(-20, 20)
    right = rng.random() < 0.5
    high = low + rng.randint(1, 9)
    return f"[{low},{high})", rf"\left[{low}, {high if right else high + 1}\right)", right


def word(rng: random.Random) -> Pair:
    one, other = rng.sample(["Tuesday", "blue", "Evelyn", "even", "ellipse"], 2)
    right = rng.random() < 0.5
    return rf"\text{{{one}}}", one if right else other, right


MIX: list[tuple[Callable[[random.Random], Pair], float]] = [
    (integer, 0.55),
    (fraction, 0.12),
    (surd, 0.08),
    (polynomial, 0.07),
    (point, 0.06),
    (interval, 0.04),
    (word, 0.08),
]


def typical(rows: int, seed: int) -> list[Pair]:
    rng = random.Random(seed)
    makers, weights = zip(*MIX, strict=True)
    return [make(rng) for make in rng.choices(makers, weights, k=rows)]


def math_verify(gold: str, answer: str) -> bool:
    from math_verify import parse, verify

    return bool(verify(parse(f"${gold}$"), parse(rf"$\boxed{{{answer}}}$")))


def ours(gold: str, answer: str) -> bool:
    return equivalent(gold, answer) is True


def timed(judge: Callable[[str, str], bool], pairs: list[Pair]) -> tuple[float, list[bool]]:
    """Rows a second, and the verdicts."""
    started = time.perf_counter()
    verdicts = [judge(gold, answer) for gold, answer, _ in pairs]
    return len(pairs) / (time.perf_counter() - started), verdicts


def compare_rates(rows: int) -> None:
    rates: dict[str, list[float]] = {"math-verify": [], "ours": []}
    wrong = dict.fromkeys(rates, 0)
    for seed in range(ROUNDS):
        pairs = typical(rows, seed)
        # In turn, on fresh pairs each time: both remember what they have parsed.
        for name, judge in (("math-verify", math_verify), ("ours", ours)):
            rate, verdicts = timed(judge, pairs)
            rates[name].append(rate)
            for (gold, answer, label), verdict in zip(pairs, verdicts, strict=True):
                if verdict != label:
                    wrong[name] += 1
                    print(f"{name} is wrong: {gold} / {answer}: {verdict}")
    medians = {name: statistics.median(found) for name, found in rates.items()}
    print(f"\n{ROUNDS} rounds of {rows} pairs, median rows/s: {medians}")
    print(f"ratio {medians['ours'] / medians['math-verify']:.1f}; wrong verdicts: {wrong}")
    rng = random.Random(0)
    exact = [integer(rng) if rng.random() < 0.8 else fraction(rng) for _ in range(20_000)]
    print(f"integers and fractions: {timed(ours, exact)[0]:,.0f} rows/s")
    through_processes(responses(exact))


def responses(pairs: Iterable[Pair]) -> list[Response]:
    return [
        Response("q", None, rf"\boxed{{{answer}}}", "stop", reference=gold)
        for gold, answer, _ in pairs
    ]


def hang(sound: int, hangs: int) -> None:
    rows = responses(typical(sound, 7))
    score = guarded(SCORERS["math"]())
    undisturbed = [verdict.verdict for verdict in score(rows)]
    every = sound // hangs
    hostile = list(rows)
    for number in reversed(range(hangs)):
        hostile[number * every : number * every] = responses([("7", HANGS[number % 5], False)])
    started = time.perf_counter()
    disturbed = [verdict.verdict for verdict in score(hostile)]
    took = time.perf_counter() - started
    others = [verdict for place, verdict in enumerate(disturbed) if place % (every + 1)]
    changed = sum(a != b for a, b in zip(undisturbed, others, strict=True))
    print(f"{hangs} hangs among {sound:,}: {took:.0f} s, {changed} other verdicts changed")
    score.close()


def through_processes(rows: list[Response]) -> None:
    """As scorer workers and annotate do it."""
    for processes in (1, 2):
        score = guarded(SCORERS["math"](), processes)
        batches = [rows[start : start + 256] for start in range(0, len(rows), 256)]
        with ThreadPoolExecutor(processes) as pool:
            list(pool.map(score, batches[: 2 * processes]))
            started = time.perf_counter()
            list(pool.map(score, batches))
        rate = len(rows) / (time.perf_counter() - started)
        print(f"through {processes} processes that can be killed: {rate:,.0f} rows/s")
        score.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=600)
    options = parser.parse_args()
    logging.getLogger("math_verify").setLevel(logging.ERROR)
    compare_rates(options.rows)
    hang(5000, 50)


if __name__ == "__main__":
    main()
