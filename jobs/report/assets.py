"""Style sheet and scripts of a page that loads nothing, and the policy that lets it have no others.

page = inline(css=("page.css",), scripts=(KATEX, "text.js", "sample.js"))
"""

import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from markupsafe import Markup

KATEX: Final = "katex.min.js"
"""Formulas as MathML, so that it needs no fonts and no style sheet of its own."""
KATEX_NOTICE: Final = (
    "/*! KaTeX, https://katex.org, MIT License, (c) 2013-2020 Khan Academy and contributors */\n"
)
"""Its file has none, and its licence wants one with every copy."""


@dataclass(frozen=True)
class Inline:
    """Elements of a page, and its policy."""

    policy: str
    """Content-Security-Policy, for a `meta` in front of everything else."""
    style: Markup
    scripts: tuple[Markup, ...]


def inline(css: Sequence[str], scripts: Sequence[str], connect: str = "'none'") -> Inline:
    """Style sheets and scripts by their names in this package, in order, and the policy that allows
    these bytes alone. `connect` is where the page's scripts may ask for more."""
    style = "\n".join(map(asset, css))
    sources = [asset(name) for name in scripts]
    policy = {
        "default-src": "'none'",
        "script-src": _hashes(sources),
        "style-src": _hashes([style]),
        "connect-src": connect,
        "base-uri": "'none'",
        "form-action": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    return Inline(
        policy="; ".join(f"{name} {value}" for name, value in policy.items()),
        style=Markup("<style>{}</style>").format(Markup(style)),
        scripts=tuple(Markup("<script>{}</script>").format(Markup(one)) for one in sources),
    )


@cache
def asset(name: str) -> str:
    """A file of this package, or KaTeX. ValueError where it would end its own element."""
    folder = files("sphinxcontrib" if name == KATEX else "jobs.report")
    text = folder.joinpath(name).read_text(encoding="utf-8").replace("\r\n", "\n")
    lower = text.lower()
    for end in ("</script", "</style", "<!--"):
        if end in lower:
            raise ValueError(f"{name} has `{end}` in it, which ends or changes its element")
    return KATEX_NOTICE + text if name == KATEX else text


def _hashes(sources: Iterable[str]) -> str:
    digests = (hashlib.sha256(source.encode()).digest() for source in sources)
    hashes = (f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    return " ".join(hashes) or "'none'"
