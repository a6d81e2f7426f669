"""What commands tell: a text for people and a JSON object for programs."""

from collections.abc import Mapping, Sequence
from typing import Any

from infra.catalog import Catalog
from jobs.decide import Decided, summary
from jobs.generate import Generated
from jobs.publish import Published
from jobs.recipe import Job
from jobs.run import Ran
from schemas.manifest import Manifest

Told = tuple[str, dict[str, Any]]
QUOTA = ("wanted", "available", "taken")


def table(rows: Sequence[tuple[str, ...]], header: tuple[str, ...], words: int = 1) -> str:
    """Columns of text; `words` of them from the left are that, the others numbers."""
    lines = [header, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i < words else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "-"


def funnel_text(
    funnel: dict[str, int], before: dict[str, int] | None = None, beside: str = "last version"
) -> str:
    """Where the samples went; beside it, where they went in another version."""
    total = sum(funnel.values())
    fates = [*funnel, *(fate for fate in before or {} if fate not in funnel)]
    rows = []
    for fate in fates:
        now = funnel.get(fate, 0)
        row = (fate, f"{now:,}", _share(now, total))
        rows.append(row if before is None else (*row, f"{before.get(fate, 0):,}"))
    header: tuple[str, ...] = ("fate of the samples", "samples", "share")
    return table(rows, header if before is None else (*header, beside))


def generated(done: Generated) -> Told:
    """What a generate or score stage did."""
    data = {"stage": "generate", **done.__dict__}
    if done.attempt is None and done.limit is not None:
        return f"nothing was begun, the budget is used up ({done.limit})", data
    if done.attempt is None:
        return "nothing to generate or to score: everything exists already", data
    text = (
        f"attempt {done.attempt}: {done.prompts_added:,} new prompts, {done.drawn:,} samples drawn "
        f"({done.failed:,} failed, {done.cancelled:,} cancelled, {done.tokens:,} tokens"
    )
    if done.tokens:
        text += f" in {done.working_s:,.0f} s, {done.tokens / done.working_s:,.0f} tokens/s"
    text += f"), {done.scored:,} old samples scored"
    if done.limit is not None:
        text += (
            f"\nended by the budget ({done.limit}); {done.put_off:,} prompts were put off, since "
            "others brought more for it. What there is is kept; a larger budget goes on"
        )
    return text, data


def _decided_text(decided: Decided, before: Manifest | None = None) -> str:
    facts = summary(decided)
    head = (
        f"{facts['samples']:,} samples of {facts['prompts']:,} prompts; {facts['published']:,} "
        f"published of {facts['prompts_published']:,} prompts; {facts['unsettled']:,} unsettled"
    )
    if decided.prefix is not None:
        head += f"; target {decided.target}"
    if [*decided.rows] != ["sft"]:
        rows = ", ".join(f"{name} {count:,}" for name, count in decided.rows.items())
        head += f"\nrows of outputs: {rows}"
    if decided.mix:
        head += f"\n\n{_mix_text(decided.mix)}"
    return f"{head}\n\n{funnel_text(dict(decided.funnel), before.funnel if before else None)}"


def _mix_text(mix: Mapping[str, Any]) -> str:
    rows = [
        (name, "" if one["met"] else "missed", *(f"{one[key]:,}" for key in QUOTA))
        for name, one in mix["strata"].items()
    ]
    text = table(rows, (f"stratum, in {mix['measure']}", "", *QUOTA), words=2)
    limit = mix["limited_by"]
    return text if limit is None else f"{text}\n{limit} has too few for more of all at these shares"


def dry_build(job: Job, decided: Decided) -> Told:
    """What a build would choose, beside the last version."""
    last = Catalog(job.store, job.recipe.name).latest()
    data = {"stage": "build", "dry_run": True, **summary(decided)}
    data["last_version"] = last and last.version
    return f"{_decided_text(decided, last)}\n\ndry run: nothing was published", data


def published(job: Job, decided: Decided, done: Published) -> Told:
    """The version that a build published, or found to be unchanged."""
    name = f"{job.recipe.name}@{done.version}"
    line = (
        f"published {name}" if done.fresh else f"unchanged: {name} already has exactly this content"
    )
    text = (
        f"{_decided_text(decided)}\n\n{line}\n"
        f"  data      {done.location}\n"
        f"  report    {done.location}/report.html\n"
        f"  card      {done.location}/README.md\n"
        f"  manifest  {done.location}/manifest.json"
    )
    data = {
        "stage": "build",
        "status": "published" if done.fresh else "unchanged",
        "version": done.version,
        "location": done.location,
        **summary(decided),
    }
    return text, data


def ran(job: Job, done: Ran) -> Told:
    """What a whole run did."""
    first, generation = generated(done.generated)
    if done.published is None:
        second, data = dry_build(job, done.decided)
    else:
        second, data = published(job, done.decided, done.published)
    nothing = done.generated.attempt is None and data.get("status") == "unchanged"
    text = f"{first}\n\n{second}" + ("\n\nnothing to do" if nothing else "")
    return text, {**data, "stage": "run", "generated": generation}
