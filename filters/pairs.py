"""Pairs for the output `preference`: two samples of a prompt, of which one is right, the other is
wrong, and that is all that can be told between them."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from filters.choose import NEAR_DUPLICATE, WHERE_NOT_MET, Chooser
from filters.distinct import SIGNATURE, ReadTexts, alike
from filters.groups import GROUP_COLUMNS
from filters.rules import compile_rule
from filters.scored import complete
from schemas.choosing import Pairs
from schemas.errors import RecipeError
from schemas.identity import identity_of

NOT_CHOSEN: Final = (WHERE_NOT_MET, NEAR_DUPLICATE, "trimmed_short", "trimmed_long")
"""Fates of kept samples that `choose` does not want; it may well have had no room for others."""
OF_PROMPT: Final = ("prompt_id", "teacher_id", "domain", "source", "group.pass_rate")
OF_SIDE: Final = (
    "id",
    "sample_index",
    "final_answer",
    "tokens",
    "mean_logprob",
    "text_digest",
    "path",
    "row",
)
CHOSEN: Final = "chosen."
REJECTED: Final = "rejected."
"""Prefixes of a pair's columns: they are those of its two samples."""

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Pairer:
    """The compiled `pairs` of a recipe."""

    per_prompt: int
    length_ratio: float
    distinct: float
    rejected: pl.Expr

    @classmethod
    def compile(cls, pairs: Pairs, columns: Mapping[str, pl.DataType]) -> "Pairer":
        """RecipeError where `rejected` does not fit the columns, or nothing tells what is
        distinct."""
        if SIGNATURE not in columns:
            raise RecipeError(
                "pairs.distinct: compares signatures of samples; add `signature` to `scorers`"
            )
        rejected = (
            pl.lit(True)
            if pairs.rejected is None
            else compile_rule(pairs.rejected, {**columns, **GROUP_COLUMNS}, "pairs.rejected")
        )
        return cls(pairs.per_prompt, pairs.length_ratio, pairs.distinct, rejected)


def pairs_of(
    samples: pl.DataFrame, chooser: Chooser, pairer: Pairer, texts: ReadTexts
) -> pl.DataFrame:
    """The pairs of samples with fates, one a row, by `prompt_id` and the indexes of both samples.

    Right and wrong go by a verifier alone (Pang et al. 2024, arXiv:2404.19733). The right one is
    eligible, kept, complete, and none that `choose` leaves out for what it is; the wrong one is
    eligible, complete, and meets `pairs.rejected`. Their final answers differ by `answer_form`;
    where one has none, as programs have none, their verdicts tell them apart. The longer has at
    most `length_ratio` times the tokens of the shorter, thinking and answer; a sample whose tokens
    are not known, for want of a token for the closing tag, cannot be held to that and is in no
    pair. A sample is in one pair at most, and no two in a prompt's pairs are alike; `texts` are
    read of those that seem to be.

    The right ones take their turns in the order of `choose`, and each takes the free wrong one that
    is nearest in length, since DPO makes much of a difference in length (Park et al. 2024,
    arXiv:2403.19159). Ties go by `id`. One may so take what another one needs: made-up prompts with
    4 to 16 samples had 0 to 1.3 % fewer pairs than there could be.

    The columns are `id`, `OF_PROMPT`, `tokens` (of the prompt and both samples), and those of
    `OF_SIDE` of both, with the prefixes `CHOSEN` and `REJECTED`.
    """
    candidates = _candidates(samples, chooser, pairer)
    edges = _edges(candidates, pairer.length_ratio)
    in_any = np.union1d(edges["chosen"], edges["rejected"]).astype(np.int64)
    near = [in_any[rows] for rows in alike(candidates[in_any], pairer.distinct, texts)]
    taken = _taken(edges, candidates.height, near, pairer.per_prompt)
    return _narrow(candidates, taken)


def _candidates(samples: pl.DataFrame, chooser: Chooser, pairer: Pairer) -> pl.DataFrame:
    """Both sides of the prompts that have both, prompt by prompt: the right ones, the best first,
    then the wrong ones by `id`. `prompt` numbers the prompts, `place` the samples of one."""
    # Who is eligible is judged.
    kept = pl.col("reason").is_null() & ~pl.col("fate").is_in(NOT_CHOSEN)
    known = pl.col("eligible") & (pl.col("tokens") > 0)
    samples = samples.with_columns(tokens=pl.col("reasoning_tokens") + pl.col("answer_tokens"))
    right = samples.filter(known & kept & pl.col("correct") & complete(samples.columns))
    wrong = samples.filter(known & pl.col("wrong") & pairer.rejected)
    right = right.join(wrong, on="prompt_id", how="semi")
    wrong = wrong.join(right, on="prompt_id", how="semi")
    right = right.sort(
        ["prompt_id", *(expression for expression, _ in chooser.order), "id"],
        descending=[False, *(down for _, down in chooser.order), False],
        nulls_last=True,
    )
    sides = [right.with_columns(wrong=False), wrong.sort("prompt_id", "id")]
    columns = {*OF_PROMPT, *OF_SIDE, "prompt_tokens", "answer_form", "wrong", SIGNATURE}
    return (
        pl.concat(side.select(sorted(columns)) for side in sides)
        .sort("prompt_id", "wrong", maintain_order=True)
        .with_columns(
            prompt=pl.col("prompt_id").rle_id(),
            place=pl.int_range(pl.len()).over("prompt_id"),
        )
    )


