"""A report of samples that nobody drew, with everything that a report may have."""

import random
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from filters.choose import PUBLISHED
from filters.survivorship import added_up, drawn_counts, published_counts
from jobs.report.report import Report
from schemas.manifest import Cut, Manifest

FATES = (
    "published",
    "not_correct",
    "not_finished",
    "beyond_per_prompt",
    "surplus",
    "not_readable",
    "near_duplicate",
)
SOURCES = {"gsm8k": "math", "competition": "math", "small-programs": "code"}
THOUGHT = (
    "Okay, so I need to work this out carefully.",
    "Let me write the sum as \\(a + b\\) with \\(a = %d\\) and \\(b = %d\\).",
    "Wait, is that right? Let me check it again by taking the tens first.",
    "First \\[ \\sum_{k=1}^{%d} k = \\frac{n(n+1)}{2}, \\] so half of %d times the next number.",
    "Hmm, another way: subtract one from the first and add it to the second.",
    "Alternatively, think of $x^2 - %dx + %d = 0$ and factor it by hand.",
    "That would cost $%d and $%d, which is not what was asked.",
    "So the ones give %d, and carrying over the rest leaves %d.",
    "In code that would be `total = %d + %d`, which is the same thing.",
    "I should double-check the carry, since that is where mistakes hide.",
)
WORDS = (
    *("number", "value", "carry", "digit", "column", "result", "because", "therefore", "maybe"),
    *("check", "again", "perhaps", "total", "part", "remaining", "difference", "product", "whole"),
    *("equation", "simply", "half", "twice", "first", "second", "third", "answer", "given"),
    *("problem", "statement", "careful", "mistake", "compute", "evaluate", "assume", "suppose"),
)


def manifest(samples: pl.DataFrame, **facts: Any) -> Manifest:
    """Of these samples; keywords are fields of it."""
    counts = samples["fate"].value_counts(sort=True)
    chosen = samples.filter("published")
    tokens = pl.col("reasoning_tokens") + pl.col("answer_tokens")
    per_prompt = samples.with_columns(
        pl.col("pass_rate").alias("group.pass_rate"), correct=pl.col("kept")
    )
    given: dict[str, Any] = {
        "name": "sums",
        "version": "v0002",
        "content_digest": "c1_0f3e",
        "files": (),
        "rows": {
            "sft": chosen.height,
            "preference": chosen.height // 3,
            "rl": samples["prompt_id"].n_unique(),
        },
        "prompts": chosen["prompt_id"].n_unique(),
        "funnel": dict(counts.iter_rows()),
        "cut": Cut(tables={}, prompts="l", recipe="e", code="c"),
        "recipe": {
            "name": "sums",
            "sampling": {"max_tokens": 32768, "temperature": 0.6, "top_p": 0.95},
            "keep": {"correct": "correct", "finished": "format.complete"},
            "price": {"gpu_hour": 2.5},
        },
        "teacher": {"id": "t1_aaaa", "name": "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B"},
        "scorers": {"math": "s1_a", "format": "s1_b"},
        "unsettled": 3,
        "survivorship": added_up(
            [
                drawn_counts(per_prompt),
                published_counts(per_prompt.filter("published")),
            ]
        ),
        "provenance": {
            "created_at": "2026-01-02T03:04:05+00:00",
            "attempts": ["a000001"],
            "cost": {"tokens": 9_100_000, "gpu_hours": 41.5, "usd": 103.75},
            "tokens": int(samples.select(tokens.sum()).item() or 0),
            "tokens_published": int(chosen.select(tokens.sum()).item() or 0),
        },
    }
    return Manifest(**{**given, **facts})


def report(
    prompts: int = 40, per_prompt: int = 6, words: int = 120, seed: int = 0, **facts: Any
) -> Report:
    """Of so many prompts; `words` is about how long a sample's thinking is."""
    chance = random.Random(seed)
    rows = [row for number in range(prompts) for row in _samples(chance, number, per_prompt, words)]
    return report_of(rows, **facts)


def report_of(rows: Sequence[Mapping[str, Any]], **facts: Any) -> Report:
    """Of these samples, whose missing columns are null."""
    samples = frame(rows)
    made = manifest(samples, **facts)
    earlier = made.model_copy(
        update={
            "version": "v0001",
            "rows": {"sft": max(made.rows.get("sft", 0) - 9, 0)},
            "prompts": max(made.prompts - 4, 0),
            "funnel": {fate: max(count - 7, 0) for fate, count in made.funnel.items()},
            "provenance": {**made.provenance, "tokens": 400_000},
        }
    )
    return Report(
        manifest=made,
        before=earlier,
        scores=scores_of(samples),
        tokens=tokens_of(samples),
        teachers=teachers_of(samples),
        samples=samples,
    )


