"""A tiny real model, tokenizers with the turns of R1 and of Qwen, and a version of all outputs."""

from pathlib import Path
from typing import Any

import pytest

from infra.version import Version
from tests.conftest import ROOT
from tests.trainers.made_up import outputs, publish

MODEL = ROOT / "examples" / "tiny_r1" / "model"
TEMPLATES = ROOT / "docs" / "templates"
QWEN_TOKENS = ["<|im_start|>", "<|im_end|>"]


@pytest.fixture
def r1() -> Any:
    """A tokenizer with R1's tokens and the template that the documentation gives for it."""
    return tokenizer_of("deepseek-r1")


@pytest.fixture
def qwen() -> Any:
    """The same with Qwen's."""
    return tokenizer_of("qwen")


def tokenizer_of(template: str) -> Any:
    """The tiny model's tokenizer with a template of the documentation."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    if template == "qwen":
        tokenizer.add_special_tokens({"additional_special_tokens": QWEN_TOKENS})
        tokenizer.eos_token = QWEN_TOKENS[1]
    tokenizer.chat_template = (TEMPLATES / f"{template}.jinja").read_text()
    return tokenizer


@pytest.fixture
def model() -> Any:
    """The tiny model, once for each trainer: they change it."""
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(MODEL)


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> Version:
    """All outputs, made up, in a folder."""
    folder = tmp_path_factory.mktemp("version")
    return publish(str(folder / "store"), folder, outputs())


def settings(folder: Path) -> dict[str, Any]:
    """What every trainer needs to be told on a machine without a GPU."""
    return {"output_dir": str(folder), "report_to": "none", "use_cpu": True, "bf16": False}
