"""Gates: what a version has to meet before it is published."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from filters.leaked_text import ANSWER, THINKING
from filters.leaks import Questions, leaks
from filters.outputs import OUTPUTS
from filters.survivorship import Counts
from infra.catalog import Catalog
from jobs.build import Built
from jobs.evaluation import evaluation_questions
from jobs.questions import questions
from jobs.recipe import Job
from schemas.manifest import Manifest

FEW_ROWS = 30
"""A source with fewer rows in the last version says nothing by its share."""

Drop = tuple[str, str, float | None, float | None, str]
"""The gate, what it is about, what it is now and before (null: not known), how it is written."""
ROUNDING = 1e-9
"""A drop from 1 to 0.7 is one of 0.3, and not a little more."""


@dataclass(frozen=True)
class Breach:
    """A gate that a version does not meet."""

    gate: str
    """The recipe's field, or `rolled_back`."""
    limit: float
    found: float
    before: float | None
    """What the last version has, where the gate is about that."""
    message: str

    def facts(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def breaches(
    job: Job, built: Built, manifest: Manifest, before: Manifest | None
) -> tuple[Breach, ...]:
    """What a version that was built does not meet of the recipe's gates, beside the last one."""
    return (
        *_of_itself(job, manifest),
        *_of_leaks(job, built),
        *(() if before is None else _against(job, manifest, before)),
        *(() if before is None else _rolled_back(job, manifest, before)),
    )


def _rolled_back(job: Job, manifest: Manifest, before: Manifest) -> Iterator[Breach]:
    """Somebody has put an older version in the place of this content: a refresh at night must not
    bring it again."""
    restored = before.provenance.get("brings_back")
    if restored is None:
        return
    catalog = Catalog(job.store, job.recipe.name)
    versions = catalog.versions()
    for version in versions[versions.index(restored) + 1 :] if restored in versions else ():
        if catalog.manifest(version).content_digest == manifest.content_digest:
            message = (
                f"{before.version} has brought {restored} back in place of {version}, which has "
                "this content"
            )
            yield Breach("rolled_back", 0, 1, None, message)
            return


def _of_itself(job: Job, manifest: Manifest) -> Iterator[Breach]:
    gates, rows = job.recipe.gates, next(iter(manifest.rows.values()), 0)
    if gates.min_published is not None and rows < gates.min_published:
        output = next(iter(manifest.rows), "sft")
        yield Breach(
            "min_published",
            gates.min_published,
            rows,
            None,
            f"{rows:,} rows of {output}, and it wants {gates.min_published:,}",
        )
    by_source = _rows_by_source(manifest)
    total = sum(by_source.values())
    for source, count in sorted(by_source.items()):
        share = count / total
        if gates.max_source_share is not None and share > gates.max_source_share + ROUNDING:
            yield Breach(
                "max_source_share",
                gates.max_source_share,
                share,
                None,
                f"source {source or 'without a name'} has {share:.1%} of the rows, and it wants at "
                f"most {gates.max_source_share:.1%}",
            )


def _against(job: Job, manifest: Manifest, before: Manifest) -> Iterator[Breach]:
    gates, last = job.recipe.gates, before.version
    for gate, what, now, then, form in _drops(manifest, before):
        most: float | None = getattr(gates, gate)
        if most is None or now is None or not then or 1 - now / then <= most + ROUNDING:
            continue
        message = (
            f"{what} {now:{form}} is {1 - now / then:.0%} below the {then:{form}} of {last}, and "
            f"it wants at most {most:.0%}"
        )
        yield Breach(gate, most, now, then, message)


def _drops(manifest: Manifest, before: Manifest) -> Iterator[Drop]:
    yield "max_keep_rate_drop", "keep rate", _keep_rate(manifest), _keep_rate(before), ".1%"
    yield "max_mean_length_drop", "mean tokens", _length(manifest), _length(before), ",.0f"
    own, earlier = _rows_by_source(manifest), _rows_by_source(before)
    both = _sources(manifest) & _sources(before)
    for source in sorted(name for name in both if earlier.get(name, 0) >= FEW_ROWS):
        now, then = (_share(rows, source, both) for rows in (own, earlier))
        what = f"share of source {source or 'without a name'}"
        yield "max_source_share_drop", what, now, then, ".1%"


def _keep_rate(manifest: Manifest) -> float | None:
    """Null in versions that did not count the kept samples, or have none."""
    samples = sum(manifest.funnel.values())
    return None if manifest.kept is None or not samples else manifest.kept / samples


def _length(manifest: Manifest) -> float | None:
    """Mean tokens of the published samples; null where that was not counted."""
    by_domain = _measured(manifest, "domain")
    samples = sum(own.get("samples_published", 0) for own in by_domain.values())
    tokens = sum(own.get("tokens_published", 0) for own in by_domain.values())
    return tokens / samples if samples else None


def _rows_by_source(manifest: Manifest) -> dict[str, int]:
    by_source = _measured(manifest, "source").items()
    return {name: rows for name, own in by_source if (rows := own.get("samples_published", 0))}


def _sources(manifest: Manifest) -> set[str]:
    """Those that samples were drawn for."""
    return {name for name, own in _measured(manifest, "source").items() if own.get("prompts", 0)}


def _measured(manifest: Manifest, dimension: str) -> dict[str, dict[str, int]]:
    counts: Counts = manifest.survivorship
    return counts.get(dimension, {})


def _share(rows: dict[str, int], source: str, sources: set[str]) -> float:
    total = sum(rows.get(name, 0) for name in sources)
    return rows.get(source, 0) / total if total else 0.0


def _of_leaks(job: Job, built: Built) -> Iterator[Breach]:
    if not job.recipe.gates.no_leaks:
        return
    leaking = _leaking_prompts(job, built)
    rows = sum(
        _leaking_rows(job, built, output, leaking)
        for output in built.decided.rows
        if not OUTPUTS[output].everything
    )
    if rows:
        yield Breach(
            "no_leaks",
            0,
            rows,
            None,
            f"{rows:,} rows have a question of an evaluation set in their prompt, or in what was "
            "written",
        )


def _leaking_prompts(job: Job, built: Built) -> pl.Series:
    """`prompt_id` of those that leak, whatever the rules make of it."""
    frame, sets = built.prompts.frame, evaluation_questions(job.recipe.decontaminate)
    flags = leaks(questions(frame["messages"], job.recipe.prompts), Questions(sets))
    return frame["prompt_id"].filter(flags["prompt.leaked"])


def _leaking_rows(job: Job, built: Built, output: str, leaking: pl.Series) -> int:
    options = job.store.storage_options()
    staged = [key for path, key in built.staged.items() if path.startswith(f"{output}/")]
    asked = pl.col("prompt_id").is_in(leaking.implode())
    total = 0
    for key in staged:
        rows = pl.scan_parquet(job.store.uri(key), glob=False, storage_options=options)
        written = pl.lit(value=False)
        if "leaks" in job.scorers and "scores" in rows.collect_schema():
            reason = pl.col("scores").struct.field("leaks").struct.field("reason")
            written = reason.is_in([ANSWER, THINKING]).fill_null(value=False)
        total += rows.select((asked | written).sum()).collect().item()
    return total
