"""What init finds in prompt files of many shapes, and what it makes of it."""

import json
import re
from pathlib import Path

import pytest

from jobs.prompts import read_prompts
from jobs.recipe import job_of
from tests.conftest import ROOT
from tests.jobs.first_recipes import GSM8K, Rows, init_job, write

TINY = ROOT / "examples" / "tiny_r1" / "model"
CHAT = [{"role": "user", "content": "How many?"}]
IO = json.dumps({"inputs": ["1\n"], "outputs": ["2\n"]})
LONG = "It was a dark and stormy night, and nobody had said a word to the old man. " * 3


def switched_on(text: str) -> str:
    """With all settings that the recipe has switched off."""
    return re.sub(r"^( *)#(?=[a-z])", r"\1", text, flags=re.MULTILINE)


SHAPES: dict[str, tuple[Rows, str, str | None, str]] = {
    "gsm8k": (GSM8K, "question", "answer", "math"),
    "openr1": (
        [
            {
                "problem": f"Find $x$ with $x^2={n * n}$.",
                "solution": f"By root, $\\boxed{{{n}}}$.",
                "answer": f"\\frac{{{n}}}{{7}}",
                "messages": [*CHAT, {"role": "assistant", "content": "7"}],
                "uuid": f"u{n}",
            }
            for n in range(5)
        ],
        "problem",
        "answer",
        "math",
    ),
    "math": (
        [{"problem": f"{n}?", "solution": f"{LONG} So \\boxed{{{n}}}."} for n in range(5)],
        "problem",
        "solution",
        "math",
    ),
    "arc": (
        [{"question": f"{n}: (A) x (B) y?", "answerKey": "AB"[n % 2]} for n in range(5)],
        "question",
        "answerKey",
        "exam",
    ),
    "words": (
        [{"Question": f"King {n}?", "Correct Answer": "Charles the Bald"} for n in range(5)],
        "Question",
        "Correct Answer",
        "trivia",
    ),
    "apps": (
        [{"question": f"{n}", "solutions": '["print(1)"]', "input_output": IO} for n in range(5)],
        "question",
        "input_output",
        "code",
    ),
    "mbpp": (
        [{"text": f"Add {n}.", "code": "x", "test_list": ["assert f(1) == 2"]} for n in range(5)],
        "text",
        "test_list",
        "code",
    ),
    "procedural": (
        [
            {
                "prompt": f"gcd of {n}?",
                "reference": {"task": "gcd", "module": "m", "entry": "{}", "evaluates": True},
            }
            for n in range(5)
        ],
        "prompt",
        "reference",
        "procedural",
    ),
    "alpaca": ([{"instruction": "Tell.", "output": LONG}], "instruction", None, "general"),
    "verl": (
        [{"prompt": CHAT, "reward_model": {"ground_truth": "3", "style": "rule"}}],
        "prompt",
        None,
        "general",
    ),
    "open formulas": (
        [{"problem": f"What is $2^{n}$?"} for n in range(5)],
        "problem",
        None,
        "math",
    ),
    "strange names": (
        [{"id": f"x{n}", "story": f"so it goes {n}", "zz": f"as told\n#### {n}"} for n in range(5)],
        "story",
        "zz",
        "math",
    ),
    "some without": (
        [*({"query": f"{n}?", "target": n / 4} for n in range(5)), {"query": "?", "target": None}],
        "query",
        "target",
        "math",
    ),
}


@pytest.mark.parametrize("teacher", [None, "simulated", str(TINY)])
@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_found_becomes_a_recipe(shape: str, teacher: str | None, tmp_path: Path) -> None:
    rows, prompt, reference, domain = SHAPES[shape]
    path = write(tmp_path / "p.jsonl", rows)
    job, told, text = init_job(path, teacher=teacher)
    [source] = job.recipe.prompts
    wanted = {"prompt": prompt} | ({"reference": reference} if reference else {})
    assert (source.fields, source.domain, source.path) == (wanted, domain, path)
    assert told["verified"] is (reference is not None)
    found = read_prompts(job.recipe).frame
    assert found.height == len({json.dumps(row[prompt]) for row in rows})
    verifies = any(scorer.verifies for scorer in job.scorers.values())
    assert verifies is (domain != "general")
    assert ("correct" in job.recipe.keep) is (reference is not None and teacher != "simulated")
    every = job_of(switched_on(text), "recipe").recipe
    for field in ("gates", "budget", "price", "target", "splits", "decontaminate", "notify"):
        assert getattr(every, field) != type(job.recipe).model_fields[field].default, field


def test_columns_tell_of_licence_source_and_what_is_left_out(tmp_path: Path) -> None:
    row = {"question": "Which?", "choices": ["x", "y"], "answer": "A", "input": "more",
           "license": "CC-BY-4.0", "source": "exam: 1\nname: evil"}  # fmt: skip
    job, told, text = init_job(write(tmp_path / "my prompts.jsonl", [row]))
    assert "#license: CC-BY-4.0" in text
    assert "A column says: exam: 1 name: evil." in text
    assert (job.recipe.name, job.recipe.prompts[0].source) == ("my-prompts", "my prompts")
    assert [note.partition(" ")[0] for note in told["notes"]] == ["input", "choices"]
