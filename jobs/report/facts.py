"""What a report says in numbers, in the words of its page."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from filters.choose import PUBLISHED
from filters.survivorship import UNKNOWN, measured, middle
from jobs.chart_data import compact, label, representation
from jobs.report.figures import Table
from jobs.report.report import Report
from schemas.manifest import Manifest

MOST = 200
"""Rows of a table; the manifest has all."""

OUTPUTS: Final = {
    "sft": "SFT rows",
    "preference": "Preference pairs",
    "rl": "RL prompts",
    "reward": "Reward samples",
    "raw": "Raw samples",
}


@dataclass(frozen=True)
class Tile:
    """A number of the headline."""

    label: str
    value: str
    note: str
    change: str | None = None
    """Against the version before; null where there is none, or it did not say."""


def tiles(report: Report) -> Iterator[Tile]:
    """The headline."""
    manifest, before = report.manifest, report.before
    for output, rows in manifest.rows.items():
        old = before.rows.get(output, 0) if before else None
        yield Tile(OUTPUTS.get(output, output), f"{rows:,}", f"in {output}", _change(rows, old))
    if not manifest.rows:
        yield Tile("Rows", "0", "nothing was published")
    samples = sum(manifest.funnel.values())
    note = f"of {samples:,} samples"
    yield Tile(
        "Prompts",
        f"{manifest.prompts:,}",
        "with published samples",
        _change(manifest.prompts, before.prompts if before else None),
    )
    now, old_share = _published(manifest), _published(before) if before else None
    yield Tile("Published", _percent(now), note, _points(now, old_share))
    tokens = manifest.provenance.get("tokens")
    yield Tile(
        "Tokens",
        _compact(tokens),
        "in these samples",
        _change(tokens, _made(before, "tokens")),
    )
    yield from _cost_tiles(manifest, before)


def _cost_tiles(manifest: Manifest, before: Manifest | None) -> Iterator[Tile]:
    hours, old = _spent(manifest, "gpu_hours"), _spent(before, "gpu_hours")
    yield Tile("GPU-hours", _compact(hours), "since the pool began", _change(hours, old))
    each, unit = cost_each(manifest)
    was, old_unit = cost_each(before) if before else (None, unit)
    change = _change(each, was) if unit == old_unit else None
    yield Tile("Cost per sample", amount(each, unit), "that is published", change)


def cost_each(manifest: Manifest) -> tuple[float | None, str]:
    """What a published sample costs, and in what: US dollars, where a price was given, else
    GPU-hours, else tokens. Null where nothing is known."""
    published = manifest.funnel.get(PUBLISHED, 0)
    for unit in ("usd", "gpu_hours", "tokens"):
        spent = _spent(manifest, unit)
        if spent and published:
            return spent / published, unit
    return None, "usd"


def amount(value: float | None, unit: str) -> str:
    """With its unit."""
    if value is None:
        return "unknown"
    if unit == "usd":
        return f"${value:,.2f}" if value >= 1 else f"${value:.3g}"
    return f"{_compact(value)} {'GPU-h' if unit == 'gpu_hours' else 'tokens'}"


def _spent(manifest: Manifest | None, unit: str) -> float | None:
    cost = (manifest.provenance.get("cost") if manifest else None) or {}
    value: float | None = cost.get(unit)
    return value


def _made(manifest: Manifest | None, name: str) -> int | None:
    return manifest.provenance.get(name) if manifest else None


def _published(manifest: Manifest) -> float | None:
    samples = sum(manifest.funnel.values())
    return manifest.funnel.get(PUBLISHED, 0) / samples if samples else None


def _change(now: float | None, before: float | None) -> str | None:
    if now is None or before is None:
        return None
    if now == before:
        return "unchanged"
    if not before:
        return "new"
    return f"{(now - before) / before:+.1%}".replace("-", "−")


def _points(now: float | None, before: float | None) -> str | None:
    if now is None or before is None:
        return None
    points = round(100 * (now - before), 1)
    return f"{points:+.1f} points".replace("-", "−") if points else "unchanged"


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{share:.1%}"


def share(part: float, whole: float) -> str:
    """In percent, or a dash where there is no whole."""
    return f"{part / whole:.1%}" if whole else "–"


def _compact(value: float | None) -> str:
    return "unknown" if value is None else compact(value)


def funnel_table(report: Report) -> Table:
    """Every fate, beside the version before."""
    funnel, samples = report.manifest.funnel, sum(report.manifest.funnel.values())
    old = report.before.funnel if report.before else {}
    names = [*funnel, *(name for name in old if name not in funnel)]
    header = ["fate", "samples", "share", *(["before"] if old else [])]
    rows = [
        (
            label(name),
            f"{funnel.get(name, 0):,}",
            share(funnel.get(name, 0), samples),
            *([f"{old.get(name, 0):,}"] if old else []),
        )
        for name in names
    ]
    return Table("Samples by their fate", header, rows)


def words(name: str) -> str:
    """A bin as words."""
    return label(name.replace("_", " "))


def moment(text: str) -> str:
    """An ISO time as people read it; whatever else it is, as it is."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    except ValueError:
        return label(text)


