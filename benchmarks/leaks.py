"""How many leaked prompts are found, how many others are flagged, and how fast; beside open-r1's
rule (eight words in a row, split at spaces, in lower case).

    POLARS_MAX_THREADS=1 python -m benchmarks.leaks [--prompts FILE.jsonl --field question]

Without a file the prompts are made up. With one, a fifth of it plays the evaluation set. Then the
same for what is written: questions in the midst of thinking, and answers of one half of the file
(`--answer`) beside the questions of the other.
"""

import argparse
import json
import random
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl

from benchmarks.made_texts import Texts
from filters.leaked_text import LeaksScorer
from filters.leaks import Questions, leaks
from filters.scorer import Response

TEMPLATE = (
    "Solve this problem. {}\n\nPlease reason step by step, and put the answer in \\boxed{{}}."
)
WORDS = (12, 80)


def made(count: int, seed: int) -> list[str]:
    """Questions of as many words as those of GSM8K have, with numbers among them."""
    texts = Texts(seed)
    found = []
    for _ in range(count):
        words = texts.text(texts.random.randint(*WORDS))
        for place in range(3, len(words), 7):
            words[place] = f"${texts.random.randint(2, 99)} + x$,"
        found.append(" ".join(words).capitalize() + "?")
    return found


def reformatted(text: str, random_: random.Random) -> str:
    """In another case, with other spaces, punctuation and LaTeX, and in a template."""
    text = random_.choice([str.upper, str.lower, str.title])(text)
    text = re.sub(r"[,.?!]", random_.choice(["", " ", " . "]), text)
    text = re.sub(r"\$([^$]*)\$", random_.choice([r"\\(\1\\)", r"\1", r"$$\1$$"]), text)
    return TEMPLATE.format(re.sub(r" ", random_.choice(["  ", "\n", " "]), text))


def edited(text: str, random_: random.Random) -> str:
    """With three words in exchange for others."""
    words = text.split()
    for place in random_.sample(range(len(words)), min(3, len(words))):
        words[place] = random_.choice(["forty", "harbour", "quickly", "7391", "umbrella"])
    return " ".join(words)


def open_r1(questions: Sequence[str]) -> Callable[[str], bool]:
    """Its rule."""

    def grams(text: str) -> set[str]:
        words = text.lower().strip().split()
        return {" ".join(words[i : i + 8]) for i in range(len(words) - 7)}

    known = set().union(*(grams(text) for text in questions))
    return lambda text: not known.isdisjoint(grams(text))


def print_written(kind: str, questions: Sequence[str], rows: Sequence[Response]) -> None:
    """What `leaks` says of responses."""
    scorer = LeaksScorer()
    scorer.compare_with(lambda: {"evaluation": questions})
    scorer(rows[0])
    start = time.perf_counter()
    flagged = sum(score.reason is not None for score in scorer.many(rows))
    rate = len(rows) / (time.perf_counter() - start)
    print(
        f"{kind:28} {len(rows):6,} responses: {flagged / len(rows):8.2%} flagged at {rate:8,.0f}/s"
    )


def print_thinking(questions: Sequence[str]) -> None:
    random_ = random.Random(1)
    around = Texts(2)

    def rows(change: Callable[[str], str], prompt: str = "{}") -> list[Response]:
        changed = map(change, questions)
        told = [" ".join([*around.text(200), one, *around.text(200)]) for one in changed]
        asked = [prompt.format(question) for question in questions]
        return [Response(*both, "Yes.", "stop") for both in zip(asked, told, strict=True)]

    other = "Another question"
    print_written("verbatim in 400 words", questions, rows(str, other))
    print_written("reformatted", questions, rows(lambda text: reformatted(text, random_), other))
    print_written("three words changed", questions, rows(lambda text: edited(text, random_), other))
    print_written("no question", questions, rows(lambda _: "", other))
    print_written("verbatim, of its own prompt", questions, rows(str, TEMPLATE))


def read(path: Path, *fields: str) -> list[list[str]]:
    """The fields of each row, in another order."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    random.Random(0).shuffle(rows)
    return [[row[field] for field in fields] for row in rows]


def print_prompts(questions: Sequence[str], prompts: Sequence[str]) -> None:
    start = time.perf_counter()
    index = Questions({"evaluation": questions})
    print(f"{len(questions):,} questions indexed in {time.perf_counter() - start:.2f} s")
    theirs = open_r1(questions)
    random_ = random.Random(1)
    kinds = {
        "verbatim": questions,
        "reformatted": [reformatted(text, random_) for text in questions],
        "three words changed": [edited(text, random_) for text in questions],
        "not leaked": prompts,
    }
    for kind, own in kinds.items():
        start = time.perf_counter()
        found = leaks(pl.Series(own), index)
        ours = time.perf_counter() - start
        start = time.perf_counter()
        flagged = sum(map(theirs, own))
        other = time.perf_counter() - start
        share = found["prompt.leaked"].sum() / len(own)
        print(
            f"{kind:20} {len(own):6,} prompts: {share:8.2%} flagged at {len(own) / ours:8,.0f}/s; "
            f"open-r1's rule {flagged / len(own):8.2%} at {len(own) / other:8,.0f}/s"
        )
    for text, share, run in (
        leaks(pl.Series(prompts), index)
        .filter("prompt.leaked")
        .select("prompt.leak_text", "prompt.leak_share", "prompt.leak_run")
        .head(5)
        .iter_rows()
    ):
        print(f"  {share:.2f} {run:3} {text}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--prompts", type=Path)
    parser.add_argument("--field", default="question")
    parser.add_argument("--answer", default="answer")
    given = parser.parse_args()
    if given.prompts:
        pairs = read(given.prompts, given.field, given.answer)
        texts = [question for question, _ in pairs]
        half = len(pairs) // 2
        for one, other in ((pairs[:half], pairs[half:]), (pairs[half:], pairs[:half])):
            rows = [Response(question, None, answer, "stop") for question, answer in one]
            print_written("answers, the other half", [question for question, _ in other], rows)
    else:
        texts = made(25_000, 0)
    print_thinking(texts[: len(texts) // 5])
    print_prompts(texts[: len(texts) // 5], texts[len(texts) // 5 :])


if __name__ == "__main__":
    main()
