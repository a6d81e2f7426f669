"""TRL's own preparation of `preference`, `reward` and `rl`, as they are loaded: by token ids, the
thinking is in what is preferred, rejected and judged."""

from pathlib import Path
from typing import Any

import pytest
from datasets import load_dataset

from infra.version import Version
from tests.trainers.conftest import MODEL, settings, tokenizer_of
from tests.trainers.made_up import SAMPLES, content
from tests.trainers.test_sft import QWEN, R1, ids

RIGHT = [content(thinking, answer) for _, thinking, answer in SAMPLES]
WRONG = [content(f"{thinking} Or not.", f"{answer}0") for _, thinking, answer in SAMPLES]

# When GRPO is imported: TRL knows vLLM up to 0.31, which it would use for rollouts, and PyTorch
# is asked for what it is about to give up.
pytestmark = [
    pytest.mark.filterwarnings("ignore:TRL currently supports vLLM:UserWarning"),
    pytest.mark.filterwarnings("ignore:.torch.jit.script.* is deprecated:DeprecationWarning"),
]


def of(version: Version, output: str) -> Any:
    return load_dataset(version.location, output, split="train")


@pytest.mark.parametrize(("template", "end"), [(R1, ""), (QWEN, "\n")])
def test_dpo(version: Version, model: Any, tmp_path: Path, template: str, end: str) -> None:
    from trl import DPOConfig, DPOTrainer

    tokenizer = tokenizer_of(template)
    trainer = DPOTrainer(
        model=model,
        args=DPOConfig(**settings(tmp_path), max_length=4096),
        train_dataset=of(version, "preference"),
        processing_class=tokenizer,
    )
    found = trainer.train_dataset
    for column, texts in (("chosen_ids", RIGHT), ("rejected_ids", WRONG)):
        expected = [ids(tokenizer, text + tokenizer.eos_token + end) for text in texts]
        assert list(found[column]) == expected
    questions = [tokenizer.decode(row) for row in found["prompt_ids"]]
    assert all(sample[0] in text for sample, text in zip(SAMPLES, questions, strict=True))


def test_dpo_with_r1s_own_template_sees_no_thinking(
    version: Version, model: Any, r1: Any, tmp_path: Path
) -> None:
    """TRL has a training template for R1-Distill, and takes it for SFT alone."""
    from trl import DPOConfig, DPOTrainer
    from trl.chat_template_utils import deepseek_r1_distill_chat_template

    r1.chat_template = deepseek_r1_distill_chat_template
    trainer = DPOTrainer(
        model=model,
        args=DPOConfig(**settings(tmp_path)),
        train_dataset=of(version, "preference"),
        processing_class=r1,
    )
    tags = {r1.convert_tokens_to_ids(tag) for tag in ("<think>", "</think>")}
    for column in ("prompt_ids", "chosen_ids", "rejected_ids"):
        assert not any(tags & set(row) for row in trainer.train_dataset[column])


def test_reward_models_read_pairs(version: Version, r1: Any, tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification
    from trl import RewardConfig, RewardTrainer

    judge = AutoModelForSequenceClassification.from_pretrained(MODEL, num_labels=1)
    trainer = RewardTrainer(
        model=judge,
        args=RewardConfig(**settings(tmp_path), max_length=4096),
        train_dataset=of(version, "preference"),
        processing_class=r1,
    )
    for column, texts in (("chosen_ids", RIGHT), ("rejected_ids", WRONG)):
        for row, text in zip(trainer.train_dataset[column], texts, strict=True):
            whole = ids(r1, text + r1.eos_token)
            assert list(row)[-len(whole) :] == whole


def test_kto(version: Version, model: Any, r1: Any, tmp_path: Path) -> None:
    from trl import KTOConfig, KTOTrainer

    trainer = KTOTrainer(
        model=model,
        args=KTOConfig(**settings(tmp_path), max_length=4096, per_device_train_batch_size=2),
        train_dataset=of(version, "reward"),
        processing_class=r1,
    )
    found = {
        (tuple(row["completion_ids"]), row["label"]) for row in trainer.train_dataset.to_list()
    }
    judged = [(text, True) for text in RIGHT] + [(text, False) for text in WRONG]
    assert found == {(tuple(ids(r1, text + r1.eos_token)), label) for text, label in judged}


@pytest.mark.slow
def test_grpo_gives_the_reward_what_it_needs(
    version: Version, model: Any, r1: Any, tmp_path: Path
) -> None:
    """A step on `rl` as it is loaded: every column is an argument of the reward function."""
    from trl import GRPOConfig, GRPOTrainer

    seen: list[Any] = []

    def right(completions: Any, reference_answer: Any, verifier: Any, **more: Any) -> list[float]:
        seen.extend(zip(more["prompts"], reference_answer, verifier, strict=True))
        return [
            float(answer in given[-1]["content"])
            for given, answer in zip(completions, reference_answer, strict=True)
        ]

    trainer = GRPOTrainer(
        model=model,
        reward_funcs=right,
        args=GRPOConfig(
            **settings(tmp_path),
            max_completion_length=4,
            num_generations=2,
            per_device_train_batch_size=2,
            max_steps=1,
        ),
        train_dataset=of(version, "rl"),
        processing_class=r1,
    )
    trainer.train()
    asked = {question: answer for question, _, answer in SAMPLES}
    assert len(seen) == 2
    for prompt, answer, verifier in seen:
        assert (asked[prompt[-1]["content"]], "math") == (answer, verifier)
