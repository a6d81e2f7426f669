"""The parts of a card that say how a version was made: prompts, teacher, scorers, rules, leaks."""

import json
from collections.abc import Mapping
from typing import Any

from filters.measured import AT_FIRST_SIGHT, OF_TEXTS, measured_errors
from jobs.markdown import code, plain, table
from schemas.manifest import Manifest

NOT_STATED = "not stated"


def prompts(manifest: Manifest) -> str:
    """Sources, with their licences."""
    rows = [
        (
            plain(source.get("source") or source["path"].rpartition("/")[2]),
            plain(source["domain"]),
            plain(source.get("license") or NOT_STATED),
        )
        for source in manifest.recipe["prompts"]
    ]
    found = ", ".join(f"{n:,} {plain(reason)}" for reason, n in manifest.prompts_left_out.items())
    raw = " Samples that were there before are in `raw`." if "raw" in manifest.rows else ""
    left_out = f"\n\nPrompts that nothing is drawn for: {found}.{raw}" if found else ""
    return (
        f"{table(('source', 'domain', 'licence'), rows, words=3)}\n\n{manifest.prompts:,} prompts "
        "have published samples. Nobody has recorded which languages they are in."
        f"{left_out}"
    )


def teacher(manifest: Manifest) -> str:
    """Who wrote the samples, and how tokens were drawn."""
    own, recipe = manifest.recipe["teacher"], manifest.recipe
    revision = own.get("revision") or manifest.teacher.get("weights")
    stated = (
        f"{plain(own['license'])} (as the recipe states it)"
        if own.get("license")
        else "not stated by the recipe: read the licence of the model before you train on them"
    )
    lines = [
        f"model: {plain(manifest.teacher['name'])}",
        f"revision: {plain(revision or NOT_STATED)}",
        f"licence of its outputs: {stated}",
        f"engine: {plain(own['engine'])} {_engine_versions(manifest)}".rstrip(),
        f"engine arguments: {_facts(own.get('engine_args') or {}) or 'none'}",
        f"system prompt: {code(own['system']) if own.get('system') else 'none'}",
        f"sampling: {_facts(recipe['sampling'])}",
        f"samples of a prompt: {_facts(recipe.get('samples', {}))}",
    ]
    return "\n".join(f"- {line}" for line in lines)


def _engine_versions(manifest: Manifest) -> str:
    return ", ".join(map(plain, manifest.provenance.get("engine_versions", [])))


def _facts(facts: Mapping[str, Any]) -> str:
    """Those that say something, in one line."""
    said = {name: value for name, value in facts.items() if value not in (None, (), [])}
    return ", ".join(
        f"{plain(name)} {code(json.dumps(value, ensure_ascii=False))}"
        for name, value in said.items()
    )


def scorers(manifest: Manifest) -> str:
    """What judged the samples, and how often it errs."""
    versions: Mapping[str, int] = manifest.provenance.get("scorer_versions", {})
    domains = manifest.recipe["scorers"]
    rows = []
    for name in manifest.scorers:
        asked = [domain for domain, names in domains.items() if name in names]
        judges = "all" if "*" in asked else ", ".join(map(plain, asked))
        version = versions.get(name)
        errors = plain(measured_errors(name, version))
        rows.append((plain(name), judges, NOT_STATED if version is None else version, errors))
    header = ("scorer", "domains", "version", "measured errors")
    told = f"\n\n{AT_FIRST_SIGHT}" if OF_TEXTS & set(manifest.scorers) else ""
    ids = ", ".join(f"{plain(name)} {code(own)}" for name, own in manifest.scorers.items())
    return (
        f"{table(header, rows, words=4)}\n\nMeasured by Stillhouse on its own sets "
        f"(docs/benchmarks.md there), not on this dataset.{told} Identities, which depend on the "
        f"libraries too: {ids}."
    )


def rules(manifest: Manifest) -> str:
    """What was kept, and what of it was chosen."""
    recipe = manifest.recipe
    kept = "\n".join(f"- {plain(name)}: {code(rule)}" for name, rule in recipe["keep"].items())
    preset = recipe.get("preset")
    start = f"By the preset {plain(preset)}. " if preset else ""
    chosen = _facts(recipe.get("choose", {}))
    pairs = f" Pairs: {_facts(recipe.get('pairs', {}))}." if "preference" in manifest.rows else ""
    return (
        f"{start}A sample is kept if all of these are true:\n\n{kept}\n\nChosen: {chosen}.{pairs}"
    )


def leaks(manifest: Manifest) -> str:
    """What was looked for, how, and what was found."""
    sets = manifest.recipe.get("decontaminate", [])
    if not sets:
        return "Nobody has compared the prompts with evaluation sets."
    names = ", ".join(code(one["name"] or one["path"]) for one in sets)
    found = ", ".join(f"{n:,} {plain(reason)}" for reason, n in manifest.prompts_left_out.items())
    written = (
        "What the teacher wrote was compared too: thirteen words in a row that a question has and "
        "the sample's prompt has not are `leaks.reason`; what came of it is up to the rules above."
        if "leaks" in manifest.scorers
        else "What the teacher wrote was not compared with them."
    )
    return (
        f"The prompts were compared with {names}: without regard to case, spaces, punctuation and "
        "LaTeX style, a prompt is leaked if at least half of a question's runs of three words are "
        "in it, or thirteen words in a row. Translations and paraphrases are not found. Prompts "
        f"left out: {found or 'none'}. {written}"
    )


def limits(manifest: Manifest) -> str:
    """What a reader must not expect."""
    found = manifest.teacher.get("canned_answers")
    canned = (
        "Nobody has looked for answers that recite a political line."
        if found is None
        else f"Of all samples of this teacher, {found:,} answer with a political line that they "
        "recite (`refusal.canned`, English and Chinese); models that are trained on such answers "
        "take them over."
    )
    lines = [
        "The answers were checked by rules, not by people, and the thinking was not checked for "
        "being right: a right answer may follow from wrong steps.",
        "What the teacher believes, prefers and gets wrong is in its texts.",
        canned,
        "Around `response` there is no blank space, and around `reasoning` no line break: what the "
        "model wrote, byte by byte, is in the output `raw`, if this version has one.",
    ]
    return "\n".join(f"- {line}" for line in lines)
