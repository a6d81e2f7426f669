"""The part of a card that says how to load a version, and with which chat template to train."""

from typing import Final

from jobs.card_front import files_by_split, outputs_of
from schemas.manifest import Manifest

TEMPLATE: Final = """\
{#- DeepSeek-R1's turns for training: the thinking of every answer stays in. The markers around
    answers are what `assistant_only_loss` of TRL goes by. `<think>` is left to the answer, which
    begins with it, so that no trainer sees it twice. To serve, put back the model's template. -#}
{{- bos_token }}
{%- for message in messages %}
    {%- if message.role == 'system' %}
        {{- message.content }}
    {%- elif message.role == 'user' %}
        {{- '<｜User｜>' + message.content }}
    {%- elif message.role == 'assistant' %}
        {{- '<｜Assistant｜>' }}
        {%- generation %}
            {{- message.content + eos_token }}
        {%- endgeneration %}
    {%- else %}
        {{- raise_exception('this template has no turn for the role ' + message.role) }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<｜Assistant｜>' }}
{%- endif %}
"""  # noqa: RUF001 - DeepSeek's own spelling
"""DeepSeek-R1's format, with all of an assistant's message: docs/templates/deepseek-r1.jinja."""
WITH_REASONING: Final = ("sft", "preference", "reward")
"""Outputs whose messages have thinking."""

TRL_SFT: Final = """\
from trl import SFTConfig, SFTTrainer

SFTTrainer(
    model="deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B",
    args=SFTConfig(
        chat_template_path="keep_reasoning.jinja", assistant_only_loss=True, max_length=32768
    ),
    train_dataset=load_dataset(folder, "sft", split="train").select_columns(["messages"]),
)
"""
"""Beside `messages` TRL takes `prompt` for half of a pair with `completion`; by default it cuts
at 1,024 tokens."""
TRL_DPO: Final = """\
from transformers import AutoTokenizer
from trl import DPOConfig, DPOTrainer

model = "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B"
tokenizer = AutoTokenizer.from_pretrained(model)
tokenizer.chat_template = open("keep_reasoning.jinja").read()
pairs = load_dataset(folder, "preference", split="train")
DPOTrainer(
    model=model,
    args=DPOConfig(max_length=32768),
    processing_class=tokenizer,
    train_dataset=pairs.select_columns(["prompt", "chosen", "rejected"]),
)
"""
TRL_OF: Final = {"sft": TRL_SFT, "preference": TRL_DPO}


def loading(manifest: Manifest) -> str:
    """How to read it. The paths in the front matter are those of a folder that was pulled, also
    where files lie with an older version: `../v0001/…` would be found in the store, if that is a
    folder, and nowhere else."""
    older = sorted({file.version for file in manifest.files if file.version})
    folder, first = "path/to/this/folder", ""
    if older:
        folder = f"data/{manifest.name}"
        first = (
            f"This version brings back an older one. Its data files lie with {', '.join(older)}, "
            "not in this folder; bring them together first:\n\n"
            f"```\nstillhouse pull {manifest.name}@{manifest.version} {folder}\n```\n\n"
        )
    parts = [f"{first}{_datasets(manifest, folder)}", _trl(manifest)]
    outputs = outputs_of(manifest)
    if "sft" in outputs:
        parts += [_axolotl(folder), _llama_factory(manifest, folder)]
    elif "preference" in outputs:
        parts.append(_pairs_elsewhere())
    if set(WITH_REASONING) & set(outputs):
        parts.append(_template())
    return "\n\n".join(filter(None, parts))


def _datasets(manifest: Manifest, folder: str) -> str:
    main, *others = outputs_of(manifest)
    split = _split(manifest, main)
    lines = [f'rows = load_dataset("{folder}", split="{split}")']
    lines += [
        f'{other} = load_dataset("{folder}", "{other}", split="{_split(manifest, other)}")'
        for other in others
    ]
    more = "\n".join(lines)
    return f"""```python
from datasets import load_dataset

{more}

# Without reading all of it first:
rows = load_dataset("{folder}", "{main}", split="{split}", streaming=True)
```

```python
import polars as pl

rows = pl.scan_parquet("{folder}/{main}/{split}-*.parquet")
```"""


def _split(manifest: Manifest, output: str) -> str:
    """The first one."""
    return next(iter(files_by_split(manifest, output)))


def _trl(manifest: Manifest) -> str:
    snippets = [TRL_OF[output] for output in outputs_of(manifest) if output in TRL_OF]
    if not snippets:
        return ""
    code = "\n".join(snippets)
    return f"""### TRL

With the chat template below as `keep_reasoning.jinja`, and the folder's path as `folder`:

```python
{code}```"""


def _axolotl(folder: str) -> str:
    return f"""### axolotl

```yaml
chat_template: jinja
chat_template_jinja: keep_reasoning.jinja
datasets:
  - path: {folder}
    name: sft
    split: train
    type: chat_template
    field_messages: messages
    roles_to_train: [assistant]
```"""


def _llama_factory(manifest: Manifest, folder: str) -> str:
    pairs = f"\n\n{_pairs_elsewhere()}" if "preference" in manifest.rows else ""
    return f"""### LLaMA-Factory

In `dataset_info.json`, and `template: deepseekr1` in the run's configuration, which keeps the
thinking of the last turn:

```json
{{
  "{manifest.name}": {{
    "hf_hub_url": "{folder}",
    "subset": "sft",
    "split": "train",
    "formatting": "sharegpt",
    "columns": {{"messages": "messages"}},
    "tags": {{
      "role_tag": "role",
      "content_tag": "content",
      "user_tag": "user",
      "assistant_tag": "assistant",
      "system_tag": "system"
    }}
  }}
}}
```{pairs}"""


def _pairs_elsewhere() -> str:
    return (
        "Pairs have `chosen` and `rejected` as lists of one message, as TRL reads them; "
        "LLaMA-Factory and axolotl's `chat_template.default` want the message itself:\n"
        '`pairs.map(lambda row: {"chosen": row["chosen"][0], "rejected": row["rejected"][0]})`.'
    )


def _template() -> str:
    return f"""### The chat template

The assistant's content has the thinking between `<think>` and `</think>`.
**DeepSeek-R1's own chat template deletes everything before `</think>`**, and with it the reasoning:
train with a template that keeps it. This one writes R1's format, and marks the assistant's tokens
for a loss on them alone:

```jinja
{TEMPLATE}```"""
