"""Presets: rules and choosing that are known to work, each with where that is from.

A recipe takes one by `preset: NAME`. What it says itself comes first: a rule of the same name takes
the place of the preset's, `"true"` switches it off, and so does each field of `choose` and `pairs`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Final

from filters.scorers import EVERY_DOMAIN, SCORERS
from schemas.choosing import Choose, Pairs
from schemas.errors import RecipeError
from schemas.recipe import Recipe
from schemas.recipe_part import Part


@dataclass(frozen=True)
class Preset:
    """What it says of `scorers`, `keep`, `choose` and `pairs`."""

    purpose: str
    source: str
    scorers: tuple[str, ...]
    """For all domains, beside the recipe's own."""
    keep: Mapping[str, str]
    choose: Mapping[str, Any]
    pairs: Mapping[str, Any] = field(default_factory=dict)


FINISHED: Final = {"finished": "format.complete"}
READABLE: Final = {
    "readable": "language.share >= 0.95 and repetition.reason is null",
    "answers": "refusal.reason is null",
    "plain": "control.reason is null",
}
DISTINCT: Final = {
    "new": "not prompt.duplicate",
    "agreed": "not prompt.conflicting_reference",
}
READING: Final = ("format", "language", "repetition", "refusal", "control")
INFORMATIVE: Final = "group.pass_rate > 0 and group.pass_rate < 1"

PRESETS: Final[dict[str, Preset]] = {
    "sft-keep-all": Preset(
        "all there is, right or wrong, for fine-tuning a model much smaller than the teacher",
        "OpenThoughts (Guha et al. 2025, arXiv:2506.04178): no filter of answers did better than "
        "none, and sixteen answers a question better than one",
        ("format",),
        FINISHED,
        {"per_prompt": 16},
    ),
    "sft-strict": Preset(
        "few and faultless rows: right, readable, of middling length, without secrets",
        "LIMO (Ye et al. 2025, arXiv:2502.03387) and s1 (Muennighoff et al. 2025, "
        "arXiv:2501.19393): a thousand chosen rows do what a hundred thousand do",
        (*READING, "pii"),
        {
            **DISTINCT,
            **FINISHED,
            "correct": "correct",
            **READABLE,
            "private": "pii.reason is null",
        },
        {"per_prompt": 4, "order_by": ("abs(group.length_rank - 0.5)",)},
    ),
    "deepseek-r1": Preset(
        "what DeepSeek-R1's own second stage of fine-tuning was trained on",
        "DeepSeek-AI 2025, arXiv:2501.12948, 2.3.3: several responses a prompt, of which the right "
        "ones are kept, without mixed languages, long paragraphs and code blocks in the thinking; "
        "how long is long it does not say",
        ("format", "language"),
        {
            **FINISHED,
            "correct": "correct",
            "one_language": "language.share >= 0.95",
            "short_paragraphs": "format.longest_paragraph <= 2000",
            "no_code": "format.code_blocks = 0",
        },
        {"per_prompt": 64},
    ),
    "rl": Preset(
        "prompts that the teacher solves sometimes, each with one right sample; take "
        "`samples.probe` of 16 or more, or a third of them is missed",
        "DAPO (Yu et al. 2025, arXiv:2503.14476): prompts that are always or never solved teach "
        "nothing",
        ("format",),
        {**DISTINCT, **FINISHED, "correct": "correct"},
        {"per_prompt": 1, "where": INFORMATIVE},
    ),
    "dpo": Preset(
        "pairs, with `outputs: [preference]`: prompts are drawn until they have a right sample and "
        "a wrong one, and all that is wrong with rejected ones is their answer",
        "Iterative RPO (Pang et al. 2024, arXiv:2404.19733)",
        (*READING, "signature"),
        {**DISTINCT, **FINISHED, "correct": "correct", **READABLE},
        # No `where` of the probe's pass rate: it would leave out prompts that both were drawn for.
        {"per_prompt": 4},
        {"rejected": " and ".join(READABLE.values())},
    ),
}


def expanded(recipe: Recipe) -> Recipe:
    """The recipe with what its preset says where it says nothing itself; the same if that was done
    before. RecipeError for a preset that is none."""
    if recipe.preset is None:
        return recipe
    if recipe.preset not in PRESETS:
        near = get_close_matches(recipe.preset, PRESETS, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise RecipeError(
            f"preset: unknown preset {recipe.preset!r}; {hint}Known: {', '.join(PRESETS)}"
        )
    preset, given = PRESETS[recipe.preset], recipe.model_fields_set
    own = recipe.scorers if "scorers" in given else {}
    _check_verifier(recipe, preset, own)
    everywhere = tuple(dict.fromkeys((*own.get(EVERY_DOMAIN, ()), *preset.scorers)))
    return recipe.model_copy(
        update={
            "scorers": {**own, EVERY_DOMAIN: everywhere},
            "keep": {**preset.keep, **(recipe.keep if "keep" in given else {})},
            "choose": Choose.model_validate({**preset.choose, **_given(recipe.choose)}),
            "pairs": Pairs.model_validate({**preset.pairs, **_given(recipe.pairs)}),
        }
    )


def _given(part: Part) -> dict[str, Any]:
    """What the recipe says itself."""
    return {name: getattr(part, name) for name in part.model_fields_set}


def _check_verifier(recipe: Recipe, preset: Preset, scorers: Mapping[str, tuple[str, ...]]) -> None:
    """Without one, nothing is ever known to be right, and everything would be drawn for nothing."""
    asks = "correct" in preset.keep and recipe.keep.get("correct") != "true"
    named = [name for names in scorers.values() for name in names]
    if asks and not any(SCORERS[name].verifies for name in named if name in SCORERS):
        raise RecipeError(
            f"preset: {recipe.preset} keeps what is right, which only a verifying scorer can tell; "
            "add one, such as `scorers: {math: [math]}`"
        )
