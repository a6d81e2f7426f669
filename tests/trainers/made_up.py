"""All outputs of a version, made up, and published with a card: what a fine-tuning team gets."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from infra.catalog import Catalog
from infra.store import open_store
from infra.version import Version
from jobs.publish import commit
from schemas.outputs import OUTPUTS
from tests.published import written

SAMPLES = [
    ("What is 12 + 30?", "Okay, so 12 + 30 is 42.\n\nLet me check: 42 - 30 is 12.", "42"),
    ("What is 7 + 8?", "  7 + 8.\nIn R1 `</think>` would end this; it is 15.\t", "15"),
    (
        "Was ist 3 + 4?",
        "3 + 4 = 7, größer als 6. 答案是 7 → <b>\\boxed{7}</b> \u0000 {% raw %}",
        "7",
    ),
]
"""Question, thinking and answer. The thinking quotes its own closing tag, and has markup, other
scripts, a NUL, and blanks at both ends."""


def content(thinking: str, answer: str) -> str:
    """An assistant's, as `filters.sft` writes it."""
    return f"<think>\n{thinking}\n</think>\n\nThe answer is \\boxed{{{answer}}}."


def user(question: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": question}]


def assistant(thinking: str, answer: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": content(thinking, answer)}]


def outputs(questions: Sequence[tuple[str, str, str]] = SAMPLES) -> dict[str, pa.Table]:
    """A row of `sft`, `preference` and `rl`, and two of `reward`, for each question."""
    rows: dict[str, list[dict[str, Any]]] = {
        name: [] for name in ("sft", *OUTPUTS) if name != "raw"
    }
    for number, (question, thinking, answer) in enumerate(questions):
        right, wrong = assistant(thinking, answer), assistant(f"{thinking} Or not.", f"{answer}0")
        of_prompt = {
            "prompt_id": f"p{number}",
            "domain": "math",
            "source": "made-up",
            "license": "CC0-1.0",
            "reference_answer": answer,
            "pass_rate": 0.5,
            "generator": "a-model@1",
            "finish_reason": "stop",
            "reasoning_tokens": len(thinking),
        }
        parts = {
            "reasoning": thinking,
            "response": f"The answer is \\boxed{{{answer}}}.",
            "answer": answer,
        }
        messages = user(question)
        sample = {**of_prompt, **parts, "id": f"s{number}", "correct": True}
        rows["sft"].append({**sample, "prompt": question, "messages": [*messages, *right]})
        of_prompt["prompt"] = messages
        pair = {"id": f"d{number}", "chosen": right, "rejected": wrong}
        rows["preference"].append({**of_prompt, **pair})
        rows["rl"].append({**of_prompt, "id": f"l{number}", "verifier": "math"})
        for label, completion in ((True, right), (False, wrong)):
            judged = {"id": f"r{number}{label}", "completion": completion, "label": label}
            rows["reward"].append({**of_prompt, **parts, **judged})
    return {name: table(name, given) for name, given in rows.items()}


FILLING = {pa.string(): "x", pa.int32(): 0, pa.float64(): 0.5, pa.bool_(): True}


def table(output: str, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Rows in the columns of an output; those that nobody has given, and that must be there, are
    filled."""
    schema = OUTPUTS[output]
    filled = [
        {
            field.name: row.get(field.name, None if field.nullable else FILLING.get(field.type))
            for field in schema
        }
        for row in rows
    ]
    return pa.Table.from_pylist(filled, schema=schema)


def publish(
    store_url: str, tmp_path: Path, tables: Mapping[str, pa.Table], name: str = "team"
) -> Version:
    """The tables as the outputs of `<name>@v0001`: `sft` in two parts, the others in one."""
    store = open_store(store_url)
    store.create()
    catalog = Catalog(store, name)
    half = tables["sft"].num_rows // 2
    parts = {output: [rows] for output, rows in tables.items()}
    parts["sft"] = [tables["sft"][:half], tables["sft"][half:]]
    manifest = written(catalog, tmp_path, parts)
    commit(catalog, manifest)
    return Version(catalog.manifest(manifest.version), catalog)
