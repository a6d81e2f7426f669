"""Presets fill in what a recipe does not say, and nothing else."""

import pickle
from typing import Any

import polars as pl
import pytest

from filters.presets import PRESETS, expanded
from jobs.recipe import Job
from schemas.errors import RecipeError
from schemas.recipe import Recipe


def recipe(**more: Any) -> Recipe:
    given = {
        "name": "x",
        "store": "s",
        "prompts": [{"path": "p.jsonl", "domain": "math"}],
        "teacher": {"model": "m", "engine": "simulated"},
    }
    return Recipe.model_validate({**given, **more})


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_a_whole_recipe(name: str) -> None:
    job = Job.of(recipe(preset=name, scorers={"math": ["math"]}))
    rules = {**job.rules.prompts, **job.rules.samples}
    assert rules.keys() == PRESETS[name].keep.keys()
    assert job.recipe.scorers["math"] == ("math",)
    assert job.recipe.choose.per_prompt == PRESETS[name].choose["per_prompt"]
    assert job.resolved["keep"] == dict(PRESETS[name].keep), "the manifest says it"
    assert expanded(job.recipe) == job.recipe, "once more changes nothing"
    there = pickle.loads(pickle.dumps(job.recipe))
    assert Job.of(there).resolved == job.resolved, "nor does it on another node"


def test_what_the_recipe_says_comes_first() -> None:
    job = Job.of(
        recipe(
            preset="sft-strict",
            scorers={"*": ["format", "exact_match"], "math": ["math"]},
            keep={"private": "true", "short": "reasoning_tokens < 900"},
            choose={"per_prompt": 2},
        )
    )
    keep = {**PRESETS["sft-strict"].keep, "private": "true", "short": "reasoning_tokens < 900"}
    assert job.recipe.keep == keep
    assert job.recipe.scorers["*"][:2] == ("format", "exact_match")
    assert {"pii", "control"} < {*job.recipe.scorers["*"]}
    assert (job.recipe.choose.per_prompt, job.recipe.choose.order_by) == (
        2,
        ("abs(group.length_rank - 0.5)",),
    )


def test_without_a_preset_nothing_changes() -> None:
    own = recipe()
    assert expanded(own) is own


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"preset: unknown preset 'sft_strict'; did you mean"):
        Job.of(recipe(preset="sft_strict"))


def test_what_is_right_needs_somebody_who_knows() -> None:
    with pytest.raises(RecipeError, match=r"preset: rl keeps what is right.*verifying scorer"):
        Job.of(recipe(preset="rl"))
    assert Job.of(recipe(preset="rl", keep={"correct": "true"})).recipe.choose.per_prompt == 1


def test_a_rejected_sample_of_dpo_is_wrong_and_nothing_else() -> None:
    job = Job.of(recipe(preset="dpo", scorers={"math": ["math"]}, outputs=["preference"]))
    assert job.pairer is not None
    good: dict[str, Any] = {
        "language.share": [0.99],
        "repetition.reason": [None],
        "refusal.reason": [None],
        "control.reason": [None],
    }
    bad: list[dict[str, Any]] = [{"language.share": [0.9]}]
    bad += [{f"{name}.reason": ["x"]} for name in ("repetition", "refusal", "control")]
    strings = dict.fromkeys((name for name in good if name != "language.share"), pl.String())
    for change in ({}, *bad):
        frame = pl.DataFrame(good | change, schema_overrides=strings)
        assert frame.filter(job.pairer.rejected).is_empty() == bool(change), change


def test_what_the_recipe_says_of_pairs_comes_first() -> None:
    own = {"scorers": {"math": ["math"]}, "outputs": ["preference"]}
    pairs = Job.of(recipe(preset="dpo", pairs={"per_prompt": 2}, **own)).recipe.pairs
    assert (pairs.per_prompt, pairs.rejected) == (2, PRESETS["dpo"].pairs["rejected"])
    pairs = Job.of(recipe(preset="dpo", pairs={"rejected": None}, **own)).recipe.pairs
    assert pairs.rejected is None