def frame(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """The samples of a report, with the columns of its contract."""
    kinds: dict[str, Any] = {
        **dict.fromkeys(("prompt_id", "domain", "source", "prompt", "reference"), pl.String),
        "pass_rate": pl.Float64,
        "sample_index": pl.Int64,
        "fate": pl.String,
        "kept": pl.Boolean,
        "published": pl.Boolean,
        "finish_reason": pl.String,
        "reasoning_tokens": pl.Int64,
        "answer_tokens": pl.Int64,
        **dict.fromkeys(("final_answer", "reasoning", "answer", "failure"), pl.String),
        "math.verdict": pl.String,
        "math.reason": pl.String,
        "math.correct": pl.Boolean,
        "format.complete": pl.Boolean,
        "language.share": pl.Float64,
        "repetition.share": pl.Float64,
        "judge.value": pl.Float64,
    }
    return pl.DataFrame(
        [{name: row.get(name) for name in kinds} for row in rows], schema=kinds, orient="row"
    )


def scores_of(samples: pl.DataFrame) -> pl.DataFrame:
    """`Report.scores` of them."""
    columns = ("language.share", "repetition.share", "judge.value", "format.complete")
    return pl.concat(
        samples.select(
            column=pl.lit(name), value=pl.col(name).cast(pl.Float64).round_sig_figs(2), kept="kept"
        )
        .drop_nulls()
        .group_by("column", "value", "kept")
        .agg(samples=pl.len().cast(pl.Int64))
        for name in columns
    ).sort("column", "value", "kept")


def tokens_of(samples: pl.DataFrame) -> dict[str, int]:
    """`Report.tokens` of them."""
    tokens = (pl.col("reasoning_tokens") + pl.col("answer_tokens")).sum()
    return dict(samples.group_by("fate").agg(tokens).sort("fate").iter_rows())


def teachers_of(samples: pl.DataFrame) -> pl.DataFrame:
    """`Report.teachers` of them, beside one that needs more tokens."""
    own = {
        "teacher": "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B",
        "teacher_id": "t1_aaaa",
        "prompts": samples["prompt_id"].n_unique(),
        "solved": samples.filter("kept")["prompt_id"].n_unique(),
        "samples": samples.height,
        "kept": int(samples["kept"].sum()),
        "tokens": sum(tokens_of(samples).values()),
    }
    other = {
        "teacher": "Qwen/QwQ-32B",
        "teacher_id": "t1_bbbb",
        "prompts": 20,
        "solved": 19,
        "samples": 160,
        "kept": 121,
        "tokens": 1_400_000,
    }
    return pl.DataFrame([own, other])


def _samples(
    chance: random.Random, number: int, per_prompt: int, words: int
) -> list[dict[str, Any]]:
    source = chance.choice([*SOURCES])
    first, second = chance.randint(10, 999), chance.randint(10, 999)
    rate = chance.choice([0.0, 0.25, 0.5, 0.75, 1.0, 1.0])
    prompt = {
        "prompt_id": f"p1_{chance.getrandbits(120):030x}",
        "domain": SOURCES[source],
        "source": source,
        "prompt": f"What is {first} + {second}?\n\nPlease reason step by step, and put your final "
        "answer within \\boxed{}.",
        "reference": str(first + second),
        "pass_rate": rate,
    }
    rows = []
    for index in range(per_prompt):
        right = chance.random() < rate
        fate = (
            chance.choice(("published", "published", "beyond_per_prompt", "surplus"))
            if right
            else chance.choice(("not_correct", "not_correct", "not_finished", "not_readable"))
        )
        answer = first + second if right else first + second + chance.choice((-10, 10, 1))
        rows.append({**prompt, **_sample(chance, index, fate, answer, words)})
    return rows


def _sample(
    chance: random.Random, index: int, fate: str, answer: int, words: int
) -> dict[str, Any]:
    cut = fate == "not_finished"
    right = fate in ("published", "beyond_per_prompt", "surplus", "near_duplicate")
    length = max(int(chance.lognormvariate(0, 0.6) * words), 12)
    if chance.random() < 0.02:
        failed = {"fate": "failed", "failure": "engine: out of memory", "finish_reason": None}
        return {"sample_index": index, "kept": False, "published": False, **failed}
    return {
        "sample_index": index,
        "fate": fate,
        "kept": right,
        "published": fate == PUBLISHED,
        "finish_reason": "length" if cut else "stop",
        "reasoning_tokens": int(length * 1.4),
        "answer_tokens": 0 if cut else 42,
        "final_answer": None if cut else str(answer),
        "reasoning": _thoughts(chance, length),
        "answer": None
        if cut
        else "**Step 1.** Add the ones.\n\n**Step 2.** Add the tens and the carry.\n\n"
        f"The sum is\n\\[\n\\boxed{{{answer}}}\n\\]",
        "math.verdict": "unparsable" if cut else "true" if right else "false",
        "math.reason": "no_final_answer" if cut else None if right else "wrong",
        "math.correct": None if cut else right,
        "format.complete": not cut,
        "language.share": round(min(1.0, chance.gauss(0.98 if right else 0.93, 0.03)), 2),
        "repetition.share": round(abs(chance.gauss(0.02 if right else 0.08, 0.05)), 3),
        "judge.value": float(chance.choice((7, 8, 9, 9) if right else (2, 3, 5, 6))),
    }


def _thoughts(chance: random.Random, words: int) -> str:
    said: list[str] = []
    count = 0
    while count < words:
        if chance.random() < 0.4:
            sentence = chance.choice(THOUGHT)
            holes = sentence.count("%d")
            sentence %= tuple(chance.randint(2, 99) for _ in range(holes))
        else:
            picked = chance.choices(WORDS, k=chance.randint(6, 18))
            sentence = f"{' '.join(picked).capitalize()} {chance.randint(1, 9999)}."
        said.append(sentence)
        count += len(sentence.split())
    return "".join(
        sentence + ("\n\n" if place % 4 == 3 else " ") for place, sentence in enumerate(said)
    )
