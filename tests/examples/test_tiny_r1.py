"""The tiny teacher: its world, its tokenizer, its training, and the model as committed."""

import json
import random
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, Qwen2ForCausalLM, Qwen2Tokenizer

from examples.tiny_r1 import data, train, world
from examples.tiny_r1 import tokenizer as tok
from examples.tiny_r1.arithmetic import Sign, apply, write_out
from examples.tiny_r1.data import (
    HELD_OUT_SEED,
    IGNORED,
    group,
    held_out,
    make_examples,
    render_prompt,
    training_problems,
)
from examples.tiny_r1.evaluate import complete, is_right, measure
from examples.tiny_r1.traces import Trace, trace

HERE = Path(train.__file__).parent
MODEL = HERE / "model"
EVALUATE: dict[str, Callable[[Fraction, Fraction], Fraction]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "×": lambda a, b: a * b,
    "÷": lambda a, b: a / b,
}
EQUATION = re.compile(r"((?:\d+ [-+×÷] )+\d+) = (\d+)(?: r (\d+))?")
TINY = train.Settings(
    steps=4, late_steps=2, batch=4, warmup=2, hidden=32, layers=1, heads=1, inner=32, vocabulary=320
)


@pytest.fixture(scope="module")
def tokenizer() -> Qwen2Tokenizer:
    loaded = AutoTokenizer.from_pretrained(MODEL)
    assert isinstance(loaded, Qwen2Tokenizer)
    return loaded


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Models this small are slower on more threads, much slower where cores are shared."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def small_corpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "CORPUS_COUNT", 200)


@pytest.fixture(scope="module")
def model() -> Qwen2ForCausalLM:
    return Qwen2ForCausalLM.from_pretrained(MODEL)


def some(count: int, seed: int = 11) -> list[world.Problem]:
    return list(islice(world.problems(seed), count))


def traces(count: int, *, late: bool = False) -> list[tuple[world.Problem, Trace]]:
    rng = random.Random(5)
    return [(problem, trace(problem, rng, late=late)) for problem in some(count)]


# The world


def test_a_seed_gives_the_same_problems_and_a_longer_list_the_same_beginning() -> None:
    assert some(50) == some(80)[:50]
    assert some(5) != some(5, seed=12)


def test_the_prompts_file_is_what_the_world_makes() -> None:
    expected = (HERE / "prompts.jsonl").read_text(encoding="utf-8")
    assert world.write_prompts(HELD_OUT_SEED, 240) == expected
    rows = [json.loads(line) for line in expected.splitlines()]
    assert all(set(row) == {"question", "answer", "kind"} for row in rows)
    assert len({row["kind"] for row in rows}) >= 8


def test_the_command_writes_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert world.main(["--seed", "3", "--count", "4"]) == 0
    assert capsys.readouterr().out == world.write_prompts(3, 4)


def test_every_answer_follows_from_the_numbers_of_its_question() -> None:
    for problem in some(2000):
        given_numbers = set(re.findall(r"\d+", problem.question))
        results: list[Fraction] = []
        for operation in problem.operations:
            operands = []
            for value, source in (
                (operation.left, operation.left_from),
                (operation.right, operation.right_from),
            ):
                assert source is not None or str(value) in given_numbers
                operands.append(Fraction(value) if source is None else results[source])
            results.append(EVALUATE[operation.sign](*operands))
        assert results[-1] == problem.answer
        assert 2 <= problem.steps <= 5


def test_training_never_sees_a_held_out_question() -> None:
    forbidden = frozenset(problem.question for problem in held_out(5))
    step = HELD_OUT_SEED  # With seed 0, this step would draw exactly the held-out problems.
    drawn = islice(training_problems(0, step, forbidden), 20)
    assert not forbidden & {problem.question for problem in drawn}


@given(st.sampled_from(["+", "-", "×", "÷"]), st.integers(0, 9999), st.integers(1, 99))
def test_written_work_is_right_unless_it_slips(sign: Sign, left: int, right: int) -> None:
    left = left * right if sign == "÷" else left + right
    work = write_out(sign, left, right)
    assert work.result == apply(sign, left, right)
    assert work.text.endswith(f" {work.result}")
    slipped = {write_out(sign, left, right, slip=slip).result for slip in (-1, 1)}
    assert slipped != {work.result}


def test_a_trace_without_a_fault_holds_only_true_equations() -> None:
    for problem, written in traces(1000):
        if written.fault is not None:
            continue
        for terms, result, rest in EQUATION.findall(written.text):
            first, *others = terms.split(" ")
            value = Fraction(first)
            for sign, number in zip(others[::2], others[1::2], strict=True):
                value = EVALUATE[sign](value, Fraction(number))
            if "÷" in terms:
                value = Fraction(int(value))
            assert value == int(result) or rest
        assert is_right(problem, written.text)


