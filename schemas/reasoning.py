"""A completion cut into its reasoning and its answer, without losing a character."""

import re
from typing import NamedTuple

OPEN = "<think>"
CLOSE = "</think>"
HARMONY = re.compile(
    r"(?P<before>(?:<\|start\|>assistant)?<\|channel\|>analysis<\|message\|>)(?P<reasoning>.*?)"
    r"(?P<closing><\|end\|>(?:<\|start\|>assistant)?<\|channel\|>final<\|message\|>"
    r"|(?:<\|end\|>)?\Z)(?P<answer>.*?)(?P<after>(?:<\|return\|>|<\|end\|>)?)\Z",
    re.DOTALL,
)
"""gpt-oss writes channels (OpenAI's Harmony format): analysis, then the final message."""
NEVER = -1
"""As `closing_at`: the thinking was not closed, whatever the text looks like."""


class Split(NamedTuple):
    """The parts of a completion; they join to it again."""

    before: str
    """The opening tag, if the model wrote one."""
    reasoning: str | None
    """None: the model wrote no thinking at all."""
    closing: str
    """The closing tag; empty where the thinking was not closed."""
    answer: str
    """What follows the closing tag; the whole text where there is no thinking."""
    after: str = ""
    """The end of a message, where it is written out."""

    @property
    def closed(self) -> bool:
        """Whether the thinking came to an end."""
        return bool(self.closing)

    def join(self) -> str:
        """The completion as it was generated."""
        return f"{self.before}{self.reasoning or ''}{self.closing}{self.answer}{self.after}"


def split_reasoning(text: str, *, thinking_open: bool, closing_at: int | None = None) -> Split:
    """Split on the first `</think>`, or on the one at `closing_at`.

    `thinking_open` says that the rendered prompt already ended inside the thinking, as R1's chat
    template does (DeepSeek-R1 README, "force the output to start with <think>"); the completion
    then has only the closing tag. Without a closing tag everything is reasoning and the answer is
    empty, as in vLLM's `deepseek_r1` parser. Where the tokenizer has the tag as a token, its place
    in the text is known (`closing_at`): a tag that is quoted letter by letter closes nothing.
    """
    if not thinking_open and (match := HARMONY.match(text)):
        return Split(**match.groupdict())
    start = _opening(text, thinking_open=thinking_open)
    end = text.find(CLOSE, start or 0) if closing_at is None else closing_at
    if end >= 0:
        reasoning, answer = text[start or 0 : end], text[end + len(CLOSE) :]
        return Split(text[: start or 0], reasoning, CLOSE, answer)
    if start is None:
        return Split("", None, "", text)
    return Split(text[:start], text[start:], "", "")


def closing_of(text: str, reasoning: str | None, *, thinking_open: bool) -> int | None:
    """Where the tag stands that closed this reasoning, as `split_reasoning` takes it."""
    if reasoning is None:
        return None
    end = (_opening(text, thinking_open=thinking_open) or 0) + len(reasoning)
    return end if text.startswith(CLOSE, end) else NEVER


def _opening(text: str, *, thinking_open: bool) -> int | None:
    """Where the reasoning begins; null where nothing opened it."""
    lead = len(text) - len(text.lstrip())
    if text.startswith(OPEN, lead):  # also where the prompt has opened it: models repeat the tag
        return lead + len(OPEN)
    return 0 if thinking_open else None
