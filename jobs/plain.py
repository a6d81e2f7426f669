"""Texts of others for a terminal, which their control characters could rule."""

from typing import Any, Final

SHOWN: Final = 1200
SHOWN_IN_LINE: Final = 80


def plain(text: str) -> str:
    """Shortened, with its lines, and no other control characters."""
    text = text.strip()
    shown = text if len(text) <= SHOWN else f"{text[:SHOWN]} […]"
    return "".join(c if c == "\n" or c.isprintable() else "\ufffd" for c in shown)


def one_line(text: str) -> str:
    """The same in a line, and shorter."""
    line = " ".join(text[: 4 * SHOWN_IN_LINE].split())
    return plain(line if len(line) <= SHOWN_IN_LINE else f"{line[:SHOWN_IN_LINE]} […]")


def brief(value: Any) -> str:
    """A value of a column."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, bool) or value is None:
        return "null" if value is None else str(value).lower()
    return one_line(value) if isinstance(value, str) else str(value)
