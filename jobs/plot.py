"""Charts of a version, as Altair's own objects: for notebooks, and for the report.

    from infra.version import open_version
    from jobs import plot

    plot.funnel(open_version("quickstart"))

What a manifest counts is drawn from it, or from a version that has one; the rest from the frames of
`jobs.report.report.Report`. Every chart takes the width of its axes in pixels, and a chart of
nothing is an empty chart.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

import altair as alt
import polars as pl

from filters.choose import PUBLISHED
from filters.survivorship import PASS_RATES, UNKNOWN, measured
from infra.version import Version
from jobs.chart_data import (
    KEPT,
    RATES,
    REJECTED,
    compact,
    label,
    labels,
    length_bins,
    representation,
    score_bins,
)
from schemas.manifest import Manifest

COLOURS: Final = {
    "ink": "#1f1d1a",
    "muted": "#615c54",
    "line": "#e3ded5",
    "surface": "#ffffff",
    "accent": "#a64b1c",
    "other": "#5a6d8a",
    "before": "#9a938a",
}
"""Each is used for one thing alone, so that the report can put its CSS variables of these names in
their place: one picture is then light and dark."""
WIDTH: Final = 560
FONT: Final = "system-ui, sans-serif"
MOST: Final = 20
"""Bars of a chart of names; a chart of more is not read."""
DRAWN: Final = "drawn"
Chart = TypeVar("Chart", alt.Chart, alt.LayerChart)


def funnel(of: Manifest | Version, *, width: int = WIDTH) -> alt.LayerChart:
    """How many samples ended where: the published ones, and every reason."""
    return _bars(_manifest(of).funnel, "samples", width)


def waste(tokens: Mapping[str, int], *, width: int = WIDTH) -> alt.LayerChart:
    """Fate -> tokens that were generated for the samples that ended so."""
    return _bars(tokens, "tokens", width)


def pass_rates(of: Manifest | Version, *, width: int = WIDTH) -> alt.Chart:
    """How hard prompts are: pass rates of their probes before the choice, and of those that are
    published."""
    counts = _manifest(of).survivorship.get("pass_rate", {})
    names = [name for name in PASS_RATES if name != UNKNOWN or name in counts]
    both = {DRAWN: measured(counts, "prompts"), PUBLISHED: measured(counts, "prompts_published")}
    shares = _shares(both, names, RATES)
    return _beside(shares, "pass rate of the probe", "prompts", both, width, "before")


def lengths(of: Manifest | Version, *, width: int = WIDTH) -> alt.Chart:
    """Tokens of thinking and answer: of samples that the model finished, and of published ones."""
    counts = _manifest(of).survivorship.get("tokens", {})
    both = {"finished": measured(counts, "finished"), PUBLISHED: measured(counts, "published")}
    names = length_bins(counts)
    labels = {name: compact(int(name)) for name in names}
    return _beside(_shares(both, names, labels), "tokens, from", "samples", both, width, "before")


def origins(of: Manifest | Version, origin: str = "source", *, width: int = WIDTH) -> alt.Chart:
    """Samples by `source` or `domain`: their shares before the choice and after it. Of many, the
    largest."""
    counts = _manifest(of).survivorship.get(origin, {})
    both = {
        DRAWN: measured(counts, "samples"),
        PUBLISHED: measured(counts, "samples_published"),
    }
    largest = sorted(both[DRAWN], key=lambda name: (-both[DRAWN][name], name))[:MOST]
    shares = _shares(both, largest, labels(largest, _room(width)))
    return _rows(shares, both, width)


def represented(of: Manifest | Version, *, width: int = WIDTH) -> alt.LayerChart:
    """Survivorship: by how much each difficulty, length and origin weighs more, or less, among what
    is published than among what was drawn. Bins of less than a hundredth of what was drawn are left
    out: their factors are chance."""
    rows = [row for row in representation(_manifest(of)) if row["drawn"] >= 0.01]
    told = labels([row["bin"] for row in rows], _room(width))
    rows = [{**row, "bin": told[row["bin"]]} for row in rows]
    base = alt.Chart(_frame(rows, _REPRESENTED)).encode(
        y=alt.Y("bin:N", sort=None, title=None),
        x=alt.X("factor:Q", title="weight among the published ÷ weight before")
        .scale(type="symlog", constant=0.3)
        .axis(values=[0, 0.25, 0.5, 1, 2, 4, 8, 16], format="~r"),
    )
    points = base.mark_circle(size=90, opacity=1, color=COLOURS["accent"]).encode(
        tooltip=["bin", "factor", "drawn", "published"]
    )
    stems = base.mark_rule(color=COLOURS["before"], strokeWidth=2).encode(x2=alt.datum(1))
    even = alt.Chart(pl.DataFrame({"x": [1.0]})).mark_rule(color=COLOURS["ink"]).encode(x="x:Q")
    layers = alt.LayerChart(layer=[stems, even, points]).properties(
        width=width, height=alt.Step(18)
    )
    return _styled(layers)


def scores(frame: pl.DataFrame, column: str, *, width: int = WIDTH) -> alt.Chart:
    """A score's values of kept samples beside those of rejected ones, each as shares of their own.
    `frame` is `Report.scores`; many values are put into bins."""
    bins = score_bins(frame.filter(pl.col("column") == column))
    ticks = [*dict.fromkeys(bins["value"])] if bins["whole"].all() else alt.Undefined
    half = pl.col("step") * pl.when(pl.col("of") == KEPT).then(0.45).otherwise(-0.45)
    bars = bins.with_columns(begin=pl.col("value"), end=pl.col("value") + half)
    chart: alt.Chart = (
        alt.Chart(bars)
        .mark_bar()
        .encode(
            x=alt.X("begin:Q", title=label(column))
            .axis(format=".3~r", tickCount=6, values=ticks, labelOverlap=True)
            .scale(domain=_around(bins), nice=False),
            x2="end:Q",
            y=alt.Y("share:Q", title="share of samples").axis(format=".0%", tickCount=4),
            y2=alt.datum(0),
            color=_colours((REJECTED, KEPT), "other"),
            tooltip=["value", "of", "samples", alt.Tooltip("share", format=".1%")],
        )
        .properties(width=width, height=150)
    )
    return _styled(chart)


def teachers(frame: pl.DataFrame, *, width: int = WIDTH) -> alt.LayerChart:
    """Tokens that each teacher has generated for a kept sample. `frame` is `Report.teachers`; those
    without kept samples are left out."""
    each = {
        name: round(tokens / kept)
        for name, tokens, kept in frame.select("teacher", "tokens", "kept").iter_rows()
        if kept and tokens
    }
    return _bars(each, "tokens for a kept sample", width, total=None)


_REPRESENTED: Final = {
    "dimension": pl.String,
    "bin": pl.String,
    "drawn": pl.Float64,
    "published": pl.Float64,
    "factor": pl.Float64,
}


def _manifest(of: Manifest | Version) -> Manifest:
    return of if isinstance(of, Manifest) else of.manifest


def _around(bins: pl.DataFrame) -> list[float]:
    """All values, and half a step more on both sides."""
    if bins.is_empty():
        return [0.0, 1.0]
    ends = bins.select(
        low=pl.col("value").min() - pl.col("step").first() / 2,
        high=pl.col("value").max() + pl.col("step").first() / 2,
    )
    return [*ends.row(0)]


def _room(width: int) -> int:
    """Characters of a name beside axes of this width."""
    return max(16, width // 13)


def _frame(rows: Sequence[Mapping[str, Any]], schema: Mapping[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=dict(schema), orient="row")


def _bars(
    counts: Mapping[str, int], unit: str, width: int, total: int | None = 0
) -> alt.LayerChart:
    """A bar a name, the largest first, with its number at its end, and its share unless `total` is
    null. What is published is set apart."""
    ordered = sorted(counts.items(), key=lambda item: (item[0] != PUBLISHED, -item[1], item[0]))
    if len(ordered) > MOST:
        rest = sum(count for _, count in ordered[MOST:])
        ordered = [*ordered[:MOST], (f"{len(ordered) - MOST} others", rest)]
    whole = sum(counts.values()) if total is not None else 0
    told = labels([name for name, _ in ordered], _room(width))
    rows = [
        {
            "name": told[name],
            unit: count,
            "told": f"{compact(count)} · {count / whole:.1%}" if whole else compact(count),
            "colour": COLOURS["accent" if name == PUBLISHED else "other"],
        }
        for name, count in ordered
    ]
    data = _frame(rows, {"name": pl.String, unit: pl.Int64, "told": pl.String, "colour": pl.String})
    most = max((count for _, count in ordered), default=0)
    base = alt.Chart(data).encode(
        y=alt.Y("name:N", sort=None, title=None),
        x=alt.X(f"{unit}:Q", axis=None).scale(domain=[0, (most or 1) * (1 + 120 / width)]),
        tooltip=["name", unit],
    )
    bars = base.mark_bar(cornerRadiusEnd=2).encode(color=alt.Color("colour:N", scale=None))
    ends = base.mark_text(align="left", dx=5, color=COLOURS["muted"]).encode(text="told:N")
    return _styled(alt.LayerChart(layer=[bars, ends]).properties(width=width, height=alt.Step(22)))


def _shares(
    both: Mapping[str, Mapping[str, int]], names: Sequence[str], labels: Mapping[str, str]
) -> pl.DataFrame:
    rows = [
        {
            "bin": labels[name],
            "of": word,
            "count": counts.get(name, 0),
            "share": counts.get(name, 0) / sum(counts.values()),
        }
        for name in names
        for word, counts in both.items()
        if counts
    ]
    schema = {"bin": pl.String, "of": pl.String, "count": pl.Int64, "share": pl.Float64}
    return _frame(rows, schema)


def _colours(words: Sequence[str], first: str) -> alt.Color:
    scale = alt.Scale(domain=[*words], range=[COLOURS[first], COLOURS["accent"]])
    return alt.Color("of:N", scale=scale, title=None)


def _beside(
    shares: pl.DataFrame, title: str, unit: str, both: Mapping[str, Any], width: int, first: str
) -> alt.Chart:
    """Two bars a bin, standing."""
    words = [*both]
    chart: alt.Chart = (
        alt.Chart(shares)
        .mark_bar()
        .encode(
            x=alt.X("bin:N", sort=None, title=title).axis(labelAngle=0, labelOverlap=True),
            xOffset=alt.XOffset("of:N", sort=words),
            y=alt.Y("share:Q", title=f"share of {unit}").axis(format=".0%", tickCount=4),
            color=_colours(words, first),
            tooltip=["bin", "of", "count", alt.Tooltip("share", format=".1%")],
        )
        .properties(width=width, height=170)
    )
    return _styled(chart)


def _rows(shares: pl.DataFrame, both: Mapping[str, Any], width: int) -> alt.Chart:
    """Two bars a name, lying."""
    words = [*both]
    chart: alt.Chart = (
        alt.Chart(shares)
        .mark_bar()
        .encode(
            y=alt.Y("bin:N", sort=None, title=None),
            yOffset=alt.YOffset("of:N", sort=words),
            x=alt.X("share:Q", title="share of samples").axis(format=".0%", tickCount=4),
            color=_colours(words, "before"),
            tooltip=["bin", "of", "count", alt.Tooltip("share", format=".1%")],
        )
        .properties(width=width, height=alt.Step(12))
    )
    return _styled(chart)


def _styled(chart: Chart) -> Chart:
    """Quiet axes, colours of ours, no frame."""
    quiet = {"labelColor": COLOURS["muted"], "titleColor": COLOURS["muted"], "titleFont": FONT}
    axis = {**quiet, "gridColor": COLOURS["line"], "domainColor": COLOURS["before"]}
    styled: Chart = (
        chart.configure(background=COLOURS["surface"], font=FONT, padding=4)
        .configure_axis(
            **axis,
            labelFontSize=12,
            titleFontSize=12,
            titleFontWeight="normal",
            ticks=False,
            # Names are short already. What cuts them here cuts characters in two, and fails then.
            labelLimit=0,
            labelPadding=6,
        )
        .configure_axisX(grid=False)
        .configure_text(fontSize=12)
        .configure_legend(orient="top", labelColor=COLOURS["muted"], labelFontSize=12, offset=4)
        .configure_view(stroke=None)
    )
    return styled
