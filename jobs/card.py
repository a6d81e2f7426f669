"""The dataset card of a version: Hugging Face front matter, and what a careful reader needs.

It is written from the manifest alone, so that a version that brings back an older one has one too.
"""

from collections.abc import Iterator
from typing import Final

from jobs import card_counts, card_making
from jobs.card_front import files_by_split, front_matter
from jobs.card_loading import loading
from jobs.changes import text_of_changes
from jobs.markdown import plain, table
from schemas.manifest import Manifest

ROWS: Final = {
    "sft": "a chosen sample: `messages` with the thinking between both tags; `prompt`, "
    "`reasoning`, `response` and `answer` are its parts, `scores` all that was found out about it",
    "preference": "two samples of a prompt, one right and one complete and wrong: `prompt`, "
    "`chosen` and `rejected` are lists of messages",
    "rl": "a prompt with its `reference_answer`, its `verifier`, and how often the teacher solves "
    "it: `pass_rate`, with its 95 % interval",
    "reward": "a complete sample, right or wrong (`label`) by a verifier: `prompt` and "
    "`completion` are lists of messages",
    "raw": "a drawn sample, whatever became of it (`fate`): `text` is what the model wrote",
}


def card(manifest: Manifest) -> str:
    """README.md of a version, naming its files exactly."""
    sections = "\n\n".join(f"## {title}\n\n{text}" for title, text in _sections(manifest))
    return f"---\n{front_matter(manifest)}---\n\n{_head(manifest)}\n\n{sections}\n"


def _head(manifest: Manifest) -> str:
    rows = [
        (
            f"`{output}`",
            ROWS.get(output, ""),
            ", ".join(
                f"{split} {sum(file.rows or 0 for file in files):,}"
                for split, files in files_by_split(manifest, output).items()
            ),
            f"{count:,}",
        )
        for output, count in manifest.rows.items()
    ]
    return f"""# {manifest.name} {manifest.version}

Reasoning samples for {manifest.prompts:,} prompts, written by {plain(manifest.teacher["name"])},
scored, and chosen by the rules below.

{table(("config", "a row is", "splits", "rows"), rows, words=3)}{_notes(manifest)}"""


def _notes(manifest: Manifest) -> str:
    return _changes(manifest) + _forced(manifest) + _report(manifest)


def _forced(manifest: Manifest) -> str:
    """Of a version that does not meet its gates."""
    forced = manifest.provenance.get("forced")
    if not forced:
        return ""
    found = "\n".join(f"- {plain(one['gate'])}: {plain(one['message'])}" for one in forced["gates"])
    return (
        f"\n\n**It does not meet the gates of its recipe**, and was published all the same, for "
        f"this reason: {plain(forced['reason'])}.\n\n{found}"
    )


def _changes(manifest: Manifest) -> str:
    """Not for a first version, of which all is new."""
    if not (told := text_of_changes(manifest)):
        return ""
    return (
        f"\n\n{told[0].upper()}{told[1:]}. `changes.parquet` names each of these rows, so that one "
        "can train on the difference."
    )


def _report(manifest: Manifest) -> str:
    """Not for a version that brings back an older one, whose page lies elsewhere."""
    if not any(file.path == "report.html" and file.version is None for file in manifest.files):
        return ""
    return (
        "\n\n`report.html`, beside this file, is a page for people: where samples went, how scores "
        "and lengths are spread, and samples to read, kept beside rejected. It needs no network."
    )


def _sections(manifest: Manifest) -> Iterator[tuple[str, str]]:
    samples = sum(manifest.funnel.values())
    yield "Load", loading(manifest)
    yield "Prompts", card_making.prompts(manifest)
    yield "Teacher", card_making.teacher(manifest)
    yield "Scorers", card_making.scorers(manifest)
    yield "Kept and chosen", card_making.rules(manifest)
    yield f"Where all {samples:,} samples went", card_counts.funnel(manifest)
    if manifest.mix:
        yield "Mix", card_counts.report(manifest.mix)
    if manifest.splits:
        yield "Splits", card_counts.report(manifest.splits)
    yield "What was lost", card_counts.survivorship(manifest)
    yield "Leaks", card_making.leaks(manifest)
    yield "Tokens and cost", card_counts.cost(manifest)
    yield "Limits", card_making.limits(manifest)
    yield "Proof", _proof(manifest)


def _proof(manifest: Manifest) -> str:
    made = manifest.provenance
    created = plain(made.get("created_at", "at an unknown time"))
    return (
        f"Made by Stillhouse, {created}. Recipe, cut and the checksum of every file are in "
        f"`manifest.json`; the content digest is `{manifest.content_digest}`. "
        f"`stillhouse verify {manifest.name}@{manifest.version}` checks every byte."
    )
