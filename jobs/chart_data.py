"""The numbers behind charts: bins, their labels, and what they are compared by."""

from collections.abc import Iterable, Mapping
from itertools import takewhile
from typing import Any, Final

import polars as pl

from filters.survivorship import POWERS, UNKNOWN, measured
from jobs.markdown import one_line
from schemas.manifest import Manifest

KEPT: Final = "kept"
REJECTED: Final = "rejected"
RATES: Final = {
    "never": "0",
    "up_to_1/4": "≤ ¼",
    "up_to_1/2": "≤ ½",
    "up_to_3/4": "≤ ¾",
    "below_1": "< 1",
    "always": "1",
    UNKNOWN: "unknown",
}
"""How the bins of pass rates are labelled."""
BINS: Final = 16
"""Of a score with many values."""


def representation(manifest: Manifest) -> list[dict[str, Any]]:
    """What `represented` draws: `dimension`, `bin`, `drawn` and `published` (shares) and `factor`,
    of whatever was drawn and is counted on both sides."""
    sides = {
        "pass_rate": ("prompts", "prompts_published", "pass rate "),
        "tokens": ("finished", "published", "tokens from "),
        "source": ("samples", "samples_published", "source "),
        "domain": ("samples", "samples_published", "domain "),
    }
    rows = []
    for dimension, (measure, after, prefix) in sides.items():
        counts = manifest.survivorship.get(dimension, {})
        known = {name: own for name, own in counts.items() if name != UNKNOWN}
        drawn, published = measured(known, measure), measured(known, after)
        if len(drawn) < 2 or not published:
            continue
        for name, count in drawn.items():
            before = count / sum(drawn.values())
            left = published.get(name, 0) / sum(published.values())
            rows.append(
                {
                    "dimension": dimension,
                    "bin": prefix + _bin_label(dimension, name),
                    "drawn": before,
                    "published": left,
                    "factor": left / before,
                }
            )
    return rows


def _bin_label(dimension: str, name: str) -> str:
    if dimension == "pass_rate":
        return RATES[name]
    return compact(int(name)) if dimension == "tokens" else label(name)


def length_bins(counts: Mapping[str, Any]) -> list[str]:
    """All powers of two from the least of these bins to the largest, so that there are no holes in
    the axis; and 0 where it is there."""
    known = sorted(int(name) for name in counts if name != UNKNOWN)
    if not known:
        return []
    between = takewhile(lambda power: power <= known[-1], POWERS)
    return [*(["0"] if known[0] == 0 else []), *(str(p) for p in between if p >= known[0])]


def score_bins(frame: pl.DataFrame) -> pl.DataFrame:
    """`of` (kept or rejected), `value`, `step`, `whole` (whether steps are whole numbers),
    `samples` and `share` (of the kept, or of the rejected ones) of one score's rows of
    `Report.scores`.

    Few values that are far enough apart stand for themselves, `step` from each other at least; more
    are put into bins between their 1st and 99th percentile, with what lies outside in the
    outermost, and `value` is the middle of one.
    """
    finite = frame.filter(pl.col("value").is_finite())
    values = finite["value"].unique().sort()
    gap = values.diff().drop_nulls().min()
    step = float(gap) if isinstance(gap, float) else 1.0
    if len(values) > BINS or (len(values) > 1 and (values[-1] - values[0]) / step > 2 * BINS):
        low, high = (_quantile(finite, share) for share in (0.01, 0.99))
        step = (high - low) / BINS or 1.0
        place = ((pl.col("value") - low) / step).floor().clip(0, BINS - 1)
        finite = finite.with_columns(value=(place + 0.5) * step + low)
    return (
        finite.with_columns(
            of=pl.when("kept").then(pl.lit(KEPT)).otherwise(pl.lit(REJECTED)),
            value=pl.col("value").round_sig_figs(6),
        )
        .group_by("of", "value")
        .agg(pl.col("samples").sum())
        .sort("value", "of")
        .with_columns(
            step=pl.lit(step),
            whole=pl.lit(step) == pl.lit(step).round(),
            share=pl.col("samples") / pl.col("samples").sum().over("of"),
        )
    )


def separation(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """Of each score of `Report.scores`: `column`, `kept` and `rejected` (samples), the means of
    both, and how far they are `apart`: half the sum of the differences of their shares, which is 1
    where no value is of both. The farthest first; infinite values are left out."""
    finite = frame.filter(pl.col("value").is_finite())
    rows = [
        {"column": column, **_apart(own)}
        for (column,), own in finite.group_by("column", maintain_order=True)
    ]
    return sorted(rows, key=lambda row: (-row["apart"], row["column"]))


def _apart(own: pl.DataFrame) -> dict[str, Any]:
    kept, rejected = (_of(own, kept) for kept in (True, False))
    both = (
        kept.join(rejected, on="value", how="full", coalesce=True)
        .fill_null(0.0)
        .select((pl.col("share") - pl.col("share_right")).abs().sum() / 2)
        .item()
    )
    return {
        "kept": int(kept["samples"].sum()),
        "rejected": int(rejected["samples"].sum()),
        "mean_kept": _mean(kept),
        "mean_rejected": _mean(rejected),
        "apart": float(both) if kept.height and rejected.height else 0.0,
    }


def _of(own: pl.DataFrame, kept: bool) -> pl.DataFrame:
    counts = own.filter(pl.col("kept") == kept).group_by("value").agg(pl.col("samples").sum())
    share = pl.col("samples") / pl.col("samples").sum()
    return counts.sort("value").with_columns(share=share)  # sums must not depend on an order


def _mean(counts: pl.DataFrame) -> float | None:
    mean: float | None = counts.select((pl.col("value") * pl.col("share")).sum()).item()
    return mean if counts.height else None


def _quantile(values: pl.DataFrame, share: float) -> float:
    """Of values that each stand for many samples."""
    ordered = values.group_by("value").agg(pl.col("samples").sum()).sort("value")
    reached = ordered.filter(pl.col("samples").cum_sum() >= share * pl.col("samples").sum())
    return float(reached["value"][0])


def compact(number: float) -> str:
    """A number in a few characters, such as `512`, `16k` or `1.2M`. Powers of two are said in their
    own thousands."""
    if number >= 1024 and float(number).is_integer() and int(number) & (int(number) - 1) == 0:
        power = int(number)
        return f"{power >> 10}k" if power < 1 << 20 else f"{power >> 20}M"
    for limit, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(number) >= limit:
            return f"{number / (limit if letter != 'k' else 1e3):.3g}{letter}"
    return f"{number:,.4g}" if isinstance(number, float) else f"{number:,}"


def label(name: str) -> str:
    """A name of others in one line of a chart."""
    return one_line(name) or "not named"


def labels(names: Iterable[str], most: int) -> dict[str, str]:
    """Of each name a label of at most so many characters, which no other one has."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        line = label(name)
        short = line if len(line) <= most else f"{line[: most - 1]}…"
        number = 1
        while short in taken:
            number += 1
            ending = f"… ({number})"
            short = line[: most - len(ending)] + ending
        taken.add(short)
        found[name] = short
    return found
