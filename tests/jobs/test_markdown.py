"""Texts of others are shown as they are, wherever they stand."""

import pytest
from markdown_it import MarkdownIt

from jobs.markdown import code, plain, table

HOSTILE = [
    "a | b",
    r"a \| b \\| c",
    "`a` ``b`` `",
    "`",
    "# no heading",
    "- no list",
    "<script>alert(1)</script> & &amp; &#124;",
    "[link](http://x.y) ![image](z) <http://x.y>",
    "**bold** _also_ ~~gone~~ $x$ $$y$$",
    "---",
    "*",
    "1. no list",
    "> no quote",
    "_a_ __a__ b_c_d e__f _g h_ i_ _j __k l__ _.m n._",
    "{{ jinja }} {% raw %} : ' \" @ ?",
    "嗯 é 🙂",
]
UNPRINTABLE = "a\nb\r\nc\td\x00e\u202ef\u2028g\x1bh\ud800i"


def shown(markdown: str) -> list[str]:
    """The texts of cells and of items."""
    tokens = MarkdownIt("commonmark").enable("table").parse(markdown)
    inline = [token for token in tokens if token.type == "inline"]
    for token in inline:
        kinds = {child.type for child in token.children or []}
        assert kinds <= {"text", "code_inline", "text_special"}, token.content
    return ["".join(child.content for child in token.children or []) for token in inline]


@pytest.mark.parametrize("text", HOSTILE)
def test_text_is_shown_as_it_is(text: str) -> None:
    cells = table(("a", "b"), [(plain(text), 1), ("x", plain(text))])
    assert shown(cells) == ["a", "b", text, "1", "x", text]
    assert shown(f"- of: {plain(text)}\n- {code(text)}\n") == [f"of: {text}", text]


def test_what_cannot_be_printed_is_a_blank() -> None:
    for escape in (plain, code):
        assert shown(f"x {escape(UNPRINTABLE)}") == ["x a b c d e f g h i"]
        escape(UNPRINTABLE).encode()


@pytest.mark.parametrize("empty", ["", "\n", "\x00"])
def test_nothing_is_nothing(empty: str) -> None:
    assert plain(empty) == ""
    assert code(empty) == "` `"
