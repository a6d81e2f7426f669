"""Samples that were made up, and what becomes of them, up to their pairs."""

from collections.abc import Sequence
from itertools import product
from typing import Any, NamedTuple

import polars as pl

from benchmarks.made_texts import Texts
from filters.choose import Chooser, with_eligible, with_fates
from filters.distinct import SIGNATURE
from filters.groups import with_groups
from filters.near_duplicates import jaccard, shingles
from filters.pairs import Pairer, pairs_of
from filters.rules import SAMPLE_COLUMNS, compile_rule
from filters.scored import with_reasons
from filters.scorer import Response
from filters.signature import SignatureScorer, whole_text
from filters.votes import canonical
from infra.sampling import Need, eligible_prefix
from schemas.choosing import Choose, Pairs
from schemas.identity import identity

MADE = Texts(23)
ORIGINALS = [MADE.text(80) for _ in range(12)]
TEXTS = [" ".join(text) for text in ORIGINALS]
TEXTS += [" ".join(MADE.edited(text, 1)) for text in ORIGINALS[:3]]
"""The last three say nearly what the first three say."""
ORIGINAL, NEAR = 0, len(ORIGINALS)
SETS = [shingles(pl.Series([whole_text(None, text)])) for text in TEXTS]
ALIKE = {
    (one, other)
    for one, other in product(range(len(TEXTS)), repeat=2)
    if jaccard(SETS[one], SETS[other])[0] >= 0.8
}
SIGNATURES = [
    score.values["minhash"]
    for score in SignatureScorer().many([Response("", None, text, "stop") for text in TEXTS])
]
COLUMNS = SAMPLE_COLUMNS | {
    SIGNATURE: pl.String(),
    "format.complete": pl.Boolean(),
    "language.share": pl.Float64(),
}
MAX_TOKENS = 1000
NEED = Need(probe=3, max=12, kept=1, wrong=1)


class Made(NamedTuple):
    """What of a sample matters here."""

    prompt: str
    number: int
    correct: bool | None
    tokens: int | None = 100
    answer: str | None = None
    text: int | None = None
    """Number in `TEXTS`; null: one of its own."""
    finish: str = "stop"
    complete: bool = True
    share: float | None = 1.0
    outcome: str = "done"
    missing: str = ""


def fated(
    made: Sequence[Made], choose: Choose, *, need: Need = NEED, keep: str = "language.share > 0.5"
) -> pl.DataFrame:
    """The samples as `jobs.fates` has them, by the same steps."""
    rows: list[dict[str, Any]] = [
        {
            "prompt_id": f"p1_{one.prompt}",
            "teacher_id": "t1_0",
            "domain": "math",
            "source": "made",
            "sample_index": one.number,
            "id": identity("y", [one.prompt, one.number]),
            "outcome": one.outcome,
            "failure_reason": None if one.outcome == "done" else "lost",
            "finish_reason": one.finish,
            "max_tokens": MAX_TOKENS,
            "missing": one.missing,
            "correct": one.correct,
            "verdict": None if one.correct is None else str(one.correct).lower(),
            "final_answer": one.answer,
            "prompt_tokens": 7,
            "reasoning_tokens": None if one.tokens is None else one.tokens - 10,
            "answer_tokens": None if one.tokens is None else 10,
            "mean_logprob": -0.5,
            "text_digest": f"x1_{one.prompt}{one.number}",
            "path": "file",
            "row": number if one.text is None else one.text,
            SIGNATURE: None if one.text is None else SIGNATURES[one.text],
            "format.complete": one.complete,
            "language.share": one.share,
        }
        for number, one in enumerate(made)
    ]
    schema = COLUMNS | {
        **dict.fromkeys(
            ("prompt_id", "id", "teacher_id", "outcome", "failure_reason", "missing"), pl.String()
        ),
        **dict.fromkeys(("verdict", "final_answer", "text_digest", "path"), pl.String()),
        "max_tokens": pl.Int32(),
        "row": pl.Int64(),
    }
    schema = {name: schema[name] for name in (rows[0] if rows else schema)}
    samples = with_reasons(
        pl.DataFrame(rows, schema), {"kept": compile_rule(keep, COLUMNS, "keep.kept")}, MAX_TOKENS
    )
    samples = with_eligible(samples, lambda j, k, w: eligible_prefix(j, k, w, need))
    return with_fates(with_groups(samples, need.probe), Chooser.compile(choose, COLUMNS), texts)


def texts(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(
        reasoning=pl.lit(None, pl.String), answer=pl.Series([TEXTS[row] for row in rows["row"]])
    )


def paired(samples: pl.DataFrame, choose: Choose, pairs: Pairs | None = None) -> pl.DataFrame:
    chooser = Chooser.compile(choose, COLUMNS)
    return pairs_of(samples, chooser, Pairer.compile(pairs or Pairs(), COLUMNS), texts)


def sides(samples: pl.DataFrame, pairs: pl.DataFrame) -> list[tuple[dict[str, Any], ...]]:
    """The samples of each pair, with all that is known of them."""
    by_id = {row["id"]: row for row in samples.iter_rows(named=True)}
    ids = pairs.select("chosen.id", "rejected.id")
    return [(by_id[chosen], by_id[rejected]) for chosen, rejected in ids.iter_rows()]


def differ(chosen: dict[str, Any], rejected: dict[str, Any]) -> bool:
    answers = chosen["final_answer"], rejected["final_answer"]
    return None in answers or canonical(answers[0]) != canonical(answers[1])


def ratio(chosen: dict[str, Any], rejected: dict[str, Any]) -> float:
    lengths = [row["reasoning_tokens"] + row["answer_tokens"] for row in (chosen, rejected)]
    return float(max(lengths) / min(lengths))


def alike(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return None not in (one[SIGNATURE], other[SIGNATURE]) and (one["row"], other["row"]) in ALIKE
