"""What if: which single change of a threshold would have a sample published.

Every change is tried: what the pool has of the prompt is judged and chosen from again by the
changed recipe. Only what was seen to come of it is told.
"""

import json
import math
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, NamedTuple

import polars as pl
import yaml
from pydantic import ValidationError

from filters.choose import PUBLISHED, TRIMMED_LONG, TRIMMED_SHORT, in_order
from filters.distinct import compared
from filters.duplicates import DUPLICATE_COLUMNS
from filters.rules import compile_expression, first_broken_rule
from filters.thresholds import number_in, regions, thresholds
from jobs.fates import fated, rejudged, with_texts
from jobs.prompts import PromptList
from jobs.recipe import Job
from schemas.errors import RecipeError
from schemas.recipe import Recipe

TRIED: Final = 100
"""Values of one threshold on either side of it, at most; each takes some 10 ms."""
LOST_IN_ORDER: Final = frozenset(
    [PUBLISHED, "beyond_per_prompt", "near_duplicate", TRIMMED_SHORT, TRIMMED_LONG]
)
"""Fates of the samples that `choose` orders."""


class Outcome(NamedTuple):
    """What becomes of a prompt's samples."""

    fates: Mapping[int, str]
    """By sample index."""
    settled: bool
    left_out: str | None
    """Why nothing is drawn for the prompt."""

    @classmethod
    def of(cls, samples: pl.DataFrame, prompts: PromptList) -> "Outcome":
        """Of what `fated` says, and the list of this one prompt."""
        fates = dict(samples.select("sample_index", "fate").iter_rows())
        return cls(fates, bool(samples["settled"].all()), left_out(prompts))


@dataclass(frozen=True)
class Change:
    """One threshold with another value, and what comes of it."""

    field: str
    """Of the recipe, such as `keep.readable`."""
    before: str
    after: str
    asks: str
    """What is compared with it, an expression; empty where the field is the threshold."""
    setting: str
    """As an argument of the command line."""
    outcome: Outcome
    distance: float
    """How far it is from what it was, as a share of that."""


@dataclass(frozen=True)
class Knob:
    """A threshold of the recipe."""

    path: tuple[str, ...]
    current: float
    number: str
    values: Sequence[float]
    """At which something may change."""
    whole: bool
    asks: str = ""
    changed: Callable[[str], Any] = yaml.safe_load
    """The field's value with another number."""


@dataclass
class Trials:
    """The samples of one prompt, and what was tried on them."""

    job: Job
    prompts: PromptList
    """This prompt alone."""
    narrow: pl.DataFrame
    """Its samples, as `jobs.survey.narrow_samples` has them."""
    samples: pl.DataFrame = field(init=False)
    """The same with what becomes of them."""
    now: Outcome = field(init=False)
    complete: bool = True
    """Whether all values were tried that could make a difference."""
    _known: dict[Any, Outcome] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.samples = fated(self.job, rejudged(self.job, self.narrow, self.prompts))
        self.now = Outcome.of(self.samples, self.prompts)

    def outcome(self, path: Sequence[str], value: Any) -> Outcome | None:
        """With another value of this field; null where the recipe would be wrong."""
        try:
            job = Job.of(_with(self.job.recipe, path, value))
        except (ValidationError, RecipeError):
            return None
        prompts = _by_rules(job, self.prompts)
        judged = rejudged(job, self.narrow, prompts)
        verdicts = tuple(judged.sort("sample_index").select("judged", "reason").iter_rows())
        key = (verdicts, job.recipe.choose.model_dump_json())
        if key not in self._known:
            self._known[key] = Outcome.of(fated(job, judged), prompts)
        return self._known[key]._replace(left_out=left_out(prompts))


def left_out(prompts: PromptList) -> str | None:
    """Why nothing is drawn for this one prompt, if it is so."""
    return None if prompts.left_out.is_empty() else str(prompts.left_out["reason"][0])


def changes(trials: Trials) -> tuple[dict[int, list[Change]], list[Change]]:
    """Of each sample that is not published the changes that would have it published, those first
    that do least to others; and of a prompt that is left out those by which it would not be."""
    found: dict[int, list[Change]] = {}
    of_prompt: list[Change] = []
    for knob in _knobs(trials):
        for index, change in _nearest(trials, knob).items():
            (of_prompt if index is None else found.setdefault(index, [])).append(change)
    for own in found.values():
        own.sort(key=partial(_harm, trials.now))
    return found, of_prompt


def others(now: Outcome, change: Change, index: int | None) -> dict[int, tuple[str, str]]:
    """Fates of other samples, before and after it."""
    return {
        other: (now.fates[other], fate)
        for other, fate in change.outcome.fates.items()
        if other != index and fate != now.fates[other]
    }


def _harm(now: Outcome, change: Change) -> tuple[int, int, float]:
    moved = others(now, change, None)
    lost = sum(before == PUBLISHED for before, _ in moved.values())
    return lost, len(moved), change.distance


