"""`format.complete` and why not, over what models of several families write."""

from typing import Any, NamedTuple

import pytest

from filters.format import FormatScorer
from filters.scorer import Response
from schemas.reasoning import CLOSE, split_reasoning
from schemas.score import Score

LONG = "x" * 1_000_000


class Case(NamedTuple):
    """A text as the model wrote it, and what is to be said of it."""

    text: str
    opened: bool
    """By the prompt."""
    reason: str | None
    flags: str = ""
    """Those of `missing_open`, `unclosed`, `reopened` that are true."""
    finish_reason: str | None = "stop"
    closings: int | None = None


DEEPSEEK = [
    Case("a</think>b", True, None, closings=1),
    Case("\na\n</think>\n\nb", True, None),
    Case("a</think>\n\n\\boxed{2}", True, None),
    Case("a</think>b", True, "truncated", finish_reason="length"),
    Case("a", True, "truncated", "unclosed", "length"),
    Case("a</thi", True, "truncated", "unclosed", "length"),
    Case("a</think>", True, "truncated", "", "length"),
    Case("never closed", True, "unclosed_thinking", "unclosed", closings=0),
    Case("", True, "unclosed_thinking", "unclosed"),
    Case("", True, "truncated", "unclosed", "length"),
    Case("a</think>", True, "empty_answer"),
    Case("a</think>\n \n", True, "empty_answer"),
    Case("</think>b", True, "empty_thinking"),
    Case("\n\n</think>\n\nI'm sorry.", True, "empty_thinking"),
    Case("a</think>b</think>c", True, "reopened_thinking", closings=2),
    Case("a</think>b<think>c", True, "reopened_thinking", "reopened"),
    Case("a</think>b<think>c</think>d", True, "reopened_thinking", "reopened", closings=2),
    Case("a</think></think>", True, "reopened_thinking", closings=2),
    Case("a `</think>` b</think>c", True, "reopened_thinking", closings=2),
    Case("a<think>b</think>c", True, None, closings=1),
    Case("<think>\na\n</think>\n\nb", True, None),
    Case("a</think>b", True, "stopped_early", finish_reason="abort"),
    Case("a</think>b", True, "stopped_early", finish_reason="repetition"),
    Case("a a a a", True, "unclosed_thinking", "unclosed", "repetition"),
    Case("a</think>b", True, None, finish_reason=None),
    Case("思考</think>答案", True, None),
    Case(f"{LONG}</think>b", True, None),
    Case(f"a</think>{LONG}", True, None),
    Case("a\x00</think>b", True, None),
    Case("a\ud800</think>b", True, None),
    Case("a</think >b", True, "unclosed_thinking", "unclosed"),
    Case("a</THINK>b", True, "unclosed_thinking", "unclosed"),
    Case("a\\</think>b", True, None),
    Case("a</think>b<|end_of_sentence|>", True, None),
    Case("a</think><answer>b</answer>", True, None),
    Case("<answer>b</answer>", True, "unclosed_thinking", "unclosed"),
]
QWEN = [
    Case("<think>\na\n</think>\n\nb", False, None, closings=1),
    Case("<think>a</think>b", False, None),
    Case("\n<think>a</think>b", False, None),
    Case("\ufeff<think>a</think>b", False, None, "missing_open"),
    Case("<think>\n\n</think>\n\nb", False, "empty_thinking"),
    Case("<think></think>b", False, "empty_thinking"),
    Case("<think>a", False, "unclosed_thinking", "unclosed"),
    Case("<think>a", False, "truncated", "unclosed", "length"),
    Case("<think>a</think>", False, "empty_answer"),
    Case("<think>a<think>b</think>c</think>d", False, "reopened_thinking", closings=2),
    Case("<think>a</think>b<think>c</think>d", False, "reopened_thinking", "reopened"),
    Case("<THINK>a</THINK>b", False, None, closings=0),
    Case("a</think>b", False, None, "missing_open"),
    Case("</think>b", False, "empty_thinking", "missing_open"),
    Case("b<think>a</think>", False, "empty_answer", "missing_open"),
    Case("<tool_call>{}</tool_call>", False, None),
]
GPT_OSS = [
    Case(
        "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>b"
        "<|return|>",
        False,
        None,
        closings=1,
    ),
    Case(
        "<|start|>assistant<|channel|>analysis<|message|>a<|end|>"
        "<|start|>assistant<|channel|>final<|message|>b<|end|>",
        False,
        None,
    ),
    Case("<|channel|>analysis<|message|>a", False, "truncated", "unclosed", "length"),
    Case("<|channel|>analysis<|message|>a", False, "unclosed_thinking", "unclosed"),
    Case("<|channel|>analysis<|message|>a<|end|>", False, "empty_answer"),
    Case(
        "<|channel|>analysis<|message|><|end|><|channel|>final<|message|>b", False, "empty_thinking"
    ),
    Case("<|channel|>final<|message|>b<|return|>", False, None, closings=0),
]
PLAIN = [
    Case("an answer", False, None, closings=0),
    Case("an answer", False, "truncated", finish_reason="length"),
    Case("", False, "empty_answer"),
    Case(" \n", False, "empty_answer"),
    Case("it says <think> later", False, "reopened_thinking", "reopened"),
    Case("an answer", False, "stopped_early", finish_reason="content_filter"),
    Case("{}", False, None),
]
SHARED = [
    case
    for case in [*DEEPSEEK, *QWEN]
    if "<think>" not in case.text.lstrip()[1:] and (case.opened or CLOSE in case.text)
]
"""vLLM's parser takes what follows an opening tag wherever it stands, and all of a text as thinking
where there is no tag."""
CASES = [*DEEPSEEK, *QWEN, *GPT_OSS, *PLAIN]


