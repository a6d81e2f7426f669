"""How many leaked prompts are found, how many others are flagged, and how fast; beside open-r1's
rule (eight words in a row, split at spaces, in lower case).

    POLARS_MAX_THREADS=1 python -m benchmarks.leaks [--prompts FILE.jsonl --field question]

Without a file the prompts are made up. With one, a fifth of it plays the evaluation set.
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
from filters.leaks import Questions, leaks

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


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--prompts", type=Path)
    parser.add_argument("--field", default="question")
    given = parser.parse_args()
    if given.prompts:
        lines = given.prompts.read_text(encoding="utf-8").splitlines()
        texts = [json.loads(line)[given.field] for line in lines]
        random.Random(0).shuffle(texts)
    else:
        texts = made(25_000, 0)
    questions, prompts = texts[: len(texts) // 5], texts[len(texts) // 5 :]
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


if __name__ == "__main__":
    main()
