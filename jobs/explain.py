"""Explain: everything about one prompt, what became of each of its samples, and why."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import polars as pl

from filters.choose import PUBLISHED
from filters.groups import GROUP_COLUMNS
from filters.mix import OF_ONE_SAMPLE, with_beyond
from filters.rules import DECONTAMINATED
from infra.pool import reading
from jobs.decide import decide_by
from jobs.explain_text import explained_text
from jobs.fates import read_texts
from jobs.prompts import PromptList
from jobs.recipe import Job
from jobs.shard import CHOSEN
from jobs.survey import narrow_samples
from jobs.tasks import Tasks
from jobs.tell import Told
from jobs.what_if import Change, Trials, changes, depends_on_others, left_out, others
from jobs.why import Standing, Why
from schemas.errors import RecipeError
from schemas.recipe import TRAIN
from schemas.sample import FAILED

TEXTS: Final = ("reasoning", "answer", "failure_detail")
OF_SAMPLE: Final = (
    "sample_index",
    "reason",
    "rank",
    "correct",
    "verdict",
    "final_answer",
    "outcome",
    "finish_reason",
    "thinking_cut",
    "reasoning_tokens",
    "answer_tokens",
    "max_tokens",
    "eligible",
    "id",
)
NAMED: Final = 5


def explain(job: Job, prompts: PromptList, given: str, *, texts: bool) -> Told:
    """About the prompt whose id begins with `given`; RecipeError where none does, or several do."""
    one = prompts.among(pl.Series([find(job, prompts, given)]))
    trials = Trials(job, one, narrow_samples(job, one.with_left_out, job.pool.versions()))
    samples = trials.samples
    if job.mixer is not None or job.recipe.target.published is not None:
        samples = _within_the_whole(job, prompts, samples)
    standing = Standing.of(job, samples, left_out(one))
    found, of_prompt = changes(trials)
    why = Why(trials, standing)
    word = PUBLISHED if "sft" in job.recipe.outputs else CHOSEN
    read = _texts(job, samples, TEXTS if texts else TEXTS[-1:])
    rows = []
    for row in samples.iter_rows(named=True):
        index, fate = row["sample_index"], row["fate"]
        own = found.get(index, []) if fate != PUBLISHED else []
        rules = _rules(job, samples.filter(pl.col("sample_index") == index))
        rows.append(
            {
                "fate": word if fate == PUBLISHED else fate,
                "why": why(row, fate),
                **{name: row[name] for name in OF_SAMPLE},
                "rules": rules,
                "scores": {
                    name: value
                    for name, value in row.items()
                    if name.split(".")[0] in job.scorers and value is not None
                },
                "changes": [_change(trials, change, index) for change in own],
                "no_change": None if own or fate == PUBLISHED else _no_change(row, fate, rules),
                **read[index],
            }
        )
    data = {
        "recipe": job.recipe.name,
        "prompt": _prompt(job, one),
        "settled": standing.settled,
        "eligible": standing.eligible,
        "needs": list(standing.needs),
        "group": _group(samples),
        "samples": rows,
        "changes": [_change(trials, change, None) for change in of_prompt],
        "notes": _notes(job, trials),
    }
    return explained_text(data, word), data


def find(job: Job, prompts: PromptList, given: str) -> str:
    """The id of the one prompt of the list whose id begins so, also if it is left out."""
    every = prompts.with_left_out.frame["prompt_id"]
    fits = every.filter(every.str.starts_with(given)) if given else every
    if len(fits) == 1:
        return str(fits[0])
    if given and given in fits:
        return given
    if len(fits):
        some = ", ".join(fits.head(NAMED)) + (", …" if len(fits) > NAMED else "")
        raise RecipeError(f"{given!r} begins the ids of {len(fits):,} prompts: {some}; write more")
    with reading(job.pool):
        known = job.pool.scan("prompts").filter(pl.col("prompt_id").str.starts_with(given))
        there = known.select("prompt_id").head(1).collect()
    if there.height:
        raise RecipeError(
            f"prompt {there['prompt_id'][0]} is in the pool, but not among the prompts of recipe "
            f"{job.recipe.name}, so that no sample of it is published"
        )
    hint = "a row's `id` is of its sample; take its `prompt_id`" if given.startswith("y1_") else ""
    raise RecipeError(
        f"no prompt of recipe {job.recipe.name} has an id that begins with {given!r}; "
        + (hint or "`stillhouse peek` shows some, and each row of a version has its `prompt_id`")
    )


def _within_the_whole(job: Job, prompts: PromptList, samples: pl.DataFrame) -> pl.DataFrame:
    """The samples with the fates that a target or a mix gives them, for which all prompts of the
    recipe are looked at, if any is chosen."""
    if PUBLISHED not in samples["fate"]:
        return samples
    with Tasks(job) as tasks:
        allowed = decide_by(tasks, job, prompts)[1].allowed
    if allowed is None:
        return samples
    own = pl.col("prompt_id").is_in(samples["prompt_id"].unique().implode())
    return with_beyond(samples, allowed.filter(own))


def _texts(
    job: Job, samples: pl.DataFrame, columns: Sequence[str]
) -> Mapping[int, dict[str, str | None]]:
    """Of each sample."""
    found: dict[int, dict[str, str | None]] = {index: {} for index in samples["sample_index"]}
    asked = samples if len(columns) > 1 else samples.filter(pl.col("outcome") == FAILED)
    for (path,), own in asked.group_by("path", maintain_order=True):
        indexes = dict(own.select("row", "sample_index").iter_rows())
        for row in read_texts(job, str(path), own["row"], columns).iter_rows(named=True):
            found[indexes[row["row"]]] = {name: row[name] for name in columns}
    return found


def _prompt(job: Job, one: PromptList) -> dict[str, Any]:
    row = one.with_left_out.frame.row(0, named=True)
    split = one.splits["split"][0] if one.splits.width else TRAIN
    flags = {} if one.left_out.is_empty() else one.left_out.row(0, named=True)
    return {
        **{name: row[name] for name in ("prompt_id", "messages", "reference")},
        **{name: row[name] for name in ("domain", "source", "license")},
        "split": split if job.recipe.splits else None,
        "left_out": flags.get("reason"),
        "rules": _prompt_rules(job, one),
        "flags": {name: value for name, value in flags.items() if name.startswith("prompt.")},
    }


def _rule_text(job: Job, name: str) -> str:
    return "not prompt.leaked" if name == DECONTAMINATED else job.recipe.keep[name]


def _prompt_rules(job: Job, one: PromptList) -> list[dict[str, Any]]:
    """Rules about prompts; of one that is not left out all are true, and no more is known."""
    if one.left_out.is_empty():
        return [_rule(job, name, True, {}) for name in job.rules.prompts]
    return [
        _rule(job, name, *_applied(rule, one.left_out)) for name, rule in job.rules.prompts.items()
    ]


def _rules(job: Job, row: pl.DataFrame) -> list[dict[str, Any]]:
    return [_rule(job, name, *_applied(rule, row)) for name, rule in job.rules.samples.items()]


def _rule(job: Job, name: str, value: bool | None, columns: dict[str, Any]) -> dict[str, Any]:
    return {"rule": name, "asks": _rule_text(job, name), "value": value, "columns": columns}


def _applied(rule: pl.Expr, row: pl.DataFrame) -> tuple[bool | None, dict[str, Any]]:
    """What it comes to in this row, and what it looked at."""
    columns = list(dict.fromkeys(rule.meta.root_names()))
    return row.select(value=rule)["value"][0], row.select(columns).row(0, named=True)


def _group(samples: pl.DataFrame) -> dict[str, Any]:
    if samples.is_empty():
        return {}
    shared = [name for name in GROUP_COLUMNS if name not in OF_ONE_SAMPLE]
    return samples.select(shared).row(0, named=True)


def _change(trials: Trials, change: Change, index: int | None) -> dict[str, Any]:
    moved = others(trials.now, change, index)
    return {
        "field": change.field,
        "asks": change.asks or None,
        "before": change.before,
        "after": change.after,
        "set": change.setting,
        "others": [
            {"sample_index": other, "before": before, "after": after}
            for other, (before, after) in sorted(moved.items())
        ],
        "settled": change.outcome.settled,
    }


def _no_change(row: Mapping[str, Any], fate: str, rules: Sequence[Mapping[str, Any]]) -> str:
    """Why no single threshold does it, as far as that can be said in a line."""
    if row["outcome"] == FAILED:
        return "there is no text to judge"
    if row["missing"]:
        return "what it is worth is not known before it is scored"
    broken = [rule["rule"] for rule in rules if rule["value"] is not True]
    if len(broken) > 1:
        return f"{len(broken)} rules are not met: {', '.join(broken)}"
    if broken and row["correct"] is False and "correct" in rules_columns(rules, broken[0]):
        return f"`{broken[0]}`: the verifier says that it is wrong"
    if broken:
        return f"`{broken[0]}` compares with no number that would do"
    return f"{fate} comes from no threshold of `keep` or `choose`"


def rules_columns(rules: Sequence[Mapping[str, Any]], name: str) -> set[str]:
    """The last parts of the names of the columns that a rule looks at."""
    return {
        column.rpartition(".")[2]
        for rule in rules
        if rule["rule"] == name
        for column in rule["columns"]
    }


def _notes(job: Job, trials: Trials) -> list[str]:
    notes = []
    if job.mixer is not None or job.recipe.target.published is not None:
        which = "target" if job.mixer is None else "mix"
        notes.append(
            f"changes are tried on this prompt alone: whether the {which} then has room is not said"
        )
    if not trials.complete:
        notes.append("there are too many samples to try all values; the nearest were tried")
    if not trials.prompts.left_out.is_empty() and depends_on_others(job):
        notes.append(
            "which prompts are left out rests on all prompts together here: no other threshold of "
            "a rule about prompts was tried"
        )
    return notes
