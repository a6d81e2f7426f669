"""Charts as parts of a page: one picture for light and dark, in two widths, with their numbers."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Final
from xml.etree import ElementTree

import vl_convert
from markupsafe import Markup

from jobs import plot

LYING: Final = (430, 190)
STANDING: Final = (500, 270)
"""Pixels of the axes of bars that lie, with names beside them, and of those that stand: on a
screen, and on a telephone, where larger pictures would be shrunk, and their letters with them."""
SMALL: Final = 270

SVG: Final = "{http://www.w3.org/2000/svg}"
TAGS: Final = frozenset(("svg", "g", "path", "text", "tspan", "line", "rect"))
ATTRIBUTES: Final = frozenset(
    (
        *("d", "x", "y", "x1", "x2", "y1", "y2", "width", "height", "viewBox", "transform"),
        *("fill", "fill-opacity", "stroke", "stroke-width", "stroke-opacity", "opacity"),
        *("stroke-dasharray", "stroke-miterlimit", "stroke-linecap", "stroke-linejoin"),
        *("text-anchor", "font-size", "font-weight", "dx", "dy"),
    )
)
"""All that charts need: no references, no events, no styles, no ids that another chart has too."""


@dataclass(frozen=True)
class Table:
    """Numbers beside a chart. Cells are texts; all columns but the first `words` are numbers."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: int = 1


@dataclass(frozen=True)
class Figure:
    """A chart, what it says, and its table."""

    title: str
    told: str
    """One sentence for those who do not see it, and for all others."""
    pictures: Sequence[Markup]
    table: Table


class Figures:
    """Makes the figures of one page, whose elements have names of their own."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def of(
        self,
        title: str,
        told: str,
        draw: Callable[..., Any],
        table: Table,
        widths: tuple[int, int] = LYING,
    ) -> Figure:
        """`draw` takes the width of the axes."""
        pictures = [
            self._picture(draw(width=width), title, told, kind)
            for width, kind in zip(widths, ("wide", "narrow"), strict=True)
        ]
        return Figure(title, told, pictures, table)

    def small(self, title: str, told: str, draw: Callable[..., Any], table: Table) -> Figure:
        """The same in one width, for many beside each other."""
        return Figure(title, told, (self._picture(draw(width=SMALL), title, told, "small"),), table)

    def _picture(self, chart: Any, title: str, told: str, kind: str) -> Markup:
        return picture(
            vl_convert.vegalite_to_svg(chart.to_dict(validate=False)),
            title,
            told,
            kind,
            self._name(),
        )

    def _name(self) -> str:
        return f"figure-{next(self._numbers)}"


def picture(svg: str, title: str, told: str, kind: str, name: str) -> Markup:
    """A drawn chart, made new from those of its elements and attributes that draw, in the page's
    colours. ValueError where it has a picture or a text of another kind."""
    root = ElementTree.fromstring(svg)
    clean = _clean(root)
    if clean is None:
        raise ValueError("a chart that draws nothing")
    width = root.get("width", "0")
    clean.attrib.update(
        {
            "class": f"chart {kind}",
            "role": "img",
            "width": width,
            "aria-labelledby": f"{name}-title {name}-told",
        }
    )
    for place, (tag, text) in enumerate((("title", title), ("desc", told))):
        element = ElementTree.Element(tag, {"id": f"{name}-{'told' if place else 'title'}"})
        element.text = text
        clean.insert(place, element)
    return Markup(ElementTree.tostring(clean, encoding="unicode"))


_VARIABLES: Final[Mapping[str, str]] = {
    colour: f"var(--{name})" for name, colour in plot.COLOURS.items()
}
_UNSEEN: Final = frozenset(("background", "foreground"))


def _clean(element: ElementTree.Element) -> ElementTree.Element | None:
    """Null where nothing of it is drawn."""
    tag = element.tag.removeprefix(SVG)
    if tag not in TAGS or _is_ground(element, tag):
        return None
    made = ElementTree.Element(tag)
    for name, value in element.attrib.items():
        if name in ATTRIBUTES and not (name.endswith("opacity") and value == "1"):
            made.set(name, _VARIABLES.get(value, _rounded(value) if name != "d" else value))
    made.text = element.text
    for child in element:
        if (kept := _clean(child)) is not None:
            made.append(kept)
    empty = tag == "g" and not len(made)
    return None if empty else made


def _is_ground(element: ElementTree.Element, tag: str) -> bool:
    if tag == "path" and element.get("class") in _UNSEEN:
        return True
    return tag == "rect" and element.get("fill") == plot.COLOURS["surface"]


def _rounded(value: str) -> str:
    """Fractions of a pixel that nobody sees are a fifth of a chart's bytes."""
    return re.sub(r"\d+\.\d{3,}", lambda found: f"{float(found[0]):.2f}", value)