def _nearest(trials: Trials, knob: Knob) -> dict[int | None, Change]:
    """Of each sample the change of this threshold that is nearest; under null that of the prompt,
    if it is left out."""
    found: dict[int | None, Change] = {}
    for up in (True, False):
        wanted: set[int | None] = {
            index for index, fate in trials.now.fates.items() if fate != PUBLISHED
        }
        wanted |= {None} if trials.now.left_out else set()
        for tried, region in enumerate(regions(knob.values, knob.current, up=up)):
            if not wanted or tried == TRIED:
                trials.complete &= not wanted
                break
            number = number_in(region, knob.current, whole=knob.whole)
            outcome = None if number is None else _outcome(trials, knob, number)
            if number is None or outcome is None or not (fresh := wanted & _gained(outcome)):
                continue
            rounder = number_in(region, knob.current, whole=knob.whole, wide=True)
            if rounder is not None and _outcome(trials, knob, rounder) == outcome:
                number = rounder
            wanted -= fresh
            change = _change(knob, number, outcome)
            for index in fresh:
                if index not in found or change.distance < found[index].distance:
                    found[index] = change
    return found


def _outcome(trials: Trials, knob: Knob, number: str) -> Outcome | None:
    return trials.outcome(knob.path, knob.changed(number))


def _gained(outcome: Outcome) -> set[int | None]:
    published = {index for index, fate in outcome.fates.items() if fate == PUBLISHED}
    return published | (set() if outcome.left_out else {None})


def _change(knob: Knob, number: str, outcome: Outcome) -> Change:
    name, value = ".".join(knob.path), knob.changed(number)
    distance = abs(float(number) - knob.current) / (abs(knob.current) or 1)
    setting = _setting(name, value)
    return Change(name, knob.number, number, knob.asks, setting, outcome, distance)


def _setting(name: str, value: Any) -> str:
    """`--set` with a value that YAML reads as this one."""
    text = str(value)
    try:
        same = yaml.safe_load(text) == value
    except yaml.YAMLError:
        same = False
    return f"--set {shlex.quote(f'{name}={text if same else json.dumps(value)}')}"


def _with(recipe: Recipe, path: Sequence[str], value: Any) -> Recipe:
    """ValidationError where the schema does not allow it."""
    given = recipe.model_dump(mode="json")
    *parents, last = path
    place = given
    for name in parents:
        place = place[name]
    place[last] = value
    return Recipe.model_validate(given)


def depends_on_others(job: Job) -> bool:
    """Whether it takes the whole list to say which prompts are left out."""
    asked = {name for rule in job.rules.prompts.values() for name in rule.meta.root_names()}
    return bool(job.recipe.splits) or not asked.isdisjoint(DUPLICATE_COLUMNS)


def _by_rules(job: Job, prompts: PromptList) -> PromptList:
    """The list as these rules about prompts have it, from what is known of those left out."""
    if prompts.left_out.is_empty() or depends_on_others(job):
        return prompts
    flagged = prompts.left_out.with_columns(reason=first_broken_rule(job.rules.prompts))
    reason = pl.col("reason")
    freed = flagged.filter(reason.is_null()).select(prompts.frame.columns)
    frame = pl.concat([prompts.frame, freed])
    return replace(prompts, frame=frame, left_out=flagged.filter(reason.is_not_null()))


def _knobs(trials: Trials) -> Iterator[Knob]:
    job, choose = trials.job, trials.job.recipe.choose
    for name, text in job.recipe.keep.items():
        if name in job.rules.samples:
            yield from _of_rule(("keep", name), text, trials.samples)
        elif not trials.prompts.left_out.is_empty() and not depends_on_others(job):
            yield from _of_rule(("keep", name), text, trials.prompts.left_out)
    if choose.where is not None:
        yield from _of_rule(("choose", "where"), choose.where, trials.samples)
    ranked = ordered(job, trials.samples)
    count, number = ranked.height, str(choose.per_prompt)
    per_prompt = range(1, count + 1)
    yield Knob(("choose", "per_prompt"), choose.per_prompt, number, per_prompt, whole=True)
    for side in ("shortest", "longest"):
        if share := getattr(choose.trim, side):
            shares = [part / count for part in range(count)]
            yield Knob(("choose", "trim", side), share, str(share), shares, whole=False)
    if choose.distinct is not None:
        alike = compared(ranked, 0.0, partial(with_texts, job))[2].tolist()
        number = str(choose.distinct)
        yield Knob(("choose", "distinct"), choose.distinct, number, alike, whole=False)


def ordered(job: Job, samples: pl.DataFrame) -> pl.DataFrame:
    """Those of a prompt's samples that `choose` orders, in its order, also what it trims and what
    is a near-duplicate. `samples` have what `fated` adds."""
    candidate = pl.col("fate").is_in(LOST_IN_ORDER)
    open_again = pl.when(~candidate).then("fate").alias("fate")
    return samples[in_order(samples.with_columns(open_again), job.chooser)["index"]]


def _of_rule(path: tuple[str, ...], rule: str, rows: pl.DataFrame) -> Iterator[Knob]:
    for one in thresholds(rule):
        try:
            compared_with = compile_expression(one.operand, rows.schema, ".".join(path))
            found = rows.select(value=compared_with)["value"].drop_nulls()
        except (RecipeError, pl.exceptions.PolarsError):
            continue  # it is no operand after all
        if not found.dtype.is_numeric():
            continue
        values = [value for value in map(float, found) if math.isfinite(value)]
        whole = found.dtype.is_integer()
        yield Knob(path, one.value, one.number, values, whole, one.operand, one.changed)
