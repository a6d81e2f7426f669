"""What a reader sees of a card, and samples for one."""

import re
from dataclasses import replace
from typing import Any

import yaml
from markdown_it import MarkdownIt

from schemas.identity import text_digest
from schemas.prompt import Prompt
from schemas.sample import Sample


def section(text: str, title: str) -> str:
    found = re.search(rf"^## {title}[^\n]*\n\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found is not None, title
    return found[1]


def front_of(text: str) -> dict[str, Any]:
    front: dict[str, Any] = yaml.safe_load(text.split("---\n")[1])
    return front


def cells(markdown: str) -> list[list[str]]:
    """The rows of all tables, as a reader sees them."""
    rows: list[list[str]] = []
    for token in MarkdownIt("commonmark").enable("table").parse(markdown):
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline" and token.level > 3:
            rows[-1].append("".join(child.content for child in token.children or []))
    return rows


def wrong(prompt: Prompt, sample: Sample) -> Sample:
    """The same with another answer."""
    boxed = f"{{{prompt.reference}}}"
    text, answer = ((own or "").replace(boxed, "{-1}") for own in (sample.text, sample.answer))
    return replace(sample, text=text, answer=answer, text_digest=text_digest(text))
