"""Makes the tiny teacher from nothing on two cores.

Run as `python -m examples.tiny_r1.train --out DIR`.

Stopped at any moment, the same command continues from the last checkpoint.
"""

import argparse
import json
import logging
import os
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy
from transformers import GenerationConfig, Qwen2Config, Qwen2ForCausalLM, Qwen2Tokenizer

from examples.tiny_r1.data import (
    IGNORED,
    Batch,
    group,
    held_out,
    make_examples,
    make_tokenizer,
    training_problems,
)
from examples.tiny_r1.evaluate import measure

log = logging.getLogger("tiny_r1")

CONTEXT = 1024


@dataclass(frozen=True)
class Settings:
    """Everything that decides the weights; a checkpoint made with others is refused."""

    steps: int = 900
    late_steps: int = 300
    """Further steps, in which faults are more common."""
    batch: int = 64
    """Examples a step."""
    micro_tokens: int = 4096
    """Positions computed at once."""
    rate: float = 3e-3
    late_rate: float = 1e-3
    warmup: int = 60
    hidden: int = 128
    layers: int = 4
    heads: int = 4
    inner: int = 384
    vocabulary: int = 1200
    seed: int = 1

    @property
    def total(self) -> int:
        """Steps from the beginning to the end."""
        return self.steps + self.late_steps


@dataclass
class Run:
    """A training in progress."""

    settings: Settings
    tokenizer: Qwen2Tokenizer
    model: Qwen2ForCausalLM
    optimizer: torch.optim.Optimizer
    step: int = 0


def start(settings: Settings) -> Run:
    """A run at step 0, with weights from the seed."""
    torch.manual_seed(settings.seed)
    tokenizer = make_tokenizer(settings.seed, settings.vocabulary)
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=settings.hidden,
        intermediate_size=settings.inner,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        num_key_value_heads=settings.heads,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        initializer_range=0.05,
    )
    model = Qwen2ForCausalLM(config)  # type: ignore[no-untyped-call]
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=settings.rate, betas=(0.9, 0.98), weight_decay=0.05
    )
    return Run(settings, tokenizer, model, optimizer)


def save_checkpoint(run: Run, path: Path) -> None:
    """Write all of the state; a reader finds the old file or the new one, never half of one."""
    state = {
        "settings": asdict(run.settings),
        "step": run.step,
        "model": run.model.state_dict(),
        "optimizer": run.optimizer.state_dict(),
        "random": torch.get_rng_state(),
    }
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    torch.save(state, temporary)
    temporary.replace(path)


def resume(run: Run, path: Path) -> bool:
    """Continue from the checkpoint if there is one; ValueError if its settings are others."""
    if not path.exists():
        return False
    state: dict[str, Any] = torch.load(path, weights_only=True)
    if state["settings"] != asdict(run.settings):
        raise ValueError(f"{path} was made with other settings: {state['settings']}")
    run.model.load_state_dict(state["model"])
    run.optimizer.load_state_dict(state["optimizer"])
    torch.set_rng_state(state["random"])
    run.step = state["step"]
    return True


def rate_at(settings: Settings, step: int) -> float:
    """The learning rate, early and late: a warm-up, then a line down to nearly nothing."""
    rate, steps, warmup = settings.rate, settings.steps, settings.warmup
    if step >= steps:
        rate, steps, warmup, step = settings.late_rate, settings.late_steps, 10, step - steps
    return rate * min(1.0, (step + 1) / warmup) * max(0.02, 1 - step / steps)


def loss_sum(model: Qwen2ForCausalLM, batch: Batch) -> torch.Tensor:
    """Summed loss over the completion's tokens; the prompt's positions skip the output layer."""
    hidden = model.model(input_ids=batch.inputs).last_hidden_state
    learned = batch.labels != IGNORED
    logits = model.lm_head(hidden[learned])
    return cross_entropy(logits.float(), batch.labels[learned], reduction="sum")


