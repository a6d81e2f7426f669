"""The files of the page, by the names that it asks for them."""

from collections.abc import Callable, Mapping
from functools import cache, partial
from importlib.resources import files
from typing import Final

from jobs.report.assets import KATEX, asset

HTML: Final = "text/html; charset=utf-8"
CSS: Final = "text/css; charset=utf-8"
JS: Final = "text/javascript; charset=utf-8"
SVG: Final = "image/svg+xml"


@cache
def _own(name: str, kind: str) -> tuple[str, bytes]:
    return kind, files("jobs.watch").joinpath(name).read_bytes()


def _shared(name: str, kind: str) -> tuple[str, bytes]:
    """What the report is made of too: the same look, the same way to show what a model wrote."""
    return kind, asset(name).encode()


PAGE: Final[Mapping[str, Callable[[], tuple[str, bytes]]]] = {
    "": partial(_own, "page.html", HTML),
    "icon.svg": partial(_own, "icon.svg", SVG),
    "watch.css": partial(_own, "watch.css", CSS),
    "watch.js": partial(_own, "watch.js", JS),
    "chart.js": partial(_own, "chart.js", JS),
    "page.css": partial(_shared, "page.css", CSS),
    "theme.js": partial(_shared, "theme.js", JS),
    "text.js": partial(_shared, "text.js", JS),
    "sample.js": partial(_shared, "sample.js", JS),
    "katex.js": partial(_shared, KATEX, JS),
}
"""Name -> its type and content."""
