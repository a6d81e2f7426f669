"""docs/trainers.md does what it says, and its files ask for what is in a version.

axolotl and LLaMA-Factory are not installed here: the rules of their loaders are written down below,
from axolotl 0.19 and LLaMA-Factory 0.9.5, which have both read made-up rows by these files.
"""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from jobs.pull import pull
from schemas.outputs import OUTPUTS
from tests.conftest import ROOT
from tests.trainers.made_up import SAMPLES, assistant, outputs, publish, user
from tests.trainers.pages import run, snippets

DOCS = ROOT / "docs"
FILES = DOCS / "trainers"
MODEL = "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B"
TRAINS = "Trainer"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a reader has it: a store, a version that was pulled, the documentation; and in
    `data` what the page's conversions write."""
    folder = tmp_path_factory.mktemp("desk")
    publish(str(folder / "store"), folder, outputs(), name="quickstart")
    pull(str(folder / "store"), "quickstart", str(folder / "data" / "quickstart"))
    (folder / "docs").symlink_to(DOCS)
    shutil.copy(FILES / "dataset_info.json", folder / "data")
    run([part for part in snippets("trainers.md") if TRAINS not in part], folder)
    return folder


def read(path: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((FILES / path).read_text())
    return loaded


def test_conversions_write_what_their_readers_want(desk: Path) -> None:
    pairs = pl.read_parquet(desk / "data" / "quickstart-pairs.parquet")
    nemo = pl.read_parquet(desk / "data" / "quickstart-nemo.parquet").to_dicts()
    verl = pl.read_parquet(desk / "data" / "quickstart-verl.parquet").to_dicts()
    for number, (question, thinking, answer) in enumerate(SAMPLES):
        right, wrong = assistant(thinking, answer), assistant(f"{thinking} Or not.", f"{answer}0")
        pair = {"prompt": user(question), "chosen": right[0], "rejected": wrong[0]}
        assert pairs.row(number, named=True) == pair
        assert nemo[number] == {
            "context": user(question),
            "completions": [{"rank": 0, "completion": right}, {"rank": 1, "completion": wrong}],
        }
        assert verl[number]["prompt"] == user(question)
        assert verl[number]["reward_model"] == {"style": "rule", "ground_truth": answer}
    judged = pl.read_parquet(desk / "data" / "quickstart-judged.parquet")
    assert judged["label"].to_list() == [True, False] * len(SAMPLES)
    assert judged["messages"].list.len().unique().to_list() == [2]


@pytest.mark.parametrize("path", ["axolotl-sft.yaml", "axolotl-dpo.yaml"])
def test_axolotl_finds_what_its_files_name(desk: Path, path: str) -> None:
    """Its loader gives a folder to `load_dataset`; a dataset of SFT takes the tokenizer's template
    if it names none, and one of DPO that of the whole file."""
    from datasets import load_dataset

    config = read(path)
    (source,) = config["datasets"]
    rows = load_dataset(str(desk / source["path"]), split=source["split"])
    preference = config.get("rl") == "dpo"
    assert source["type"] == ("chat_template.default" if preference else "chat_template")
    fields = ["field_messages", *(["field_chosen", "field_rejected"] if preference else [])]
    for field in fields:
        assert {"role", "content"} == set(rows.features[source[field]].feature)
    for holder in (config,) if preference else (config, source):
        assert holder["chat_template"] == "jinja"
        assert (desk / holder["chat_template_jinja"]).is_file()
    roles = {message["role"] for row in rows[source["field_messages"]] for message in row}
    assert roles <= {"system", "user", "assistant"}
    assert config["excess_length_strategy"] == "drop"


def test_axolotl_would_not_find_an_answer_that_the_template_changes(r1: Any) -> None:
    """For DPO it looks for the content in the rendered turn; and the prompt must not end with what
    the answer begins with."""
    question = user("q")
    for _, thinking, answer in SAMPLES:
        said = assistant(thinking, answer)
        rendered = r1.apply_chat_template([*question, *said], tokenize=False)
        assert rendered.endswith(said[0]["content"] + r1.eos_token)
    prompt = r1.apply_chat_template(question, tokenize=False, add_generation_prompt=True)
    assert "<think>" not in prompt


@pytest.mark.parametrize(
    ("path", "ranking"), [("llamafactory-sft.yaml", False), ("llamafactory-dpo.yaml", True)]
)
def test_llama_factory_finds_what_its_files_name(desk: Path, path: str, ranking: bool) -> None:
    config = read(path)
    info = json.loads((desk / config["dataset_dir"] / "dataset_info.json").read_text())
    source = info[config["dataset"]]
    assert source.get("ranking", False) is ranking
    assert config["enable_thinking"] is True
    assert config["cutoff_len"] > 2048
    for row in converted(source, desk / config["dataset_dir"]):
        assert row["answers"] == (2 if ranking else 1)


def test_llama_factory_reads_what_was_judged(desk: Path) -> None:
    info = json.loads((FILES / "dataset_info.json").read_text())
    rows = list(converted(info["quickstart_judged"], desk / "data"))
    assert [row["label"] for row in rows] == [True, False] * len(SAMPLES)


def converted(source: dict[str, Any], folder: Path) -> Iterator[dict[str, Any]]:
    """What its `sharegpt` converter takes from each row, or AssertionError where it would leave the
    row out: turns that alternate, and as many as the kind of data has; pairs as messages."""
    from datasets import load_dataset

    if "file_name" in source:
        rows = load_dataset("parquet", data_files=str(folder / source["file_name"]), split="train")
    else:
        place = str(folder / source["script_url"])
        rows = load_dataset(place, source["subset"], split=source["split"])
    assert source["formatting"] == "sharegpt"
    columns, tags, ranking = source["columns"], source["tags"], source.get("ranking", False)
    known = {name for name, column in columns.items() if column in rows.column_names}
    assert known == set(columns)
    for row in rows:
        messages = row[columns["messages"]]
        if messages[0][tags["role_tag"]] == tags["system_tag"]:
            messages = messages[1:]
        roles = [message[tags["role_tag"]] for message in messages]
        turns = [tags["user_tag"], tags["assistant_tag"]] * len(roles)
        assert roles == turns[: len(roles)]
        assert len(roles) % 2 == (1 if ranking else 0)
        if ranking:
            pair = [row[columns[name]] for name in ("chosen", "rejected")]
            assert all(one[tags["role_tag"]] == tags["assistant_tag"] for one in pair)
        label = row[columns["kto_tag"]] if "kto_tag" in columns else None
        yield {"answers": 2 if ranking else 1, "label": label}


def test_the_page_names_columns_and_files_that_exist() -> None:
    text = (DOCS / "trainers.md").read_text()
    for line in re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|$", text, re.M):
        output, columns = line
        assert set(re.findall(r"`(\w+)`", columns)) <= set(OUTPUTS[output].names)
    for target in re.findall(r"\]\(([^)]+)\)", text):
        assert (DOCS / target).is_file(), target


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_page_trains_as_it_says(desk: Path) -> None:
    """Every trainer of the page on the tiny model, for one step, on whatever machine this is."""
    here = (
        "use_cpu=True, bf16=False, report_to='none', max_steps=1, per_device_train_batch_size=2, "
    )
    parts = []
    for part in snippets("trainers.md"):
        small = part.replace(MODEL, str(ROOT / "examples" / "tiny_r1" / "model"))
        small = small.replace("output_dir=", f"{here}output_dir=").replace("16384", "256")
        small = small.replace("max_completion_length", "num_generations=2, max_completion_length")
        parts.append(small)
    assert any(TRAINS in part for part in parts)
    run(parts, desk)
    for name in ("sft", "dpo", "kto", "grpo"):
        assert list((desk / "outputs" / name).glob("checkpoint-1/model.safetensors"))
