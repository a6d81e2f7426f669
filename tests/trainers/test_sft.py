"""TRL's own preparation of `sft`: by token ids, all of the thinking is in what the loss sees."""

from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, load_dataset

from examples.tiny_r1.tokenizer import ASSISTANT
from infra.version import Version
from tests.trainers.conftest import settings, tokenizer_of
from tests.trainers.made_up import SAMPLES, content

R1, QWEN = "deepseek-r1", "qwen"
CONTENTS = [content(thinking, answer) for _, thinking, answer in SAMPLES]


@pytest.fixture
def rows(version: Version) -> Any:
    return load_dataset(version.location, "sft", split="train")


def as_completions(rows: Any) -> Any:
    """As docs/trainers.md says it."""
    return rows.map(
        lambda row: {"prompt": row["messages"][:-1], "completion": row["messages"][-1:]},
        remove_columns=rows.column_names,
    )


def prepared(rows: Any, model: Any, tokenizer: Any, tmp_path: Path, **config: Any) -> list[Any]:
    """The rows that TRL trains on, of which `labels` are what the loss sees."""
    from trl import SFTConfig, SFTTrainer

    config.setdefault("max_length", 4096)
    trainer = SFTTrainer(
        model=model,
        args=SFTConfig(**settings(tmp_path), **config),
        train_dataset=rows,
        processing_class=tokenizer,
    )
    return list(trainer.train_dataset)


def targets(prepared: list[Any]) -> list[list[int]]:
    """The tokens of each row that the loss sees."""
    for row in prepared:
        for token, label in zip(row["input_ids"], row["labels"], strict=True):
            assert label in (token, -100)
    return [[label for label in row["labels"] if label != -100] for row in prepared]


def ids(tokenizer: Any, text: str) -> list[int]:
    found: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return found


def within(part: list[int], whole: list[int]) -> bool:
    return any(whole[i : i + len(part)] == part for i in range(len(whole) - len(part) + 1))


@pytest.mark.parametrize("template", [R1, QWEN])
def test_the_whole_answer_and_nothing_else_with_assistant_only_loss(
    rows: Any, model: Any, tmp_path: Path, template: str
) -> None:
    tokenizer = tokenizer_of(template)
    messages = rows.select_columns(["messages"])
    found = targets(prepared(messages, model, tokenizer, tmp_path, assistant_only_loss=True))
    assert found == [ids(tokenizer, text + tokenizer.eos_token) for text in CONTENTS]
    assert all(thinking in text for (_, thinking, _), text in zip(SAMPLES, CONTENTS, strict=True))
    assert [tokenizer.decode(row) for row in found] == [
        text + tokenizer.eos_token for text in CONTENTS
    ]


@pytest.mark.parametrize(("template", "end"), [(R1, ""), (QWEN, "\n")])
def test_the_whole_answer_as_a_completion(
    rows: Any, model: Any, tmp_path: Path, template: str, end: str
) -> None:
    tokenizer = tokenizer_of(template)
    found = targets(prepared(as_completions(rows), model, tokenizer, tmp_path))
    assert found == [ids(tokenizer, text + tokenizer.eos_token + end) for text in CONTENTS]


@pytest.mark.parametrize("template", [R1, QWEN])
def test_by_default_prompt_and_answer_are_learned(
    rows: Any, model: Any, tmp_path: Path, template: str
) -> None:
    tokenizer = tokenizer_of(template)
    found = prepared(rows.select_columns(["messages"]), model, tokenizer, tmp_path)
    for row, target, text in zip(found, targets(found), CONTENTS, strict=True):
        assert target == row["input_ids"]
        assert within(ids(tokenizer, text + tokenizer.eos_token), target)


def test_rows_that_come_one_after_another(
    version: Version, model: Any, r1: Any, tmp_path: Path
) -> None:
    streamed = load_dataset(version.location, "sft", split="train", streaming=True)
    messages = streamed.select_columns(["messages"])
    config: dict[str, Any] = {"assistant_only_loss": True, "max_steps": 1}
    found = targets(prepared(messages, model, r1, tmp_path, **config))
    assert found == [ids(r1, text + r1.eos_token) for text in CONTENTS]


def test_r1s_own_template_drops_the_thinking(
    rows: Any, model: Any, r1: Any, tmp_path: Path
) -> None:
    """The trap that docs/trainers.md warns of, with R1-Distill's template as TRL has it."""
    from trl.chat_template_utils import deepseek_r1_distill_chat_template

    r1.chat_template = deepseek_r1_distill_chat_template
    think = r1.convert_tokens_to_ids("<think>")
    messages = rows.select_columns(["messages"])
    for given in (messages, as_completions(rows)):
        for target in targets(prepared(given, model, r1, tmp_path)):
            assert think not in target
    again = targets(prepared(messages, model, r1, tmp_path, assistant_only_loss=True))
    assert [r1.decode(target) for target in again] == [
        r1.decode(ids(r1, f"{ASSISTANT}{text}{r1.eos_token}")) for text in CONTENTS
    ], "with this setting TRL takes its own training template in place of R1's"


def test_qwen3s_template_loses_what_stands_before_a_quoted_tag(
    rows: Any, model: Any, qwen: Any, tmp_path: Path
) -> None:
    """It cuts at the first `</think>`, and again at the last one, and throws away what is between
    them, also in TRL's training template."""
    from trl.chat_template_utils import qwen3_chat_template

    qwen.chat_template = qwen3_chat_template
    messages = rows.select_columns(["messages"])
    for config in ({}, {"assistant_only_loss": True}):
        texts = [
            qwen.decode(t) for t in targets(prepared(messages, model, qwen, tmp_path, **config))
        ]
        assert CONTENTS[0] in texts[0]
        assert CONTENTS[2] in texts[2]
        assert "would end this" not in texts[1]


def test_loaded_rows_want_a_column_to_be_chosen(
    rows: Any, model: Any, r1: Any, tmp_path: Path
) -> None:
    """`prompt` is a text beside `messages`: TRL takes it for the half of a completion."""
    with pytest.raises(KeyError, match="completion"):
        prepared(rows, model, r1, tmp_path)


def test_long_thinking_is_cut_by_default(model: Any, r1: Any, tmp_path: Path) -> None:
    """TRL keeps the first 1,024 tokens, and says nothing."""
    text = content("So 1 + 1 is 2. " * 400, "2")
    messages = [{"role": "user", "content": "?"}, {"role": "assistant", "content": text}]
    rows = Dataset.from_list([{"messages": messages}])
    (cut,) = targets(prepared(rows, model, r1, tmp_path, max_length=1024))
    assert len(cut) == 1024
    (whole,) = targets(prepared(rows, model, r1, tmp_path, max_length=None))
    assert r1.convert_tokens_to_ids("</think>") in whole
    assert r1.convert_tokens_to_ids("</think>") not in cut
    from trl import SFTConfig

    assert SFTConfig(**settings(tmp_path)).max_length == 1024
