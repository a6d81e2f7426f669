"""How often the model is right on problems it has never seen.

Run as `python -m examples.tiny_r1.evaluate --model DIR --count 120`.
"""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import Qwen2ForCausalLM, Qwen2Tokenizer

from examples.tiny_r1.data import encode, held_out, render_prompt
from examples.tiny_r1.tokenizer import END_THINK
from examples.tiny_r1.world import Problem

BOXED = re.compile(r"\\boxed\{(\d+)\}")
MAX_NEW_TOKENS = 512
ROWS = 60


def is_right(problem: Problem, completion: str) -> bool:
    """Whether the thinking is closed and the last box after it holds the answer."""
    _, closed, answer = completion.partition(END_THINK)
    boxes = BOXED.findall(answer)
    return bool(closed) and bool(boxes) and int(boxes[-1]) == problem.answer


@torch.inference_mode()
def complete(
    model: Qwen2ForCausalLM,
    tokenizer: Qwen2Tokenizer,
    questions: Sequence[str],
    *,
    temperature: float,
    max_new_tokens: int = MAX_NEW_TOKENS,
) -> list[list[int]]:
    """Token ids of one completion a question; temperature 0 is greedy, else with top_p 0.95."""
    prompts = [encode(tokenizer, render_prompt(tokenizer, question)) for question in questions]
    width, pad = max(map(len, prompts)), int(tokenizer.pad_token_id)
    inputs = torch.tensor([[pad] * (width - len(ids)) + ids for ids in prompts])
    mask = torch.tensor([[0] * (width - len(ids)) + [1] * len(ids) for ids in prompts])
    greedy = temperature == 0
    chosen = {} if greedy else {"temperature": temperature, "top_p": 0.95, "top_k": 0}
    output = model.generate(  # type: ignore[misc]
        inputs=inputs,
        attention_mask=mask,
        do_sample=not greedy,
        max_new_tokens=max_new_tokens,
        max_length=None,
        pad_token_id=pad,
        **({"temperature": None, "top_p": None} if greedy else chosen),
    )
    return [_until_end(row, pad) for row in output[:, width:].tolist()]


def _until_end(ids: list[int], end: int) -> list[int]:
    return ids[: ids.index(end)] if end in ids else ids


def measure(
    model: Qwen2ForCausalLM,
    tokenizer: Qwen2Tokenizer,
    sample: Sequence[Problem],
    *,
    temperature: float,
    max_new_tokens: int = MAX_NEW_TOKENS,
) -> float:
    """The share of the problems whose one completion is right."""
    right = 0
    for start in range(0, len(sample), ROWS):
        chunk = sample[start : start + ROWS]
        questions = [problem.question for problem in chunk]
        completions = complete(
            model, tokenizer, questions, temperature=temperature, max_new_tokens=max_new_tokens
        )
        texts = tokenizer.batch_decode(completions, skip_special_tokens=True)
        right += sum(map(is_right, chunk, texts))
    return right / len(sample)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure a model folder, greedily and at temperature 0.6."""
    parser = argparse.ArgumentParser(description="Measure the tiny teacher.")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--count", type=int, default=120)
    options = parser.parse_args(arguments)
    model = Qwen2ForCausalLM.from_pretrained(options.model)
    tokenizer = Qwen2Tokenizer.from_pretrained(options.model)
    sample = held_out(options.count)
    for temperature in (0.0, 0.6):
        share = measure(model, tokenizer, sample, temperature=temperature)
        sys.stdout.write(f"temperature {temperature}: pass@1 {share:.3f}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
