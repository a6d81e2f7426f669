"""The quickstart as a user runs it, and what its dataset must be.

After `make run` nothing is generated here: the run says that there is nothing to do.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from infra.catalog import Catalog
from infra.folder_store import FolderStore
from tests.conftest import ROOT
from tests.published import folder_of, problems
from tests.trainers.conftest import MODEL, tokenizer_of
from tests.trainers.test_sft import ids, prepared, targets

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]

RECIPE = "recipes/quickstart.yaml"


def stillhouse(*arguments: str) -> dict[str, Any]:
    """What a command says as JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "jobs.cli", *arguments, "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.fixture(scope="module")
def quickstart() -> dict[str, Any]:
    """The quickstart's result; generates only if `make run` did not."""
    return stillhouse("run", RECIPE)


@pytest.fixture
def copied_store(quickstart: dict[str, Any], tmp_path: Path) -> Path:
    """A copy to change; stores can be moved."""
    return Path(shutil.copytree(Path(quickstart["location"]).parents[3], tmp_path / "store"))


def test_enough_is_published(quickstart: dict[str, Any]) -> None:
    assert quickstart["published"] >= 300
    assert quickstart["prompts_published"] >= 150
    assert quickstart["unsettled"] == 0
    assert sum(quickstart["funnel"].values()) == quickstart["samples"]


def test_every_answer_is_right_by_another_route(quickstart: dict[str, Any]) -> None:
    """The generator of the prompts knows the truth; math-verify is not asked."""
    truth = {
        row["question"]: int(row["answer"])
        for row in map(
            json.loads, (ROOT / "examples" / "tiny_r1" / "prompts.jsonl").read_text().splitlines()
        )
    }
    from datasets import load_dataset

    rows = load_dataset(quickstart["location"], split="train+validation")
    assert len(rows) == quickstart["published"]
    for row in rows:
        question = row["prompt"].partition("\n\nPlease reason")[0]
        # A few end in "The answer is 143 euros." instead of a box.
        answer = row["response"].rpartition("\\boxed{")[2].partition("}")[0]
        assert int(re.findall(r"\d+", answer)[-1]) == truth[question]
        roles = [message["role"] for message in row["messages"]]
        assert roles == ["user", "assistant"]
        content = row["messages"][1]["content"]
        assert content.startswith("<think>\n")
        assert content.count("</think>") == 1


def test_the_whole_answer_is_what_a_trainer_trains_on(
    quickstart: dict[str, Any], tmp_path: Path
) -> None:
    """TRL's preparation with the template that docs/trainers.md gives for R1, by token ids."""
    from datasets import load_dataset
    from transformers import AutoModelForCausalLM

    rows = load_dataset(quickstart["location"], split="train")
    tokenizer = tokenizer_of("deepseek-r1")
    model = AutoModelForCausalLM.from_pretrained(MODEL)
    messages = rows.select_columns(["messages"])
    trained = prepared(messages, model, tokenizer, tmp_path, assistant_only_loss=True)
    for row, target in zip(rows, targets(trained), strict=True):
        answer = row["messages"][-1]["content"]
        assert row["reasoning"] in answer
        assert target == ids(tokenizer, answer + tokenizer.eos_token)


def test_again_there_is_nothing_to_do(quickstart: dict[str, Any]) -> None:
    again = stillhouse("run", RECIPE)
    assert again["generated"]["attempt"] is None
    assert (again["status"], again["version"]) == ("unchanged", quickstart["version"])


def test_another_threshold_is_another_version_without_a_token(copied_store: Path) -> None:
    looser = stillhouse(
        "run",
        RECIPE,
        "--set",
        f"store={copied_store}",
        "--set",
        "keep={finished: format.complete, correct: correct, readable: language.share >= 0.5}",
        "--set",
        "choose.per_prompt=3",
    )
    assert looser["generated"]["attempt"] is None
    assert (looser["status"], looser["version"]) == ("published", "v0002")


def test_verify_sees_one_changed_byte(copied_store: Path) -> None:
    catalog = Catalog(FolderStore(copied_store), "quickstart")
    assert problems(catalog, "v0001") == []
    part = next(folder_of(catalog, "v0001").glob("sft/*.parquet"))
    damaged = bytearray(part.read_bytes())
    damaged[len(damaged) // 3] ^= 1
    part.write_bytes(damaged)
    assert len(problems(catalog, "v0001")) == 1


def test_every_sample_that_was_not_kept_has_a_reason(quickstart: dict[str, Any]) -> None:
    peeked = stillhouse("peek", RECIPE, "--count", "500", "--seed", "1")
    assert len(peeked["rejected"]) > 100
    assert all(row["reason"] for row in peeked["rejected"])
    assert not any(row["reason"] for row in peeked["kept"])
    assert {"not_correct", "not_finished"} <= {row["reason"] for row in peeked["rejected"]}
