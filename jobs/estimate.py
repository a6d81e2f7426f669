"""What a run will take: tokens, hours and money, with an interval, from what was measured so far.

It rests on the settled prompts at the beginning of the list, in the order of their hash: a random
sample of all prompts, where the settled ones alone would be the easy ones. A pilot (`run --limit`)
draws just those.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from filters.choose import PUBLISHED
from infra.meter import Spent, spent_by
from infra.placement import gpus
from jobs.prompts import PromptList
from jobs.recipe import Job

MEASURED_PROMPTS = 20
"""Fewer settled prompts say too little."""
RESAMPLES = 1000
RESAMPLED_PROMPTS = 2000
"""Of more, so many are resampled, which makes the interval too wide and never too narrow."""
INTERVAL = (5, 95)
"""Percentiles of the bootstrap (Efron 1979): a 90 % interval."""


class Interval(NamedTuple):
    """An estimate and where it lies with a probability of 0.9."""

    low: float
    mean: float
    high: float

    def __mul__(self, factor: object) -> "Interval":
        assert isinstance(factor, (int, float))
        return Interval(self.low * factor, self.mean * factor, self.high * factor)


@dataclass(frozen=True)
class Measured:
    """Settled prompts: what was drawn of each, and what of it would be published."""

    tokens: NDArray[np.float64]
    rows: NDArray[np.float64]
    untouched: int
    """Prompts that are not settled, with or without samples."""
    tokens_of_untouched: float
    """That those have already."""


def measured(prompts: PromptList, fated: pl.DataFrame) -> Measured:
    """`fated` has `prompt_id, settled, fate, reasoning_tokens, answer_tokens` of all samples."""
    tokens = (pl.col("reasoning_tokens") + pl.col("answer_tokens")).sum().cast(pl.Float64)
    rows = (pl.col("fate") == PUBLISHED).sum().cast(pl.Float64)
    by_prompt = (
        prompts.frame.select("prompt_id")
        .join(
            fated.group_by("prompt_id").agg(
                settled=pl.col("settled").first(), tokens=tokens, rows=rows
            ),
            on="prompt_id",
            how="left",
            maintain_order="left",
        )
        .with_columns(pl.col("settled").fill_null(value=False), pl.col("tokens").fill_null(0.0))
    )
    prefix = by_prompt.filter(pl.col("settled").cast(pl.Int8).cum_min() == 1)
    rest = by_prompt.filter(~pl.col("settled"))
    return Measured(
        prefix["tokens"].to_numpy(),
        prefix["rows"].to_numpy(),
        rest.height,
        float(rest["tokens"].sum()),
    )


def estimate(job: Job, found: Measured, *, settled_rows: int) -> dict[str, Any] | None:
    """What is still to be spent and what will be published in all, as JSON values; null where too
    little is settled. `settled_rows`: of all settled prompts, those that would be published.

    A mix is not counted, since how much of a small stratum there will be few settled prompts do not
    say; it only leaves rows out.
    """
    count = len(found.tokens)
    if count < MEASURED_PROMPTS:
        return None
    tokens, rows, misses = _bootstrap(job, found, settled_rows)
    cost = _cost(job, tokens)
    mix = job.recipe.mix
    return {
        "prompts_measured": count,
        "tokens": tokens._asdict(),
        "published": rows._asdict(),
        "published_are_before_the_mix": mix is not None,
        "mix_total": None if mix is None or mix.total is None else f"{mix.total:,} {mix.measure}",
        "target_is_missed_with": misses,
        **{name: None if value is None else value._asdict() for name, value in cost.items()},
    }


def _bootstrap(
    job: Job, found: Measured, settled_rows: int
) -> tuple[Interval, Interval, float | None]:
    """Tokens still to be drawn, rows in the end, and the probability that a target is missed."""
    count = len(found.tokens)
    random = np.random.default_rng(0)
    # Not only the mean of those measured is uncertain: so are those that are left. Both together
    # vary as a sample of this size, 1 / size = 1 / measured + 1 / left.
    size = max(1, round(count * found.untouched / max(1, count + found.untouched)))
    size = min(size, RESAMPLED_PROMPTS)
    picks = random.integers(0, count, (RESAMPLES, size))
    # The first is the sample itself.
    tokens = np.concatenate([[found.tokens.mean()], found.tokens[picks].mean(axis=1)])
    rows = np.concatenate([[found.rows.mean()], found.rows[picks].mean(axis=1)])
    prompts: NDArray[np.float64] = np.full(len(rows), float(found.untouched))
    misses = None
    if (wanted := job.recipe.target.published) is not None:
        lacking = max(0, wanted - settled_rows)
        prompts_for_it = lacking / np.maximum(rows, 1e-9)
        misses = float((prompts_for_it > found.untouched).mean())
        prompts = np.minimum(prompts, prompts_for_it)
    left = np.maximum(prompts * tokens - found.tokens_of_untouched, 0)
    return _interval(left), _interval(settled_rows + prompts * rows), misses


def _interval(values: NDArray[np.float64]) -> Interval:
    low, high = np.percentile(values, INTERVAL)
    return Interval(float(min(low, values[0])), float(values[0]), float(max(high, values[0])))


def _cost(job: Job, tokens: Interval) -> Mapping[str, Interval | None]:
    per_token = hours_per_token(job, job.teacher_id)
    if per_token is None:
        return {"hours": None, "gpu_hours": None, "usd": None}
    replica_hours = tokens * per_token
    gpu_hours = replica_hours * gpus(job.recipe.teacher)
    price = job.recipe.price.gpu_hour
    return {
        "hours": replica_hours * (1 / job.recipe.teacher.replicas.max),
        "gpu_hours": gpu_hours,
        "usd": None if price is None else gpu_hours * price,
    }


def hours_per_token(job: Job, teacher_id: str) -> float | None:
    """Of a replica, by the tokens a second that those with this teacher have made so far; null
    where they have made none."""
    spent = sum(spent_by(job.store, job.recipe.pool, teacher=teacher_id).values(), Spent())
    if not spent.drawing_s or not spent.tokens:
        return None
    return spent.drawing_s / spent.tokens / 3600


def estimate_lines(found: dict[str, Any] | None, replicas: int) -> list[str]:
    """The estimate for a person."""
    if found is None:
        return [
            f"estimate  none: fewer than {MEASURED_PROMPTS} prompts are settled; `run --limit 50` "
            "measures lengths, keep rates and speed"
        ]
    lines = [f"estimate  {_text(found['tokens'])} tokens more, {_text(found['published'])} rows"]
    if found["published_are_before_the_mix"]:
        most = found["mix_total"]
        limit = "" if most is None else f", and has no room for more than {most}"
        lines.append(f"          before the mix, which leaves some of these rows out{limit}")
    if found["hours"] is not None:
        lines.append(f"          {_text(found['hours'], 2)} h on {replicas} replicas at most")
        lines.append(f"          {_text(found['gpu_hours'], 2)} GPU-hours")
    if found["usd"] is not None:
        lines[-1] += f", {_text(found['usd'], 2)} US dollars"
    if found["target_is_missed_with"]:
        lines.append(f"          target is missed with p = {found['target_is_missed_with']:.2f}")
    basis = f"{found['prompts_measured']:,} settled prompts at the beginning of the list"
    speed = "" if found["hours"] is None else " and the speed of all attempts with this teacher"
    lines.append(f"          rests on {basis}{speed}; [90 % interval]")
    return lines


def _text(interval: dict[str, float], digits: int = 0) -> str:
    low, mean, high = interval.values()
    return f"{mean:,.{digits}f} [{low:,.{digits}f} to {high:,.{digits}f}]"
