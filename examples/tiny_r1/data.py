"""Training batches: fresh problems for every step, tokenized, grouped by length."""

import random
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

import torch
from torch import Tensor
from transformers import Qwen2Tokenizer

from examples.tiny_r1.tokenizer import train_tokenizer
from examples.tiny_r1.traces import INSTRUCTION, trace
from examples.tiny_r1.world import Problem, problems

HELD_OUT_SEED = 20_250_120
HELD_OUT_COUNT = 1000
"""These problems are never trained on; the first 240 are `prompts.jsonl`."""
MAX_LENGTH = 480
"""Tokens of a prompt and its completion; endless traces are cut here."""
CORPUS_COUNT = 6000
CORPUS_CHARS = 1200
IGNORED = -100
"""Label of a position without a loss, as in `torch.nn.functional.cross_entropy`."""


class Example(NamedTuple):
    """Token ids of one text, of which the first `prompt` are given and not learned."""

    ids: list[int]
    prompt: int


class Batch(NamedTuple):
    """Inputs and labels, both int64 of shape (rows, positions), padded on the right."""

    inputs: Tensor
    labels: Tensor


def held_out(count: int = HELD_OUT_COUNT) -> list[Problem]:
    """The first of the problems that training never sees."""
    return list(islice(problems(HELD_OUT_SEED), count))


def training_problems(seed: int, step: int, forbidden: frozenset[str]) -> Iterator[Problem]:
    """Problems for one step; a pure function of seed and step, without the forbidden questions."""
    fresh = problems(seed * 10_000_000 + step)
    return (problem for problem in fresh if problem.question not in forbidden)


def make_tokenizer(seed: int, vocabulary: int) -> Qwen2Tokenizer:
    """A tokenizer of the world's own words."""
    rng = random.Random(seed)
    texts = []
    for problem in islice(problems(seed), CORPUS_COUNT):
        texts += [problem.question + INSTRUCTION, trace(problem, rng).text[:CORPUS_CHARS]]
    return train_tokenizer(texts, vocabulary)


def render_prompt(tokenizer: Qwen2Tokenizer, question: str) -> str:
    """The text the model is given, down to the prefilled `<think>`."""
    messages = [{"role": "user", "content": question + INSTRUCTION}]
    text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    return str(text)


def encode(tokenizer: Qwen2Tokenizer, text: str) -> list[int]:
    """Token ids of text that already has its special tokens."""
    # Quiet: an endless trace is longer than the context before it is cut.
    return list(tokenizer.encode(text, add_special_tokens=False, verbose=False))


def make_examples(
    tokenizer: Qwen2Tokenizer,
    source: Iterator[Problem],
    rng: random.Random,
    count: int,
    *,
    late: bool = False,
) -> list[Example]:
    """That many problems with one trace each."""
    examples = []
    for problem in islice(source, count):
        prompt = encode(tokenizer, render_prompt(tokenizer, problem.question))
        written = trace(problem, rng, late=late)
        end = [int(tokenizer.eos_token_id)] if written.ends else []
        ids = (prompt + encode(tokenizer, written.text) + end)[:MAX_LENGTH]
        examples.append(Example(ids, len(prompt)))
    return examples


def group(examples: list[Example], tokens: int, padding: int) -> list[Batch]:
    """Batches of similar lengths, each of at most `tokens` positions (but one row at least)."""
    batches: list[Batch] = []
    rows: list[Example] = []
    for example in sorted(examples, key=lambda example: len(example.ids)):
        if rows and (len(rows) + 1) * len(example.ids) > tokens:
            batches.append(_pad(rows, padding))
            rows = []
        rows.append(example)
    return [*batches, _pad(rows, padding)]


def _pad(rows: list[Example], padding: int) -> Batch:
    width = max(len(row.ids) for row in rows)
    inputs = torch.full((len(rows), width), padding)
    labels = torch.full((len(rows), width), IGNORED)
    for place, row in enumerate(rows):
        ids = torch.tensor(row.ids)
        inputs[place, : len(ids)] = ids
        labels[place, row.prompt : len(ids)] = ids[row.prompt :]
    # Each position predicts the next one.
    return Batch(inputs[:, :-1], labels[:, 1:])
