"""The whole circle: the quickstart's version trains a model, and that one is a teacher again."""

from pathlib import Path
from typing import Any

import pytest

from schemas.reasoning import split_reasoning
from schemas.recipe import Teacher
from tests.infra.test_vllm import RANDOM, EngineInThread, questions
from tests.test_quickstart import RECIPE, stillhouse
from tests.trainers.conftest import MODEL, TEMPLATES, settings

pytestmark = [
    pytest.mark.engine,
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    # vLLM and PyTorch deprecate things in each other all the time.
    pytest.mark.filterwarnings("default"),
]

STEPS = 30


def train(location: str, folder: Path) -> tuple[float, float]:
    """Trains the tiny model, as docs/trainers.md says it, and saves it, with its own template put
    back; the losses on samples that it has not seen, before and after."""
    from datasets import load_dataset
    from transformers import AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    rows = load_dataset(location, "sft", split="train").select_columns(["messages"])
    parts = rows.train_test_split(test_size=64, seed=1)
    args: dict[str, Any] = {
        "chat_template_path": str(TEMPLATES / "deepseek-r1.jinja"),
        "assistant_only_loss": True,
        "max_length": 1024,
        "max_steps": STEPS,
        "learning_rate": 1e-4,
        "per_device_train_batch_size": 8,
    }
    trainer = SFTTrainer(
        model=str(MODEL),
        args=SFTConfig(**settings(folder / "work"), **args),
        train_dataset=parts["train"],
        eval_dataset=parts["test"],
    )
    before = trainer.evaluate()["eval_loss"]
    trainer.train()
    after = trainer.evaluate()["eval_loss"]
    trainer.save_model(str(folder / "model"))
    AutoTokenizer.from_pretrained(MODEL).save_pretrained(folder / "model")
    return before, after


def test_a_version_trains_a_model_that_our_engine_runs(tmp_path: Path) -> None:
    before, after = train(stillhouse("run", RECIPE)["location"], tmp_path)
    assert after < before

    args = {"dtype": "float32", "enforce_eager": True, "max_num_seqs": 16}
    engine = EngineInThread(Teacher(model=str(tmp_path / "model"), engine_args=args))
    try:
        samples = engine.draw(questions(8), RANDOM)
    finally:
        engine.close()
    finished = [sample.text for sample in samples if sample.finish_reason == "stop"]
    assert len(finished) >= 4
    splits = [split_reasoning(text, thinking_open=True) for text in finished]
    assert all(split.closed and split.answer.strip() for split in splits)
    # The tiny world has refusals, which are written without thinking.
    assert sum(len(split.reasoning or "") > 50 for split in splits) >= 4
