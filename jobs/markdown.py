"""Markdown around texts of others, which must not become markup."""

import html
import re
from collections.abc import Iterable, Sequence

MARKUP = re.compile(r"[\\`*\[\]~$#!]|(?<![^\W_])_|_(?![^\W_])")
"""What has a meaning in a line of Markdown, beside what HTML escapes. Inside of words a single
underscore has none."""


def plain(text: object) -> str:
    """A text in one line that is shown as it is, also in a cell of a table. What cannot be printed
    is a blank: control characters, and those that turn the direction of what follows."""
    escaped = html.escape(MARKUP.sub(r"\\\g<0>", one_line(text)), quote=False)
    # A backslash before a pipe is read by one parser as this and by the next as that.
    return escaped.replace("|", "&#124;")


def code(text: object) -> str:
    """The same as code, not for a cell of a table: a pipe would end it."""
    line = one_line(text) or " "
    fence = "`" * (max(map(len, re.findall("`+", line)), default=0) + 1)
    return f"{fence} {line} {fence}" if "`" in line else f"{fence}{line}{fence}"


def table(header: Sequence[str], rows: Iterable[Sequence[object]], *, words: int = 1) -> str:
    """A table of cells that are escaped already; all columns but the first `words` are numbers."""
    lines = [
        header,
        ["---" if number < words else "---:" for number in range(len(header))],
        *rows,
    ]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def one_line(text: object) -> str:
    """A text in one line without what cannot be printed."""
    seen = "".join(c if c.isprintable() else " " for c in str(text))
    return " ".join(seen.split())
