"""`format.complete` and why not."""

import pytest

from filters.format import FormatScorer
from filters.scorer import Response


def judge(text: str, *, finish_reason: str | None = "stop", thinking_open: bool = True) -> tuple:  # type: ignore[type-arg]
    response = Response.of_text(
        text,
        prompt="q",
        reference=None,
        finish_reason=finish_reason,
        thinking_open=thinking_open,
    )
    score = FormatScorer()(response)
    return score.values["complete"], score.reason


@pytest.mark.parametrize(
    ("text", "thinking_open", "reason"),
    [
        ("a</think>b", True, None),
        ("<think>a</think>b", False, None),
        ("plain answer of a model that does not think", False, None),
        ("a</think>\n \n", True, "empty_answer"),
        ("never closed", True, "unclosed_thinking"),
        ("\n</think>I'm sorry.", True, "empty_thinking"),
        ("a</think>b</think>c", True, "reopened_thinking"),
        ("a</think>b<think>c", True, "reopened_thinking"),
        ("", True, "unclosed_thinking"),
        ("", False, "empty_answer"),
    ],
)
def test_reasons(text: str, thinking_open: bool, reason: str | None) -> None:
    assert judge(text, thinking_open=thinking_open) == (reason is None, reason)


def test_finish_reason_is_the_only_truth_about_truncation() -> None:
    assert judge("a</think>b.", finish_reason="length") == (False, "truncated")
    assert judge("never closed", finish_reason="length") == (False, "truncated")
    assert judge("a</think>b", finish_reason="abort") == (False, "stopped_early")
    assert judge("a</think>b", finish_reason=None) == (True, None)


@pytest.mark.parametrize("text", ["a a a a", "a</think>b b b b", "a</think>\\boxed{2}."])
def test_what_repetition_detection_ended_is_not_complete(text: str) -> None:
    assert judge(text, finish_reason="repetition")[0] is False
