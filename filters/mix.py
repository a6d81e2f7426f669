"""What the `sft` rows consist of: which prompts of each stratum are taken, by their hash.

A stratum's prompts are taken in the order of `prompt_id`, which is the order of a hash, until its
quota is filled. So a quota that grows adds rows and takes none away.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, Literal, NamedTuple

import polars as pl

from filters.choose import PUBLISHED
from filters.groups import GROUP_COLUMNS, tokens_or_guess
from filters.quotas import amounts, amounts_within, seats, seats_within
from filters.rules import compile_rule
from schemas.choosing import Mix
from schemas.errors import RecipeError

BEYOND_MIX = "beyond_mix"
"""Of a stratum whose quota is filled."""
IN_NO_STRATUM = "in_no_stratum"
OF_ONE_SAMPLE: Final = frozenset(["group.length_rank", "group.agrees"])
OF_A_PROMPT: Final = frozenset(["domain", "source", *GROUP_COLUMNS]) - OF_ONE_SAMPLE
"""Columns that are the same for all samples of a prompt."""


@dataclass(frozen=True)
class Mixer:
    """The compiled `mix` of a recipe."""

    measure: Literal["rows", "tokens"]
    total: int | None
    names: tuple[str, ...]
    where: tuple[pl.Expr, ...]
    shares: tuple[Fraction, ...]
    """With 1 as their sum; empty where strata have none."""
    most: tuple[int | None, ...]

    @classmethod
    def compile(cls, mix: Mix, columns: Mapping[str, pl.DataType]) -> "Mixer":
        """RecipeError where a stratum's `where` does not fit the columns (those of
        `filters.rules.rule_columns`), or uses one in which the samples of a prompt may differ."""
        strata = mix.strata.values()
        # As they are written: the binary fraction that is nearest to 0.1 is another share.
        shares = [Fraction(str(one.share)) for one in strata if one.share is not None]
        return cls(
            mix.measure,
            mix.total,
            tuple(mix.strata),
            tuple(_compiled(name, one.where, columns) for name, one in mix.strata.items()),
            tuple(share / sum(shares) for share in shares),
            tuple(one.most for one in strata),
        )

    @property
    def stratum(self) -> pl.Expr:
        """The number of the first stratum that fits, null where none does. Of samples with
        `filters.groups.GROUP_COLUMNS`; the same for all samples of a prompt."""
        fits = [
            pl.when(where).then(pl.lit(number, pl.Int32)) for number, where in enumerate(self.where)
        ]
        return pl.coalesce(fits)


def _compiled(name: str, where: str, columns: Mapping[str, pl.DataType]) -> pl.Expr:
    field = f"mix.strata.{name}.where"
    rule = compile_rule(where, {**columns, **GROUP_COLUMNS}, field)
    if differing := sorted({*rule.meta.root_names()} - OF_A_PROMPT):
        raise RecipeError(
            f"{field}: {where!r} uses {', '.join(differing)}, in which the samples of a prompt may "
            "differ, and a prompt is in one stratum with all of them. Columns: "
            f"{', '.join(sorted(OF_A_PROMPT))}"
        )
    return rule


class Mixed(NamedTuple):
    """What of the published samples stays."""

    allowed: pl.DataFrame
    """Of each prompt with any, in their order: `prompt_id`, how many of them, by their rank, are
    `allowed` to stay, and the fate of those `beyond`."""
    report: dict[str, Any]
    """JSON values: `measure`, in which all numbers are; `limited_by`, the stratum with too few for
    a larger total at these shares, null where the recipe has no shares, or a `total` that they are
    of; of each of the `strata` what is `wanted`, `available` and `taken`, and whether the stratum
    has what is wanted and may give it (`met`). Of tokens less may be taken although it is met: the
    next prompt would have been too much."""
    left_out: Mapping[str, int]
    """How many samples get each of the two fates."""


def rows_in_strata(samples: pl.DataFrame, mixer: Mixer) -> pl.DataFrame:
    """What a mix has to know of each prompt with published samples: `prompt_id`, `stratum`, and how
    many `rows` and `tokens` they are. `samples` have what `with_fates` and `with_groups` add."""
    return (
        samples.lazy()
        .filter(pl.col("fate") == PUBLISHED)
        .group_by("prompt_id")
        .agg(
            stratum=mixer.stratum.first(),
            rows=pl.len().cast(pl.Int64),
            tokens=tokens_or_guess().cast(pl.Int64).sum(),
        )
        .collect()
    )


def mixed(mixer: Mixer, by_prompt: pl.DataFrame) -> Mixed:
    """Fills the quotas. `by_prompt` is as `rows_in_strata` has it, of all prompts of a recipe, in
    any order."""
    prompts = (
        by_prompt.filter(pl.col("rows") > 0)
        .select("prompt_id", "stratum", pl.col("rows", "tokens").cast(pl.Int64))
        .sort("prompt_id")
    )
    amount = pl.col(mixer.measure)
    sums = dict(prompts.group_by("stratum").agg(amount.sum()).iter_rows())
    available = [int(sums.get(number, 0)) for number in range(len(mixer.names))]
    bounds = [
        count if most is None else min(count, most)
        for count, most in zip(available, mixer.most, strict=True)
    ]
    wanted, limited_by = _wanted(mixer, bounds)
    quotas = [min(pair) for pair in zip(wanted, bounds, strict=True)]
    quota = pl.col("stratum").replace_strict(dict(enumerate(quotas)), return_dtype=pl.Int64)
    left = quota - (amount.cum_sum() - amount).over("stratum")
    allowed = (
        pl.min_horizontal(left.clip(lower_bound=0), "rows")
        if mixer.measure == "rows"
        else pl.when(left >= amount).then("rows").otherwise(0)
    )
    in_none = pl.col("stratum").is_null()
    prompts = prompts.with_columns(
        allowed=pl.when(in_none).then(0).otherwise(allowed),
        beyond=pl.when(in_none).then(pl.lit(IN_NO_STRATUM)).otherwise(pl.lit(BEYOND_MIX)),
    )
    report = _report(mixer, prompts, available, quotas, wanted)
    return Mixed(
        prompts.select("prompt_id", "allowed", "beyond"),
        {"measure": mixer.measure, "limited_by": limited_by, "strata": report},
        _left_out(prompts),
    )


def _report(
    mixer: Mixer,
    prompts: pl.DataFrame,
    available: Sequence[int],
    quotas: Sequence[int],
    wanted: Sequence[int],
) -> dict[str, dict[str, Any]]:
    # By tokens no prompt is taken in part.
    amount = pl.col("allowed") if mixer.measure == "rows" else pl.col("tokens")
    stays = prompts.filter(pl.col("allowed") > 0)
    taken = dict(stays.group_by("stratum").agg(amount.sum()).iter_rows())
    return {
        name: {
            "wanted": wanted[number],
            "available": available[number],
            "taken": int(taken.get(number, 0)),
            "met": quotas[number] == wanted[number] and (available[number] > 0 or not mixer.shares),
        }
        for number, name in enumerate(mixer.names)
    }


def _left_out(prompts: pl.DataFrame) -> dict[str, int]:
    in_none = pl.col("stratum").is_null()
    lost = pl.col("rows") - pl.col("allowed")
    counts = prompts.select(
        lost.filter(~in_none).sum().alias(BEYOND_MIX),
        lost.filter(in_none).sum().alias(IN_NO_STRATUM),
    )
    return {fate: int(count) for fate, count in counts.row(0, named=True).items() if count}


def _wanted(mixer: Mixer, bounds: Sequence[int]) -> tuple[list[int], str | None]:
    """What each stratum should give, and which one limits that. `bounds` are what they can give."""
    if not mixer.shares:
        return [*bounds], None
    in_rows = mixer.measure == "rows"
    if mixer.total is not None:
        return (seats if in_rows else amounts)(mixer.total, mixer.shares), None
    wanted, limit = (seats_within if in_rows else amounts_within)(bounds, mixer.shares)
    return wanted, mixer.names[limit]


def cut_to_mix(samples: pl.DataFrame, mixer: Mixer) -> tuple[pl.DataFrame, Mixed]:
    """Gives the published samples that the mix has no room for one of the two fates. `samples` are
    all of a recipe, with what `with_fates` and `with_groups` add."""
    found = mixed(mixer, rows_in_strata(samples, mixer))
    return with_beyond(samples, found.allowed), found


def with_beyond(samples: pl.DataFrame, allowed: pl.DataFrame) -> pl.DataFrame:
    """Gives published samples beyond what is `allowed` of their prompts, by `rank`, the fate that
    `allowed` names; where it does not have a prompt, all of its samples are allowed."""
    left_out = (pl.col("fate") == PUBLISHED) & (pl.col("rank") > pl.col("allowed"))
    left_out = left_out.fill_null(value=False)
    return (
        samples.join(allowed, on="prompt_id", how="left", maintain_order="left")
        .with_columns(
            fate=pl.when(left_out).then("beyond").otherwise("fate"),
            rank=pl.when(~left_out).then("rank"),
        )
        .drop("allowed", "beyond")
    )


def within(chosen: pl.DataFrame, allowed: pl.DataFrame) -> pl.DataFrame:
    """Those of some published samples, with their `prompt_id` and `rank`, that stay, in their
    order."""
    return (
        chosen.join(allowed, on="prompt_id", how="left", maintain_order="left")
        .filter((pl.col("rank") <= pl.col("allowed")).fill_null(value=True))
        .drop("allowed", "beyond")
    )
