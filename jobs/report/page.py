"""The page of a report: one file that needs nothing else and asks nobody for anything."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import polars as pl
from jinja2 import Environment, PackageLoader, StrictUndefined

from filters.survivorship import UNKNOWN, measured
from jobs import plot
from jobs.report import facts
from jobs.report.assets import KATEX, inline
from jobs.report.figures import Figure, Figures, Table
from jobs.report.payload import payload
from jobs.report.report import Report
from schemas.manifest import Manifest

SCRIPTS: Final = ("theme.js", "text.js", "sample.js", "browser.js")
SCORES: Final = 12
"""Scores with a chart: those that tell kept samples from rejected ones best."""


@dataclass(frozen=True)
class Section:
    """A part of the page."""

    id: str
    title: str
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
    made.filters["line"] = plot.label
    made.filters["words"] = facts.words
    return made


def _sections(report: Report) -> Iterator[Section]:
    manifest, figures = report.manifest, Figures()
    yield _funnel(report, figures)
    yield _difficulty(manifest, figures)
    yield _lengths(manifest, figures)
    yield _scores(report.scores, figures)
    yield _origins(manifest, figures)
    yield _survivorship(manifest, figures)
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
        counts = (
            f"{facts.words(rule)} {count:,}" for rule, count in manifest.prompts_left_out.items()
        )
        told.append(f"Prompts that nothing was drawn for: {', '.join(counts)}.")
    drawn = _figure(
        figures,
        bool(samples),
        "Where every sample went",
        f"{facts.share(manifest.funnel.get('published', 0), samples)} of the samples are published.",
        partial(plot.funnel, manifest),
        facts.funnel_table(report),
    )
    return Section("funnel", "Where samples went", (" ".join(told),), drawn)


def _figure(
    figures: Figures, there: bool, title: str, told: str, draw: Any, table: Table
) -> tuple[Figure, ...]:
    return (figures.of(title, told, draw, table),) if there else ()


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
    )
    return Section("pass-rates", "Pass rates", (told,) if not drawn else (), drawn_figure)


def _lengths(manifest: Manifest, figures: Figures) -> Section:
    counts = manifest.survivorship.get("tokens", {})
    known = bool(plot.length_bins(counts))
    told = facts.median_lengths(manifest)
    drawn = _figure(
        figures,
        known,
        "Tokens of thinking and answer",
        told,
        partial(plot.lengths, manifest),
        facts.lengths_table(manifest),
    )
    return Section("lengths", "Lengths", () if known else (told,), drawn)


def _scores(scores: pl.DataFrame, figures: Figures) -> Section:
    rows = _separating(scores)
    told = (
        "Each score of samples that were kept beside that of rejected ones, as shares of their "
        "own; those that tell them apart best come first.",
    )
    table = Table(
        "All scores with numbers",
        ("score", "kept", "rejected", "mean of kept", "mean of rejected", "apart"),
        [
            (
                plot.label(row["column"]),
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
            plot.label(row["column"]),
            f"Mean {_mean(row['mean_kept'])} of kept samples, {_mean(row['mean_rejected'])} of "
            "rejected ones.",
            partial(plot.scores, scores, row["column"]),
            _score_table(scores, row["column"]),
        )
        for row in rows[:SCORES]
    )
    if not rows:
        return Section("scores", "Scores", ("No sample has a score that is a number.",))
    return Section("scores", "Scores", told, tables=(table,), small=small)


def _mean(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


def _score_table(scores: pl.DataFrame, column: str) -> Table:
    binned = plot.score_bins(scores.filter(pl.col("column") == column))
    counts: dict[str, dict[bool, int]] = {}
    for name, kept, samples in binned.iter_rows():
        counts.setdefault(name, {})[kept] = samples
    rows = [
        (name, f"{own.get(True, 0):,}", f"{own.get(False, 0):,}") for name, own in counts.items()
    ]
    return Table(plot.label(column), ("value, from", "kept", "rejected"), rows)


def _separating(scores: pl.DataFrame) -> list[dict[str, Any]]:
    """Columns by how far kept samples and rejected ones are apart: half the sum of the differences
    of their shares, which is 1 where no value is of both."""
    finite = scores.filter(pl.col("value").is_finite())
    rows = []
    for (column,), own in finite.group_by("column", maintain_order=True):
        counts = {
            kept: dict(own.filter(pl.col("kept") == kept).select("value", "samples").iter_rows())
            for kept in (True, False)
        }
        total = {kept: sum(of.values()) for kept, of in counts.items()}
        mean = {
            kept: sum(value * count for value, count in of.items()) / total[kept]
            if total[kept]
            else None
            for kept, of in counts.items()
        }
        apart = 0.0
        if all(total.values()):
            values = sorted({*counts[True], *counts[False]})
            apart = 0.5 * sum(
                abs(counts[True].get(v, 0) / total[True] - counts[False].get(v, 0) / total[False])
                for v in values
            )
        rows.append(
            {
                "column": column,
                "kept": total[True],
                "rejected": total[False],
                "mean_kept": mean[True],
                "mean_rejected": mean[False],
                "apart": apart,
            }
        )
    return sorted(rows, key=lambda row: (-row["apart"], row["column"]))


def _origins(manifest: Manifest, figures: Figures) -> Section:
    drawn = []
    for origin, title in (("source", "By source"), ("domain", "By domain")):
        counts = measured(manifest.survivorship.get(origin, {}), "samples")
        if not counts:
            continue
        largest = max(counts, key=lambda name: (counts[name], name))
        told = (
            f"{facts.share(counts[largest], sum(counts.values()))} of the samples are of "
            f"{plot.label(largest)}."
        )
        table = facts.origins_table(manifest, origin)
        drawn.append(figures.of(title, told, partial(plot.origins, manifest, origin), table))
    told_all = () if drawn else (NOT_COUNTED,)
    return Section("origins", "Sources and domains", told_all, tuple(drawn))


def _survivorship(manifest: Manifest, figures: Figures) -> Section:
    rows = plot.representation(manifest)
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
    return Section("survivorship", "Survivorship", (told,), drawn)


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
        f"{facts.share(report.tokens.get('published', 0), whole)} of {whole:,} tokens are in "
        "published samples.",
        partial(plot.waste, report.tokens),
        facts.waste_table(report),
    )
    return Section("cost", "Cost and waste", tuple(told), drawn, (spent,) if spent else ())


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
        return Section("teachers", "Teachers", (told,), (figure,))
    if report.teachers.is_empty():
        return Section("teachers", "Teacher", ("No teacher has samples of these prompts.",))
    return Section("teachers", "Teacher", (), tables=(table,))


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
