"""The page of a report: one file that needs nothing else and asks nobody for anything."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import polars as pl
from jinja2 import Environment, PackageLoader, StrictUndefined

from filters.choose import PUBLISHED
from filters.survivorship import UNKNOWN, measured
from jobs import plot
from jobs.chart_data import (
    KEPT,
    REJECTED,
    label,
    length_bins,
    representation,
    score_bins,
    separation,
)
from jobs.report import facts
from jobs.report.assets import KATEX, inline
from jobs.report.figures import LYING, STANDING, Figure, Figures, Table
from jobs.report.payload import payload
from jobs.report.report import Report
from schemas.manifest import Manifest

SCRIPTS: Final = ("theme.js", "text.js", "sample.js", "archive.js", "list.js", "browser.js")
SCORES: Final = 12
APART: Final = 0.01
"""Scores with a chart: those that tell kept samples from rejected ones best, and at all."""


@dataclass(frozen=True)
class Section:
    """A part of the page."""

    id: str
    title: str
    short: str
    """In the navigation."""
    told: tuple[str, ...]
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()
    small: tuple[Figure, ...] = ()


def page(report: Report) -> str:
    """The same text for the same report."""
    shown = payload(report.samples)
    has_samples = report.samples.height > 0
    scripts = ((KATEX,) if has_samples else ()) + SCRIPTS
    template = environment().get_template("page.html.jinja")
    return template.render(
        report=report,
        manifest=report.manifest,
        version=f"{report.manifest.name}@{report.manifest.version}",
        created=str(report.manifest.provenance.get("created_at", "")),
        assets=inline(("page.css",), scripts),
        tiles=[*facts.tiles(report)],
        sections=[*_sections(report)],
        payload=shown,
        selection=_selection(report, shown.limit),
        has_samples=has_samples,
    )


def environment() -> Environment:
    """Templates of this package, in which every value is escaped."""
    made = Environment(
        loader=PackageLoader("jobs.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["line"] = label
    made.filters["moment"] = facts.moment
    return made


def _sections(report: Report) -> Iterator[Section]:
    manifest, figures = report.manifest, Figures()
    yield _funnel(report, figures)
    yield _difficulty(manifest, figures)
    yield _lengths(manifest, figures)
    yield _survivorship(manifest, figures)
    yield _scores(report.scores, figures)
    yield _origins(manifest, figures)
    yield _cost(report, figures)
    yield _teachers(report, figures)


def _funnel(report: Report, figures: Figures) -> Section:
    manifest = report.manifest
    samples = sum(manifest.funnel.values())
    told = [
        f"{samples:,} samples were drawn. A fate is the rule, or the step, that a sample did not "
        "pass."
    ]
    if manifest.unsettled:
        told.append(f"{manifest.unsettled:,} prompts could still get more samples.")
    if manifest.target is not None:
        told.append(f"The target of rows was {manifest.target}.")
    if manifest.prompts_left_out:
        counts = (f"{label(rule)} {count:,}" for rule, count in manifest.prompts_left_out.items())
        told.append(f"Prompts that nothing was drawn for: {', '.join(counts)}.")
    drawn = _figure(
        figures,
        bool(samples),
        "Where every sample went",
        f"{facts.share(manifest.funnel.get(PUBLISHED, 0), samples)} of the samples are published.",
        partial(plot.funnel, manifest),
        facts.funnel_table(report),
    )
    return Section("funnel", "Where samples went", "Funnel", (" ".join(told),), drawn)


def _figure(
    figures: Figures,
    there: bool,
    title: str,
    told: str,
    draw: Any,
    table: Table,
    widths: tuple[int, int] = LYING,
) -> tuple[Figure, ...]:
    return (figures.of(title, told, draw, table, widths),) if there else ()


NOT_COUNTED: Final = "This was not counted for this version."


def _difficulty(manifest: Manifest, figures: Figures) -> Section:
    counts = manifest.survivorship.get("pass_rate", {})
    drawn, published = (measured(counts, one) for one in ("prompts", "prompts_published"))
    told = NOT_COUNTED
    if drawn:
        always = (
            facts.share(of.get("always", 0), sum(of.values()) - of.get(UNKNOWN, 0))
            for of in (drawn, published)
        )
        told = (
            "Prompts that the teacher always solved: {} of those with a pass rate, {} of the "
            "published ones.".format(*always)
        )
    drawn_figure = _figure(
        figures,
        bool(drawn),
        "Pass rates before the choice and after it",
        told,
        partial(plot.pass_rates, manifest),
        facts.rates_table(manifest),
        STANDING,
    )
    return Section(
        "pass-rates", "Pass rates", "Pass rates", (told,) if not drawn else (), drawn_figure
    )


def _lengths(manifest: Manifest, figures: Figures) -> Section:
    counts = manifest.survivorship.get("tokens", {})
    known = bool(length_bins(counts))
    told = facts.median_lengths(manifest)
    drawn = _figure(
        figures,
        known,
        "Tokens of thinking and answer",
        told,
        partial(plot.lengths, manifest),
        facts.lengths_table(manifest),
        STANDING,
    )
    return Section("lengths", "Lengths", "Lengths", () if known else (told,), drawn)


def _scores(scores: pl.DataFrame, figures: Figures) -> Section:
    rows = separation(scores)
    told = (
        "Each score of samples that were kept beside that of rejected ones, as shares of their "
        "own; those that tell them apart best come first.",
    )
    table = Table(
        "All scores with numbers",
        ("score", "kept", "rejected", "mean of kept", "mean of rejected", "apart"),
        [
            (
                label(row["column"]),
                f"{row['kept']:,}",
                f"{row['rejected']:,}",
                _mean(row["mean_kept"]),
                _mean(row["mean_rejected"]),
                f"{row['apart']:.0%}",
            )
            for row in rows
        ],
    )
    small = tuple(
        figures.small(
            label(row["column"]),
            f"Mean {_mean(row['mean_kept'])} of kept samples, {_mean(row['mean_rejected'])} of "
            "rejected ones.",
            partial(plot.scores, scores, row["column"]),
            _score_table(scores, row["column"]),
        )
        for row in rows[:SCORES]
        if row["apart"] >= APART or row is rows[0]
    )
    if not rows:
        return Section("scores", "Scores", "Scores", ("No sample has a score that is a number.",))
    return Section("scores", "Scores", "Scores", told, tables=(table,), small=small)


def _mean(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


def _score_table(scores: pl.DataFrame, column: str) -> Table:
    binned = score_bins(scores.filter(pl.col("column") == column))
    counts: dict[float, dict[str, int]] = {}
    for of, value, samples in binned.select("of", "value", "samples").iter_rows():
        counts.setdefault(value, {})[of] = samples
    rows = [
        (f"{value:.4g}", *(f"{own.get(of, 0):,}" for of in (KEPT, REJECTED)))
        for value, own in counts.items()
    ]
    return Table(label(column), ("value", KEPT, REJECTED), rows)


def _origins(manifest: Manifest, figures: Figures) -> Section:
    drawn = []
    for origin, title in (("source", "By source"), ("domain", "By domain")):
        counts = measured(manifest.survivorship.get(origin, {}), "samples")
        if not counts:
            continue
        largest = max(counts, key=lambda name: (counts[name], name))
        told = (
            f"{facts.share(counts[largest], sum(counts.values()))} of the samples are of "
            f"{label(largest)}."
        )
        table = facts.origins_table(manifest, origin)
        drawn.append(figures.of(title, told, partial(plot.origins, manifest, origin), table))
    told_all = () if drawn else (NOT_COUNTED,)
    return Section("origins", "Sources and domains", "Origins", told_all, tuple(drawn))


def _survivorship(manifest: Manifest, figures: Figures) -> Section:
    rows = representation(manifest)
    solved = measured(manifest.survivorship.get("solved", {}), "prompts")
    told = NOT_COUNTED
    if solved:
        prompts = sum(solved.values())
        told = (
            f"Of {prompts:,} prompts with samples {solved.get('yes', 0):,} have a right one, and "
            f"{solved.get('no', 0):,} ({facts.share(solved.get('no', 0), prompts)}) were judged "
            "and have none. They are not in what is published."
        )
    drawn = _figure(
        figures,
        bool(rows),
        "What weighs more, and less, after the choice",
        "1 is a weight that the choice did not change; 2 is twice the weight, 0 is gone.",
        partial(plot.represented, manifest),
        facts.represented_table(manifest),
    )
    return Section("survivorship", "Survivorship", "Survivorship", (told,), drawn)


def _cost(report: Report, figures: Figures) -> Section:
    manifest, whole = report.manifest, sum(report.tokens.values())
    spent = facts.spent_table(manifest)
    told = [] if spent else ["What it cost was not recorded."]
    price = (manifest.recipe.get("price") or {}).get("gpu_hour")
    if spent and price is not None:
        told.append(f"A GPU-hour was counted as ${price:g}.")
    drawn = _figure(
        figures,
        bool(whole),
        "Tokens by the fate of their samples",
        f"{facts.share(report.tokens.get(PUBLISHED, 0), whole)} of {whole:,} tokens are in "
        "published samples.",
        partial(plot.waste, report.tokens),
        facts.waste_table(report),
    )
    return Section("cost", "Cost and waste", "Cost", tuple(told), drawn, (spent,) if spent else ())


def _teachers(report: Report, figures: Figures) -> Section:
    table = facts.teachers_table(report)
    several = report.teachers.filter(pl.col("kept") > 0).height > 1
    if several:
        told = "All teachers with samples of these prompts in the pool, by the same rules."
        figure = figures.of(
            "Tokens for a kept sample",
            "Of all tokens that a teacher generated, also for what was rejected.",
            partial(plot.teachers, report.teachers),
            table,
        )
        return Section("teachers", "Teachers", "Teachers", (told,), (figure,))
    if report.teachers.is_empty():
        return Section(
            "teachers", "Teacher", "Teacher", ("No teacher has samples of these prompts.",)
        )
    return Section("teachers", "Teacher", "Teacher", (), tables=(table,))


def _selection(report: Report, limit: int | None) -> Mapping[str, str]:
    """What of all samples is in the page."""
    drawn, shown = sum(report.manifest.funnel.values()), report.samples.height
    told = {"samples": f"All {shown:,} samples are here.", "texts": ""}
    if shown < drawn:
        told["samples"] = (
            f"These are {shown:,} of {drawn:,} samples, a stratified selection: some of every fate "
            "and source, so that their shares here are not those of the whole."
        )
    if limit is not None:
        told["texts"] = (
            f"Texts of more than {limit:,} characters are without their middle; how much is "
            "missing stands there."
        )
    return told