def rates_table(manifest: Manifest) -> Table:
    """Prompts by the pass rate of their probes."""
    counts = manifest.survivorship.get("pass_rate", {})
    rows = [
        (words(name), *_kept(own, "prompts", "prompts_published")) for name, own in counts.items()
    ]
    header = ("pass rate", "prompts", "published", "kept")
    return Table("Prompts by the pass rate of their probes", header, rows)


def lengths_table(manifest: Manifest) -> Table:
    """Samples by their lengths."""
    counts = manifest.survivorship.get("tokens", {})
    rows = [(span(name), *_kept(own, "finished", "published")) for name, own in counts.items()]
    return Table("Samples by length", ("tokens", "finished", "published", "kept"), rows)


def span(name: str) -> str:
    """A bin of lengths."""
    if name in ("0", "1", UNKNOWN):
        return name
    return f"{int(name):,} – {2 * int(name) - 1:,}"


def origins_table(manifest: Manifest, origin: str) -> Table:
    """Samples by source or domain, the largest first."""
    counts = manifest.survivorship.get(origin, {})
    ordered = sorted(counts.items(), key=lambda item: (-item[1].get("samples", 0), item[0]))
    rows = [
        (
            label(name),
            f"{own.get('prompts', 0):,}",
            f"{own.get('prompts_published', 0):,}",
            *_kept(own, "samples", "samples_published"),
            _compact(own.get("tokens", 0)),
        )
        for name, own in ordered[:MOST]
    ]
    header = (origin, "prompts", "published", "samples", "published", "kept", "tokens")
    more = f", the largest {MOST} of {len(counts):,}" if len(counts) > MOST else ""
    return Table(f"Samples by {origin}{more}", header, rows)


def represented_table(manifest: Manifest) -> Table:
    """Weights before the choice and after it."""
    rows = [
        (str(row["bin"]), f"{row['drawn']:.1%}", f"{row['published']:.1%}", f"{row['factor']:.2f}×")
        for row in representation(manifest)
    ]
    return Table("Weight before and after the choice", ("", "before", "after", "factor"), rows)


def _kept(own: Mapping[str, int], before: str, after: str) -> tuple[str, str, str]:
    had, has = own.get(before, 0), own.get(after, 0)
    return f"{had:,}", f"{has:,}", share(has, had)


def waste_table(report: Report) -> Table:
    """Tokens by what became of their samples."""
    whole = sum(report.tokens.values())
    rows = [
        (label(fate), f"{tokens:,}", share(tokens, whole))
        for fate, tokens in sorted(report.tokens.items(), key=lambda item: (-item[1], item[0]))
    ]
    return Table("Tokens by the fate of their samples", ("fate", "tokens", "share"), rows)


def spent_table(manifest: Manifest) -> Table | None:
    """What all attempts have spent; null where nothing was recorded."""
    cost: Mapping[str, Any] = manifest.provenance.get("cost") or {}
    published = manifest.funnel.get(PUBLISHED, 0)
    units = {"tokens": "tokens", "gpu_hours": "GPU-hours", "usd": "US dollars"}
    rows = [
        (label, _number(cost[unit]), _number(cost[unit] / published) if published else "–")
        for unit, label in units.items()
        if cost.get(unit) is not None
    ]
    if not rows:
        return None
    return Table(
        "Spent since the pool began, also for samples that were cancelled or lost",
        ("", "spent", "a published sample"),
        rows,
    )


def _number(value: float) -> str:
    if isinstance(value, int) or value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def teachers_table(report: Report) -> Table:
    """What each teacher solves, and for how many tokens."""
    rows = [
        (
            label(row["teacher"]),
            f"{row['prompts']:,}",
            share(row["solved"], row["prompts"]),
            f"{row['samples']:,}",
            share(row["kept"], row["samples"]),
            _compact(row["tokens"]),
            f"{row['tokens'] / row['kept']:,.0f}" if row["kept"] else "–",
        )
        for row in report.teachers.iter_rows(named=True)
    ]
    header = ("teacher", "prompts", "solved", "samples", "kept", "tokens", "tokens a kept sample")
    return Table("Teachers of these prompts", header, rows)


def median_lengths(manifest: Manifest) -> str:
    """How long samples are, before the choice and after it."""
    counts = manifest.survivorship.get("tokens", {})
    finished, published = (middle(measured(counts, one)) for one in ("finished", "published"))
    if finished is None:
        return "How long samples are is not known."
    after = "no published length is known" if published is None else f"{span(published)} after it"
    most = (manifest.recipe.get("sampling") or {}).get("max_tokens")
    cut = f" Samples that reached {most:,} tokens were cut." if isinstance(most, int) else ""
    return f"The median is {span(finished)} tokens before the choice, and {after}.{cut}"