def _edges(candidates: pl.DataFrame, length_ratio: float) -> pl.DataFrame:
    """Rows of `candidates` that may be a pair, in the order in which they are taken into account:
    the best right ones of all prompts come first, and of each the wrong ones nearest in length."""
    rows = candidates.select("prompt", "place", "tokens", "answer_form", "wrong").with_row_index(
        "row"
    )
    longer, shorter = (
        pl.max_horizontal("tokens", "tokens_wrong"),
        pl.min_horizontal("tokens", "tokens_wrong"),
    )
    return (
        rows.filter(~pl.col("wrong"))
        .join(rows.filter("wrong"), on="prompt", suffix="_wrong")
        .with_columns(ratio=longer / shorter)
        .filter(
            pl.col("ratio") <= length_ratio,
            (pl.col("answer_form") != pl.col("answer_form_wrong")).fill_null(value=True),
        )
        .sort("place", "row", "ratio", "row_wrong")
        .select("prompt", "place", chosen="row", rejected="row_wrong")
    )


def _taken(edges: pl.DataFrame, rows: int, near: list[Rows], per_prompt: int) -> tuple[Rows, Rows]:
    """The edges that become pairs. `near` are rows that are alike, two by two.

    Place by place, of all prompts at once, so that a prompt takes one pair at a time.
    """
    chosen, rejected = (edges[side].to_numpy().astype(np.int64) for side in ("chosen", "rejected"))
    prompt = edges["prompt"].to_numpy()
    one, other = np.concatenate([near[0], near[1]]), np.concatenate([near[1], near[0]])
    apart = ~np.isin(chosen * rows + rejected, one * rows + other)
    paired, shut = np.zeros(rows, bool), np.zeros(rows, bool)
    count = np.zeros(int(prompt.max()) + 1 if len(prompt) else 0, np.int64)
    found = []
    for start, end in _runs(edges["place"].to_numpy()):
        turn = np.arange(start, end)
        free = ~shut[chosen[turn]] & ~shut[rejected[turn]] & (count[prompt[turn]] < per_prompt)
        turn = turn[free & apart[turn]]
        turn = turn[np.diff(chosen[turn], prepend=-1) != 0]  # the nearest of each
        count[prompt[turn]] += 1
        paired[chosen[turn]] = paired[rejected[turn]] = True
        shut |= paired
        shut[other[paired[one]]] = True
        found.append(turn)
    turns = np.concatenate([np.zeros(0, np.int64), *found])
    return chosen[turns], rejected[turns]


def _runs(sorted_values: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    """Where each of the values begins and ends."""
    bounds = [*np.flatnonzero(np.diff(sorted_values, prepend=-1)), len(sorted_values)]
    return list(pairwise(bounds))


def _narrow(candidates: pl.DataFrame, taken: tuple[Rows, Rows]) -> pl.DataFrame:
    sides = [
        candidates[rows].select(pl.col(OF_SIDE).name.prefix(prefix))
        for rows, prefix in zip(taken, (CHOSEN, REJECTED), strict=True)
    ]
    of_prompt = candidates[taken[0]].select(*OF_PROMPT, "prompt_tokens")
    pairs = pl.concat([of_prompt, *sides], how="horizontal")
    lengths = ("prompt_tokens", f"{CHOSEN}tokens", f"{REJECTED}tokens")
    tokens = pl.sum_horizontal(pl.col(lengths).cast(pl.Int64))
    return pairs.select(
        _ids(pairs),
        *OF_PROMPT,
        tokens.alias("tokens"),
        pl.col(sides[0].columns + sides[1].columns),
    ).sort("prompt_id", f"{CHOSEN}sample_index", f"{REJECTED}sample_index")


def _ids(pairs: pl.DataFrame) -> pl.Series:
    """Identities of both samples' ids, whose JSON is put together in columns as those of samples
    are."""
    key = pl.format('["{}","{}"]', f"{CHOSEN}id", f"{REJECTED}id")
    keys = pairs.select(key).to_series()
    return pl.Series("id", [identity_of("d", key) for key in keys], dtype=pl.String)
