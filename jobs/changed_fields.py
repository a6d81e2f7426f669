"""What a recipe says otherwise than the last version's, as far as identities hang on it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from pydantic import ValidationError

from filters.scorer import NeedsQuestions
from jobs.recipe import SCHEDULING_ONLY, Job
from schemas.identity import canonical_json
from schemas.manifest import Manifest
from schemas.recipe import PromptSource, SamplingParameters

Identity = Literal["teacher_id", "prompt_id", "reference_id", "scorer_id"]
MODEL = ("simulated", "weights", "model", "revision")
"""What `Job.model` has, beside other things in a manifest."""
NOT_IDENTITY = frozenset(["sampling.max_tokens"])
SHOWN = 48
"""Characters of a value that is told."""
COMMON = 12
"""Of these, how many before the first that differ."""


class Bought(NamedTuple):
    """Samples that exist, and would be drawn again."""

    samples: int
    tokens: int
    gpu_hours: float | None
    """By the speed so far; null, as `usd`, where it is not known."""
    usd: float | None

    @property
    def text(self) -> str:
        """For a person."""
        parts = [f"{self.tokens:,} tokens"]
        parts += [] if self.gpu_hours is None else [f"{self.gpu_hours:,.1f} GPU-hours"]
        parts += [] if self.usd is None else [f"{self.usd:,.2f} US dollars"]
        return f"{self.samples:,} samples ({', '.join(parts)})"


@dataclass(frozen=True)
class Change:
    """Something that is not as it was for the last version."""

    field: str
    """Dotted name in the recipe; what changed outside of it has the field that names it."""
    before: str | None = None
    after: str | None = None
    """Both shortened; null where `why` says it."""
    why: str = ""
    identity: Identity | None = None
    """Null where no identity hangs on it, and something else is chosen."""
    scorer: str | None = None
    """Whose identity it is."""
    drawn: Bought | None = None
    """What it alone would have drawn again. Fields that change the same identity have the same."""
    scores: int | None = None
    """How many it would have computed."""
    prompts: int | None = None
    """How many have another identity, where it is theirs."""

    @property
    def what(self) -> str:
        """The change without its price."""
        name = self.field if self.scorer is None else f"scorer {self.scorer}"
        told = f"{self.before} → {self.after}" if self.before is not None else ""
        if not self.why:
            return f"{name} {told}"
        return f"{name}: {self.why}" + (f" ({told})" if told else "")

    @property
    def text(self) -> str:
        """For a person, in one line."""
        if self.identity in ("teacher_id", "prompt_id"):
            bought = "nothing" if self.drawn is None or not self.drawn.samples else self.drawn.text
            return f"{self.what}: {self.identity}; {bought} would be drawn again"
        if self.identity is not None:
            own = f"{self.identity}; " if self.scorer is None else ""
            return f"{self.what}: {own}{self.scores or 0:,} scores computed again, nothing drawn"
        return self.what

    @property
    def as_json(self) -> dict[str, Any]:
        """As JSON values, with `text`."""
        return {**vars(self), "drawn": self.drawn and self.drawn._asdict(), "text": self.text}


def changed_values(
    before: Mapping[str, Any], after: Mapping[str, Any]
) -> Iterator[tuple[str, list[Any]]]:
    """Dotted names of what is not the same, with both values; null where there is none."""
    old, new = dict(_leaves(before, "")), dict(_leaves(after, ""))
    for name in dict.fromkeys((*old, *new)):
        if canonical_json(old.get(name)) != canonical_json(new.get(name)):
            yield name, [old.get(name), new.get(name)]


def _leaves(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, f"{name}.{key}" if name else str(key))
    else:
        yield name, value


def brief(before: Any, after: Any) -> tuple[str, str]:
    """Both values in one line each; of long ones what is around their first difference."""
    old, new = _line(before), _line(after)
    pairs = enumerate(zip(old, new, strict=False))
    same = next((i for i, (a, b) in pairs if a != b), min(len(old), len(new)))
    start = max(0, same - COMMON) if max(len(old), len(new)) > SHOWN else 0
    return _cut(old, start), _cut(new, start)


def _line(value: Any) -> str:
    if value is None:
        return "-"
    text = json.dumps(value, ensure_ascii=False)
    return text[1:-1] if isinstance(value, str) else text


def _cut(text: str, start: int) -> str:
    shown = text[start : start + SHOWN]
    return ("…" if start else "") + shown + ("…" if start + SHOWN < len(text) else "")


def teacher_changes(job: Job, last: Manifest) -> list[Change]:
    """What `teacher_id` hangs on and is not what it was; nothing where the identity is the same,
    however the recipe says it now."""
    if last.teacher.get("id") == job.teacher_id:
        return []
    found = _model_changes(job, last)
    values = changed_values(_of_teacher(last.recipe), _of_teacher(job.resolved))
    for name, (before, after) in values:
        if name not in NOT_IDENTITY:
            found.append(Change(name, *brief(before, after), identity="teacher_id"))
    if not found:
        why = "the last version's manifest does not say what is another in it"
        found = [Change("teacher", why=why, identity="teacher_id")]
    return found


def _of_teacher(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """What is in its identity but the model, with what an older recipe does not say yet."""
    teacher = recipe.get("teacher", {})
    arguments = teacher.get("engine_args") or {}
    defaults = SamplingParameters().model_dump(mode="json")
    return {
        "teacher": {
            "engine": teacher.get("engine", "vllm"),
            "system": teacher.get("system"),
            "engine_args": {k: v for k, v in arguments.items() if k not in SCHEDULING_ONLY},
        },
        "sampling": {**defaults, **recipe.get("sampling", {})},
    }


def _model_changes(job: Job, last: Manifest) -> list[Change]:
    """A model by its content: a folder that moved is the same, one that was written to is not."""
    before = {name: last.teacher[name] for name in MODEL if name in last.teacher}
    told, now = last.recipe.get("teacher", {}), job.resolved["teacher"]
    if before == job.model:
        return []
    if "weights" in before and "weights" in job.model and told.get("model") == now["model"]:
        values = brief(before["weights"], job.model["weights"])
        why = "other weights in its folder"
        return [Change("teacher.model", *values, why=why, identity="teacher_id")]
    # A folder's revision is nothing.
    names = [name for name in ("model", "revision") if name == "model" or name in job.model]
    return [
        Change(f"teacher.{name}", *brief(told.get(name), now[name]), identity="teacher_id")
        for name in names
        if told.get(name) != now[name]
    ]


def scorer_changes(job: Job, last: Manifest) -> list[Change]:
    """Scorers with another identity, and those that are asked of other domains."""
    found, told = [], last.recipe.get("scorers")
    for name, scorer_id in job.scorer_ids.items():
        before = last.scorers.get(name)
        if before != scorer_id:
            why = "new" if before is None else _why_another(job, last, name)
            found.append(Change(f"scorers.{name}", why=why, identity="scorer_id", scorer=name))
        elif told and _domains(told, name) != _domains(job.resolved["scorers"], name):
            why = "asked of other domains"
            found.append(Change("scorers", why=why, identity="scorer_id", scorer=name))
    return found


def _domains(by_domain: Mapping[str, Sequence[str]], scorer: str) -> list[str]:
    return sorted(domain for domain, names in by_domain.items() if scorer in names)


def _why_another(job: Job, last: Manifest, name: str) -> str:
    scorer = job.scorers[name]
    version = last.provenance.get("scorer_versions", {}).get(name)
    if version is not None and version != scorer.version:
        return f"version {scorer.version} instead of {version}"
    if isinstance(scorer, NeedsQuestions):
        if last.recipe.get("decontaminate", []) != job.resolved["decontaminate"]:
            return "compares with other evaluation sets"
        return "a file of its evaluation sets has changed"
    if version is None:
        return "another version of it or of its libraries"
    return "other versions of its libraries"


class SourceChange(NamedTuple):
    """A source of prompts that the last version had in other words."""

    before: PromptSource
    now: PromptSource
    changes: Sequence[Change]
    """Those that change its prompts' identities."""
    references: Sequence[Change]
    """Those that change their references."""


