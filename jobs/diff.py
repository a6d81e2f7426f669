"""Diff: what two versions have in common, what came, what went and why, and what it cost."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from infra.changes import changes_between
from infra.version import Version, open_version
from jobs.changed_fields import changed_values
from jobs.tell import Told, funnel_text, table
from schemas.changes import ADDED, CHANGED, DROPPED
from schemas.errors import VersionError
from schemas.manifest import Manifest

NEW_PROMPT, MORE_OF_IT = "of a new prompt", "another sample of a prompt that was there"
NO_PROMPT, OTHER_OF_IT = "its prompt is gone", "others of its prompt are there"


def diff(store: str, before: str, after: str) -> Told:
    """Compares two versions, of one dataset or of two. VersionError where one is not there."""
    versions = [open_version(name, store) for name in (before, after)]
    manifests = [version.manifest for version in versions]
    output = _compared_output(*versions)
    prompts = [_prompts(version, output) for version in versions]
    data = {
        "before": versions[0].name,
        "after": versions[1].name,
        "output": output,
        "outputs": _compared_outputs(*manifests),
        "same_content": manifests[0].content_digest == manifests[1].content_digest,
        "rows": _compared_rows(versions, output, *prompts),
        "prompts": _compared_prompts(*prompts),
        "funnel": {"before": manifests[0].funnel, "after": manifests[1].funnel},
        "recipe": dict(changed_values(*(_with_order(manifest.recipe) for manifest in manifests))),
        "made_by": dict(changed_values(*(_makers(manifest) for manifest in manifests))),
        "cost": {
            when: manifest.provenance.get("cost")
            for when, manifest in zip(("before", "after"), manifests, strict=True)
        },
    }
    return _text(data), data


def _compared_output(before: Version, after: Version) -> str:
    """The one whose rows are compared: the first that both have."""
    for output in after.manifest.rows:
        if output in before.manifest.rows:
            return output
    raise VersionError(
        f"{before.name} and {after.name} have no output in common: they have "
        f"{', '.join(before.manifest.rows)} and {', '.join(after.manifest.rows)}"
    )


def _compared_outputs(before: Manifest, after: Manifest) -> dict[str, dict[str, int]]:
    return {
        output: {"before": before.rows.get(output, 0), "after": after.rows.get(output, 0)}
        for output in dict.fromkeys((*after.rows, *before.rows))
    }


def _prompts(version: Version, output: str) -> set[str]:
    """Those that have rows."""
    rows = version.scan(output, None).select(pl.col("prompt_id").unique())
    return {*rows.collect(engine="streaming")["prompt_id"]}


def _compared_rows(
    versions: Sequence[Version], output: str, old: set[str], new: set[str]
) -> dict[str, Any]:
    before, after = versions
    changes = pl.concat(changes_between(before, after, output))
    columns = [{*version.scan(output, None).collect_schema()} for version in versions]
    changed = changes.filter(pl.col("change") == CHANGED)["columns"]
    return {
        "before": before.manifest.rows[output],
        "after": after.manifest.rows[output],
        "added": _counted(changes, ADDED, old, NEW_PROMPT, MORE_OF_IT),
        "dropped": _counted(changes, DROPPED, new, NO_PROMPT, OTHER_OF_IT),
        "changed": len(changed),
        "changed_columns": dict(changed.explode().value_counts().sort("columns").iter_rows()),
        "columns_of_one": sorted(columns[0] ^ columns[1]),
    }


def _counted(
    changes: pl.DataFrame, change: str, others: set[str], alone: str, beside: str
) -> dict[str, int]:
    """Rows that one version alone has, by whether the other has their prompts."""
    own = changes.filter(pl.col("change") == change)["prompt_id"]
    known = sum(prompt in others for prompt in own)
    counts = {alone: len(own) - known, beside: known}
    return {why: count for why, count in counts.items() if count}


def _compared_prompts(old: set[str], new: set[str]) -> dict[str, int]:
    return {
        "before": len(old),
        "after": len(new),
        "added": len(new - old),
        "dropped": len(old - new),
    }


def _with_order(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe, and in which order its splits and strata stand: it counts."""
    strata = (recipe.get("mix") or {}).get("strata", {})
    order = {"splits": [*recipe.get("splits", {})], "mix.strata": [*strata]}
    return {**recipe, "order": order}


def _makers(manifest: Manifest) -> dict[str, Any]:
    """Teacher, scorers, code and prompts: what, beside the recipe, rows depend on."""
    cut = manifest.cut
    return {
        "teacher": manifest.teacher["id"],
        "scorers": manifest.scorers,
        "code": cut.code,
        "prompts": cut.prompts,
        "pool": cut.tables,
    }


def _text(data: Mapping[str, Any]) -> str:
    rows, prompts = data["rows"], data["prompts"]
    lines = [
        f"{data['before']} → {data['after']}"
        + ("  (the same content)" if data["same_content"] else ""),
        f"rows      {rows['before']:,} → {rows['after']:,} of {data['output']}",
        *(f"  added   {count:,} {why}" for why, count in rows["added"].items()),
        *(f"  dropped {count:,}: {why}" for why, count in rows["dropped"].items()),
        *([f"  changed {rows['changed']:,}: {_columns(rows)}"] if rows["changed"] else ()),
        *(
            [f"  columns of one alone: {', '.join(rows['columns_of_one'])}"]
            if rows["columns_of_one"]
            else ()
        ),
        *(
            f"{name:9} {count['before']:,} → {count['after']:,}"
            for name, count in data["outputs"].items()
            if name != data["output"]
        ),
        f"prompts   {prompts['before']:,} → {prompts['after']:,} "
        f"({prompts['added']:,} added, {prompts['dropped']:,} dropped)",
        *(
            f"{what:9} {name}: {_brief(before)} → {_brief(after)}"
            for what, facts in (("recipe", data["recipe"]), ("made by", data["made_by"]))
            for name, (before, after) in facts.items()
        ),
    ]
    funnel = funnel_text(data["funnel"]["after"], data["funnel"]["before"], beside="before")
    return "\n".join(lines) + f"\n\n{funnel}\n\n{_cost_text(data['cost'])}"


def _columns(rows: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} of {count:,}" for name, count in rows["changed_columns"].items())


def _brief(value: Any) -> str:
    text = "-" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _cost_text(cost: Mapping[str, Any]) -> str:
    before, after = ({} if cost[when] is None else cost[when] for when in ("before", "after"))
    names = dict.fromkeys((*before, *after))
    lines = [(name, _amount(after.get(name)), _amount(before.get(name))) for name in names]
    return table(lines, ("spent so far", "after", "before"))


def _amount(value: float | None) -> str:
    return "-" if value is None else f"{value:,}"
