"""A completion cut into its reasoning and its answer, without losing a character."""

from typing import NamedTuple

OPEN = "<think>"
CLOSE = "</think>"


class Split(NamedTuple):
    """The parts of a completion.

    `before + reasoning + after` is the text again, where `before` is the opening tag if the model
    wrote one and `after` is the closing tag and the answer.
    """

    before: str
    reasoning: str | None
    """None: the model wrote no thinking at all."""
    closed: bool
    answer: str
    """What follows the first closing tag; the whole text where there is no thinking."""

    def join(self) -> str:
        """The completion as it was generated."""
        closing = CLOSE if self.closed else ""
        return f"{self.before}{self.reasoning or ''}{closing}{self.answer}"


def split_reasoning(text: str, *, thinking_open: bool) -> Split:
    """Split on the first `</think>`.

    `thinking_open` says that the rendered prompt already ended inside the thinking, as R1's chat
    template does (DeepSeek-R1 README, "force the output to start with <think>"); the completion
    then has only the closing tag. Without a closing tag everything is reasoning and the answer is
    empty, as in vLLM's `deepseek_r1` parser.
    """
    body, before = text, ""
    if not thinking_open:
        lead = len(text) - len(text.lstrip())
        if not text.startswith(OPEN, lead):
            return _split_closing_only(text)
        before, body = text[: lead + len(OPEN)], text[lead + len(OPEN) :]
    reasoning, closing, answer = body.partition(CLOSE)
    return Split(before, reasoning, bool(closing), answer)


def _split_closing_only(text: str) -> Split:
    """No opening tag anywhere: a closing one still ends a thinking; otherwise there is none."""
    reasoning, closing, answer = text.partition(CLOSE)
    if closing:
        return Split("", reasoning, True, answer)
    return Split("", None, False, text)