def train_step(run: Run, forbidden: frozenset[str]) -> tuple[float, int]:
    """One step of the optimizer; returns the loss a token and how many positions it cost."""
    settings = run.settings
    rng = random.Random(settings.seed * 10_000_000 + run.step)
    source = training_problems(settings.seed, run.step, forbidden)
    late = run.step >= settings.steps
    examples = make_examples(run.tokenizer, source, rng, settings.batch, late=late)
    batches = group(examples, settings.micro_tokens, int(run.tokenizer.pad_token_id))
    learned = sum(int((batch.labels != IGNORED).sum()) for batch in batches)
    for options in run.optimizer.param_groups:
        options["lr"] = rate_at(settings, run.step)
    run.optimizer.zero_grad(set_to_none=True)
    total = 0.0
    for batch in batches:
        loss = loss_sum(run.model, batch)
        (loss / learned).backward()  # type: ignore[no-untyped-call]
        total += loss.item()
    torch.nn.utils.clip_grad_norm_(run.model.parameters(), 1.0)
    run.optimizer.step()
    run.step += 1
    return total / learned, sum(batch.inputs.numel() for batch in batches)


def train(settings: Settings, out: Path, *, until: int | None = None, save_every: int = 100) -> Run:
    """Train to the end, or to the step `until`, from the newest checkpoint in `out`."""
    out.mkdir(parents=True, exist_ok=True)
    checkpoint = out / "checkpoint.pt"
    run = start(settings)
    if resume(run, checkpoint):
        log.info("resumed at step %d", run.step)
    forbidden = frozenset(problem.question for problem in held_out())
    first, begun, positions = run.step, time.monotonic(), 0
    last = settings.total if until is None else min(until, settings.total)
    run.model.train()
    while run.step < last:
        loss, cost = train_step(run, forbidden)
        positions += cost
        if run.step % 20 == 0:
            elapsed = time.monotonic() - begun
            speed = (run.step - first) / elapsed
            log.info(
                "step %d/%d  loss %.4f  %.0f tokens/s  ETA %.0f min",
                *(run.step, settings.total, loss, positions / elapsed),
                (settings.total - run.step) / speed / 60,
            )
        if run.step % save_every == 0 or run.step == last:
            save_checkpoint(run, checkpoint)
    return run


def save_model(run: Run, out: Path) -> None:
    """Write weights and tokenizer as a folder that transformers and vLLM load."""
    run.model.generation_config = GenerationConfig(  # type: ignore[no-untyped-call]
        do_sample=True,
        temperature=0.6,
        top_p=0.95,
        bos_token_id=run.tokenizer.bos_token_id,
        eos_token_id=run.tokenizer.eos_token_id,
        pad_token_id=run.tokenizer.pad_token_id,
    )
    run.model.save_pretrained(out)
    run.tokenizer.save_pretrained(out)
    name_tokenizer(out / "tokenizer_config.json")
    (out / "model.safetensors").chmod(0o644)


def name_tokenizer(path: Path) -> None:
    """Name the tokenizer's class as every version of transformers knows it."""
    config = json.loads(path.read_text(encoding="utf-8"))
    config.pop("backend", None)
    config["tokenizer_class"] = "Qwen2Tokenizer"
    text = json.dumps(config, ensure_ascii=False, indent=2, sort_keys=True)
    path.write_text(text + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, save, measure."""
    parser = argparse.ArgumentParser(description="Train the tiny teacher.")
    parser.add_argument("--out", type=Path, required=True, help="folder of the model")
    parser.add_argument("--steps", type=int, default=Settings.steps)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    torch.set_num_threads(options.threads)
    run = train(Settings(steps=options.steps), options.out)
    save_model(run, options.out)
    run.model.train(False)
    sample = held_out(120)
    greedy = measure(run.model, run.tokenizer, sample, temperature=0.0)
    sampled = measure(run.model, run.tokenizer, sample, temperature=0.6)
    log.info("pass@1 greedy %.3f, at temperature 0.6 %.3f", greedy, sampled)
    return 0


if __name__ == "__main__":
    sys.exit(main())