def source_changes(job: Job, last: Manifest) -> list[SourceChange]:
    """The sources that both recipes have, and that are not read in the same way. The same source is
    one with the same path, or else with the same name."""
    found = []
    for number, now, before in _matched(job.recipe.prompts, _sources(last)):
        changes, references = [], []
        for name, values in changed_values(_reading(before), _reading(now)):
            field = f"prompts.{number}.{name}"
            if name == "fields.reference":
                references.append(Change(field, *brief(*values), identity="reference_id"))
            else:
                changes.append(Change(field, *brief(*values), identity="prompt_id"))
        if changes or references:
            found.append(SourceChange(before, now, changes, references))
    return found


def _reading(source: PromptSource) -> dict[str, Any]:
    """How a row of it becomes a prompt with a reference."""
    return {"template": source.template, "fields": source.fields}


def _sources(last: Manifest) -> list[PromptSource]:
    """The last version's, without those that this version of Stillhouse cannot read."""
    found = []
    for given in last.recipe.get("prompts", []):
        known = {name: given[name] for name in PromptSource.model_fields if name in given}
        try:
            found.append(PromptSource.model_validate(known))
        except ValidationError:
            continue
    return found


def _matched(
    now: Sequence[PromptSource], before: Sequence[PromptSource]
) -> Iterator[tuple[int, PromptSource, PromptSource]]:
    """Each at most once, those that changed least first: a file may be read in two ways."""
    left, open_ = list(before), dict(enumerate(now))
    for names in (("path", "template", "fields"), ("path",), ("source",)):
        for number, source in [*open_.items()]:
            wanted = [getattr(source, name) for name in names]
            same = (o for o in left if [getattr(o, name) for name in names] == wanted)
            if wanted != [None] and (old := next(same, None)) is not None:
                left.remove(old)
                yield number, open_.pop(number), old