@pytest.mark.parametrize("late", [False, True])
def test_every_fault_occurs_and_none_is_common(late: bool) -> None:
    faults = Counter(written.fault for _, written in traces(4000, late=late))
    for fault in ("loop", "ramble", "stop", "language", "unboxed", "slip", "wrong_operation"):
        assert 0.005 < faults[fault] / 4000 < 0.07
    assert 0.001 < faults["refusal"] / 4000 < 0.04
    assert faults[None] / 4000 > 0.7


# The tokenizer


@given(text=st.text())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_survives_the_tokenizer(tokenizer: Qwen2Tokenizer, text: str) -> None:
    composed = unicodedata.normalize("NFC", text)
    assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == composed


def test_chinese_and_think_tags_survive_and_digits_stay_apart(
    tokenizer: Qwen2Tokenizer,
) -> None:
    text = "<think>\n让我们计算 12 × 345，好吗？\n</think>\n\n\\boxed{4140}"
    ids = tokenizer.encode(text, add_special_tokens=False)
    assert tokenizer.decode(ids, skip_special_tokens=True) == text
    assert not any(re.search(r"\d.|.\d", str(tokenizer.decode([one]))) for one in ids)
    for tag in (tok.BOS, tok.EOS, tok.USER, tok.ASSISTANT, tok.THINK, tok.END_THINK):
        assert len(tokenizer.encode(tag, add_special_tokens=False)) == 1
    assert (tokenizer.bos_token, tokenizer.eos_token) == (tok.BOS, tok.EOS)


def test_the_template_ends_with_the_prefill_and_drops_earlier_thinking(
    tokenizer: Qwen2Tokenizer,
) -> None:
    prompt = render_prompt(tokenizer, "How many?")
    assert prompt.startswith(f"{tok.BOS}{tok.USER}How many?\n\nPlease reason")
    assert prompt.endswith(f"{tok.ASSISTANT}<think>\n")
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "One?"},
        {"role": "assistant", "content": "<think>\nhidden\n</think>\n\nShown."},
        {"role": "user", "content": "Two?"},
    ]
    text = tokenizer.apply_chat_template(messages, tokenize=False)
    assert text == (
        f"{tok.BOS}Be brief.{tok.USER}One?{tok.ASSISTANT}\n\nShown.{tok.EOS}{tok.USER}Two?"
    )


# Training


def test_only_the_completion_is_learned(tokenizer: Qwen2Tokenizer) -> None:
    rng = random.Random(0)
    examples = make_examples(tokenizer, world.problems(4), rng, 8)
    batches = group(examples, tokens=700, padding=int(tokenizer.pad_token_id))
    learned = sum(int((batch.labels != IGNORED).sum()) for batch in batches)
    assert learned == sum(len(example.ids) - example.prompt for example in examples)
    assert sum(len(batch.inputs) for batch in batches) == 8


@pytest.mark.usefixtures("small_corpus")
def test_an_interrupted_training_ends_with_the_same_weights(tmp_path: Path) -> None:
    whole = train.train(TINY, tmp_path / "whole")
    train.train(TINY, tmp_path / "parts", until=3)
    resumed = train.train(TINY, tmp_path / "parts")
    assert resumed.step == whole.step == TINY.total
    assert not list(tmp_path.rglob("*.tmp"))
    for name, weights in whole.model.state_dict().items():
        assert torch.equal(weights, resumed.model.state_dict()[name]), name


@pytest.mark.usefixtures("small_corpus")
def test_a_checkpoint_of_other_settings_is_refused(tmp_path: Path) -> None:
    train.train(TINY, tmp_path, until=1)
    with pytest.raises(ValueError, match="other settings"):
        train.train(replace(TINY, batch=7), tmp_path)


@pytest.mark.usefixtures("small_corpus")
def test_a_saved_model_is_loaded_again(tmp_path: Path) -> None:
    run = train.train(TINY, tmp_path / "run", until=1)
    train.save_model(run, tmp_path / "model")
    loaded = Qwen2ForCausalLM.from_pretrained(tmp_path / "model")
    again = AutoTokenizer.from_pretrained(tmp_path / "model")
    assert isinstance(again, Qwen2Tokenizer)
    assert again.backend_tokenizer.to_str() == run.tokenizer.backend_tokenizer.to_str()
    ids = complete(loaded, again, ["How many?"], temperature=0, max_new_tokens=3)
    assert len(ids[0]) <= 3


# The model as committed


def test_the_model_is_small(model: Qwen2ForCausalLM) -> None:
    assert sum(file.stat().st_size for file in MODEL.iterdir()) < 8_000_000
    assert model.dtype == torch.float32
    assert 900_000 <= sum(weights.numel() for weights in model.parameters()) <= 1_900_000


def test_the_model_solves_held_out_problems(
    model: Qwen2ForCausalLM, tokenizer: Qwen2Tokenizer
) -> None:
    assert measure(model, tokenizer, held_out(40), temperature=0, max_new_tokens=320) >= 0.35
