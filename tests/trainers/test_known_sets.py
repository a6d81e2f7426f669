"""docs/known_sets.md writes the columns of well-known sets, with the types that it says."""

import json
import re
from typing import Any

import pytest

from schemas.outputs import OUTPUTS
from tests.conftest import ROOT
from tests.trainers.made_up import SAMPLES, assistant, content, outputs, publish, table, user
from tests.trainers.pages import run, snippets

PAGE = "known_sets.md"
COLUMNS = {
    "OpenR1-Math-220k": "problem solution answer problem_type question_type source uuid "
    "is_reasoning_complete generations correctness_math_verify correctness_llama finish_reasons "
    "correctness_count messages",
    "Mixture-of-Thoughts": "messages num_tokens source",
    "OpenThoughts3-1.2M": "difficulty source domain conversations",
    "OpenThoughts-114k": "system conversations",
    "OpenThoughts-114k, metadata": "problem deepseek_reasoning deepseek_solution "
    "ground_truth_solution domain source test_cases starter_code",
    "AM-DeepSeek-R1-Distilled-1.4M": "messages",
    "Nemotron-Post-Training-Dataset-v2": "uuid license generator version category reasoning "
    "messages",
    "Llama-Nemotron-Post-Training-Dataset": "input output category license reasoning generator "
    "used_in_training version system_prompt",
    "SYNTHETIC-1": "problem_id source task_type in_source_id prompt gold_standard_solution "
    "verification_info metadata llm_response response_id model_name generation_config machine_info "
    "score",
}
"""As they are published, in the order of the page."""

TURNS = [{"role": "system", "content": "Be brief."}, *user("1 + 1?"), *assistant("1 + 1.", "2")]
SAY = """
import json as j
r = rows.collect()
print(j.dumps([[f"{n}: {d}" for n, d in r.schema.items()], r.to_dicts()]))
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[list[str], Any]]:
    """Of each set the columns with their types, and the rows: of made-up samples, a second one of
    the first prompt, and one of many turns that answers without thinking."""
    folder = tmp_path_factory.mktemp("known")
    tables = outputs()
    first = tables["sft"].select(OUTPUTS["sft"].names)[:1].to_pylist()[0]
    again = {**first, "id": "s0b", "sample_index": 1, "correct": False, "finish_reason": "length"}
    last = {
        **first,
        "id": "s9",
        "prompt_id": "p9",
        "prompt": "And 2 + 2?",
        "messages": [*TURNS, *user("And 2 + 2?"), {"role": "assistant", "content": "4"}],
        "reasoning": None,
        "response": "4",
    }
    rows = tables["sft"].to_pylist()
    tables["sft"] = table("sft", [rows[0], again, *rows[1:], last])
    publish(str(folder / "store"), folder, tables, name="quickstart")
    opening, *parts = snippets(PAGE)
    said = run([opening, *(part + SAY for part in parts)], folder).splitlines()
    return {name: tuple(json.loads(line)) for name, line in zip(COLUMNS, said, strict=True)}


def headings() -> list[str]:
    return re.findall(r"^## (.+)$", (ROOT / "docs" / PAGE).read_text(), re.M)


def test_the_page_has_all_of_them() -> None:
    assert headings() == [name for name in COLUMNS if "," not in name]


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_and_their_types(written: dict[str, Any], name: str) -> None:
    columns, _ = written[name]
    said = re.findall(r"^```text\n(.*?)```$", (ROOT / "docs" / PAGE).read_text(), re.M | re.S)
    assert columns == said[list(COLUMNS).index(name)].splitlines()
    assert [column.partition(":")[0] for column in columns] == COLUMNS[name].split()


@pytest.mark.parametrize("name", COLUMNS)
def test_all_of_the_text_is_there(written: dict[str, Any], name: str) -> None:
    """Whatever a set calls them."""
    _, rows = written[name]
    whole = json.dumps(rows)
    for question, thinking, answer in SAMPLES:
        for text in (question, thinking, f"The answer is \\boxed{{{answer}}}."):
            assert json.dumps(text)[1:-1] in whole
    assert len(rows) == len(SAMPLES) + (1 if name.startswith("OpenR1") else 2)


def test_samples_of_a_prompt_in_a_row(written: dict[str, Any]) -> None:
    _, rows = written["OpenR1-Math-220k"]
    _, thinking, answer = SAMPLES[0]
    (row,) = (row for row in rows if row["uuid"] == "p0")
    assert row["generations"] == [content(thinking, answer)] * 2
    assert row["correctness_math_verify"] == [True, False]
    assert row["is_reasoning_complete"] == [True, False]
    assert row["correctness_count"] == 1


def test_turns_before_the_last_question_stay(written: dict[str, Any]) -> None:
    _, rows = written["AM-DeepSeek-R1-Distilled-1.4M"]
    turns = [(turn["role"], turn["content"]) for turn in rows[-1]["messages"]]
    assert turns == [
        *((turn["role"], turn["content"]) for turn in TURNS),
        ("user", "And 2 + 2?"),
        ("assistant", "<think></think><answer>4</answer>"),
    ]
    assert rows[-1]["messages"][0]["info"]["source"] is None
    assert rows[-1]["messages"][-1]["info"]["answer_content"] == "4"
    _, rows = written["OpenThoughts-114k"]
    assert [row["system"] for row in rows] == [""] * (len(SAMPLES) + 1) + ["Be brief."]
    assert [turn["from"] for turn in rows[-1]["conversations"]] == ["user", "assistant"] * 2
    _, rows = written["Llama-Nemotron-Post-Training-Dataset"]
    assert rows[-1]["input"] == [*TURNS, *user("And 2 + 2?")]
    assert (rows[0]["reasoning"], rows[-1]["reasoning"]) == ("on", "off")


def test_json_in_synthetic_1(written: dict[str, Any]) -> None:
    _, rows = written["SYNTHETIC-1"]
    assert json.loads(rows[0]["verification_info"]) == {"ground_truth": SAMPLES[0][2]}
    assert "temperature" in json.loads(rows[0]["generation_config"])
    assert (rows[0]["score"], rows[1]["score"]) == (1.0, 0.0)