def judge(case: Case) -> Score:
    return FormatScorer()(
        Response.of_text(
            case.text,
            prompt="q",
            reference=None,
            finish_reason=case.finish_reason,
            thinking_open=case.opened,
        )
    )


def test_there_are_enough() -> None:
    assert len(CASES) >= 60


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.text[:30].encode("ascii", "replace"))
def test_what_is_said(case: Case) -> None:
    score = judge(case)
    assert (score.values["complete"], score.reason) == (case.reason is None, case.reason)
    flags = [name for name in ("missing_open", "unclosed", "reopened") if score.values[name]]
    assert " ".join(flags) == case.flags
    if case.closings is not None:
        assert score.values["closings"] == case.closings
    assert split_reasoning(case.text, thinking_open=case.opened).join() == case.text


def test_what_deepseek_filtered_by() -> None:
    thinking = "one\n\n" + "y" * 50 + "\n \nthree\n```python\nx\n```\nand\n```\nz\n```"
    values = judge(Case(f"{thinking}</think>b", True, None)).values
    assert values["longest_paragraph"] == 50
    assert values["code_blocks"] == 2
    assert judge(Case("a</think>```x```", True, None)).values["code_blocks"] == 0


class Tokenizer:
    """As much of one as the parser asks for."""

    def get_vocab(self) -> dict[str, int]:
        return {"<think>": 0, "</think>": 1}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("case", SHARED, ids=range(len(SHARED)))
def test_vllm_splits_in_the_same_place(case: Case) -> None:
    """Where both define it."""
    from vllm.reasoning.deepseek_r1_reasoning_parser import DeepSeekR1ReasoningParser

    ours = split_reasoning(case.text, thinking_open=case.opened)
    tokenizer: Any = Tokenizer()
    request: Any = None
    reasoning, answer = DeepSeekR1ReasoningParser(tokenizer).extract_reasoning(case.text, request)
    assert (reasoning or "") == ours.reasoning
    assert (answer or "") == ours.answer
