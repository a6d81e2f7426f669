"""The dataset card of a version: Hugging Face front matter, and what a careful reader needs."""

from typing import Any

import yaml

from schemas.manifest import Manifest

SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"))


def card(manifest: Manifest) -> str:
    """README.md of a version, naming its files exactly."""
    front = yaml.safe_dump(_front_matter(manifest), sort_keys=False, allow_unicode=True)
    return f"---\n{front}---\n\n{_body(manifest)}"


def _front_matter(manifest: Manifest) -> dict[str, object]:
    rows = sum(manifest.rows.values())
    licenses = {source.get("license") or "" for source in manifest.recipe["prompts"]}
    one = licenses.pop() if len(licenses) == 1 else ""
    return {
        "pretty_name": f"{manifest.name} {manifest.version}",
        "license": one.lower() or "other",
        "task_categories": ["text-generation"],
        "tags": ["synthetic", "reasoning", "stillhouse"],
        "size_categories": [next((name for size, name in SIZES if rows < size), "n>1M")],
        "configs": [
            {
                "config_name": output,
                "data_files": [{"split": "train", "path": _paths(manifest, output)}],
            }
            for output in manifest.rows
        ],
    }


def _paths(manifest: Manifest, output: str) -> list[str]:
    return [file.path for file in manifest.files if file.path.startswith(f"{output}/")]


def _source_line(source: dict[str, Any]) -> str:
    name = source.get("source") or source["path"]
    return f"- {name} (domain {source['domain']}, licence {source.get('license') or 'not stated'})"


def _target(manifest: Manifest) -> str:
    if manifest.target is None:
        return ""
    return f" The target of {manifest.recipe['target']['published']:,} rows was {manifest.target}."


def _canned(manifest: Manifest) -> str:
    found = manifest.teacher.get("canned_answers")
    if found is None:
        return "Nobody has looked for answers that recite a political line."
    return (
        f"Of all samples of this teacher, {found:,} answer with a political line that they recite "
        "(`refusal.canned`, English and Chinese); models that are trained on such answers take "
        "them over."
    )


def _leaks(manifest: Manifest) -> str:
    """What was looked for, how, and what was found."""
    sets = manifest.recipe.get("decontaminate", [])
    if not sets:
        return "Nobody has compared the prompts with evaluation sets."
    names = ", ".join(f"`{one['name'] or one['path']}`" for one in sets)
    found = ", ".join(f"{n:,} `{reason}`" for reason, n in manifest.prompts_left_out.items())
    return (
        f"The prompts were compared with {names}: without regard to case, spaces, punctuation and "
        "LaTeX style, a prompt is leaked if at least half of a question's runs of three words are "
        "in it, or thirteen words in a row. Translations and paraphrases are not found. Prompts "
        f"left out: {found or 'none'}."
    )


def _load(manifest: Manifest) -> str:
    """How to read it. The paths in the front matter are those of a folder that was pulled, also
    where files lie with an older version: `../v0001/…` would be found in the store, if that is a
    folder, and nowhere else."""
    older = sorted({file.version for file in manifest.files if file.version})
    folder, first = "path/to/this/folder", ""
    if older:
        folder = f"data/{manifest.name}"
        first = (
            f"This version brings back an older one. Its data files lie with {', '.join(older)}, "
            "not in this folder; bring them together first:\n\n"
            f"```\nstillhouse pull {manifest.name}@{manifest.version} {folder}\n```\n\n"
        )
    return f"""{first}```python
from datasets import load_dataset

rows = load_dataset("{folder}", split="train")
rows[0]["messages"]
```"""


def _body(manifest: Manifest) -> str:
    samples = sum(manifest.funnel.values())
    sampling = ", ".join(f"{k} {v}" for k, v in manifest.recipe["sampling"].items() if v != ())
    funnel = "\n".join(
        f"| {fate} | {n:,} | {n / samples:.1%} |" for fate, n in manifest.funnel.items()
    )
    sources = "\n".join(_source_line(source) for source in manifest.recipe["prompts"])
    rules = "\n".join(f"- `{name}`: `{rule}`" for name, rule in manifest.recipe["keep"].items())
    return f"""# {manifest.name} {manifest.version}

{manifest.rows["sft"]:,} reasoning samples of {manifest.prompts:,} prompts, written by
`{manifest.teacher["name"]}` ({sampling}), scored, and chosen by the rules below.

## Load

{_load(manifest)}

`messages` holds the thinking between `<think>` and `</think>` in the assistant's content.
**DeepSeek-R1's own chat template deletes everything before `</think>`**: train with a template
that keeps it.
`reasoning`, `response` and `answer` hold the parts, `scores` all that was found out about a sample.

## Prompts

{sources}

## Kept if

{rules}

## Where all {samples:,} samples went

| fate | samples | share |
| --- | ---: | ---: |
{funnel}

{manifest.unsettled:,} prompts could still get more samples under this recipe.{_target(manifest)}

## Leaks

{_leaks(manifest)}

## Limits

The answers were checked by rules, not by people. Prompts that the teacher never solved are not
in here, so easy ones weigh more than they did among the prompts. {_canned(manifest)}
Recipe, cut and checksums are in `manifest.json`; the content digest is
`{manifest.content_digest}`.
"""
