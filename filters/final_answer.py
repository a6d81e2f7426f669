"""The final answer of a response: what it says in a box, or as its last word.

An answer that offers several different boxes offers all of them: where one is asked for, that is
no answer (a model would else be right by listing what it can think of).
"""

import re
from collections.abc import Iterator

LAST_WORD = re.compile(
    r"(?:(?:final\s+|correct\s+)?answer\s*(?:is|:|=)|(?:correct\s+)?(?:option|choice)\s+is|####"
    r"|答案\s*应?\s*[是为:\uff1a]|[故应]选择?|^答\s*[:\uff1a])"
    r"[\s:\uff1a]*(?P<answer>[^\n]{1,200}?)[\s*。]*$",
    re.IGNORECASE,
)
BRACES = re.compile(r"\\.|[{}]", re.DOTALL)
BOX = re.compile(r"\\(?:boxed|fbox)\s*(?:\{|(?=[0-9a-zA-Z]))")
LAST_LINE_CHARACTERS = 400
BARE_CHARACTERS = 200
WORD = re.compile(r"(?<![\\a-zA-Z])[a-zA-Z]{2,}")
MOST_WORDS = 2
"""Of a text that is nothing but an answer: `12 apples`, `an ellipse`."""


def boxes(text: str) -> list[str]:
    """Contents of all `\\boxed{…}` with their braces matched, the outer ones; one that is not
    closed is none."""
    return [content for content in _boxes(text) if content.strip()]


def _boxes(text: str) -> Iterator[str]:
    end = 0
    for match in BOX.finditer(text):
        if match.start() < end:
            continue  # inside of another one
        if not match.group().endswith("{"):
            end = match.end() + 1
            yield text[match.end() : end]
            continue
        depth = 1
        for brace in BRACES.finditer(text, match.end()):
            depth += {"{": 1, "}": -1}.get(brace.group(), 0)
            if depth == 0:
                end = brace.end()
                yield text[match.end() : brace.start()]
                break
        else:
            return


def final_answers(text: str) -> list[str]:
    """The different boxed contents in their order, or else what the last line names as the answer,
    or the whole text where it is nothing but an answer; empty where it says none. A number in
    passing is none."""
    if found := boxes(text):
        return list(dict.fromkeys(content.strip() for content in found))
    stripped = text.rstrip()
    last = stripped[-LAST_LINE_CHARACTERS:].rpartition("\n")[2]
    if match := LAST_WORD.search(last.replace("**", "")):
        return [match["answer"].strip()]
    return [stripped.strip()] if _is_bare(stripped.strip()) else []


def _is_bare(text: str) -> bool:
    if not 0 < len(text) <= BARE_CHARACTERS or "\n" in text:
        return False
    return len(WORD.findall(text)) <= MOST_WORDS and "\\boxed" not in text
