"""Whatever a model wrote: no script of it runs, nothing is asked for, and the page stays whole."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.jobs.report.conftest import Watched, opened, written
from tests.jobs.report.hostile import TEXTS, hostile_report

pytestmark = pytest.mark.browser

OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
LARGEST = """() => Math.max(0, ...[...document.querySelectorAll('#detail *')]
    .filter((one) => !one.parentElement.closest('.scroll, .formula.display, .text, .facts'))
    .map((one) => one.getBoundingClientRect().right - innerWidth))"""

ELEMENTS = "[...document.querySelectorAll('#detail *')].map((e) => e.localName)"
"""All of them, and of formulas."""
MADE = {
    *("article", "bdi", "button", "code", "details", "div", "header", "h3", "h4", "h5", "p"),
    *("section", "span", "summary", "table", "tbody", "td", "th", "tr"),
    *("math", "semantics", "annotation", "mrow", "mi", "mn", "mo", "mtext", "mspace", "mstyle"),
    *("mfrac", "msup", "msub", "mpadded", "menclose"),
}
ATTRIBUTES = "[...document.querySelectorAll('#detail *')].flatMap((e) => e.getAttributeNames())"
HARMLESS = {
    *("type", "open", "hidden", "scope", "role", "aria-label"),
    *("xmlns", "display", "encoding", "mathvariant", "mathcolor", "mathbackground", "width"),
    *(
        "height",
        "depth",
        "voffset",
        "lspace",
        "rspace",
        "fence",
        "stretchy",
        "separator",
        "notation",
    ),
    *("accent", "displaystyle", "scriptlevel", "linebreak", "movablelimits", "minsize", "maxsize"),
}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    return written(hostile_report(), tmp_path_factory.mktemp("hostile"))


@pytest.fixture(scope="module", params=[400, 1280])
def watched(request: pytest.FixtureRequest, chromium: Browser, url: str) -> Iterator[Watched]:
    found = opened(chromium, url, request.param)
    yield found
    found.page.context.close()


def look_at(page: Page, name: str) -> None:
    """Its prompt with all that can be unfolded, until every formula on the screen is drawn."""
    page.evaluate("(name) => { location.hash = `#p1_${name}` }", name)
    page.wait_for_function(
        "(name) => document.querySelector('#detail h3 code')?.textContent === `p1_${name}`",
        arg=name,
    )
    page.evaluate("document.querySelectorAll('#detail details').forEach((one) => one.open = true)")
    page.evaluate("() => new Promise((done) => requestIdleCallback(() => setTimeout(done, 50)))")


@pytest.mark.parametrize("name", TEXTS)
def test_it_stays_text(watched: Watched, name: str) -> None:
    page = watched.page
    look_at(page, name)
    assert page.evaluate("window.hacked") is None
    assert watched.said == []
    assert watched.asked == []
    assert page.evaluate(OVERFLOW) <= 0
    assert page.evaluate(LARGEST) <= 0
    assert page.locator("#detail .text").count() >= 4
    # Only elements that the page makes itself.
    made = "script, style, img, iframe, svg, form, input, a, link, meta, base, object, embed"
    assert (
        page.locator(made).evaluate_all(
            "(all) => all.filter((e) => e.closest('#browser .panes')).length"
        )
        == 0
    )
    assert page.locator("#detail [style], #detail [onerror], #detail [href]").count() == 0


def test_what_cannot_be_seen_is_shown_by_its_number(watched: Watched) -> None:
    look_at(watched.page, "bidi")
    answer = watched.page.locator("#detail .answer .text").first
    assert "U+202Eevil" in answer.inner_text()
    assert "\u202e" not in answer.inner_text()
    look_at(watched.page, "controls")
    shown = watched.page.locator("#detail .answer .text").first.inner_text()
    assert all(number in shown for number in ("U+0000", "U+001B", "U+2028", "U+FEFF"))


def test_what_is_seen_is_left_alone(watched: Watched) -> None:
    for name in ("emoji", "money"):
        look_at(watched.page, name)
        answer = watched.page.locator("#detail .answer .text").first
        assert answer.evaluate("(one) => one.textContent") == TEXTS[name]


def test_a_huge_text_is_bounded_until_all_is_asked_for(watched: Watched) -> None:
    look_at(watched.page, "huge_line")
    answer = watched.page.locator("#detail .answer .text").first
    assert len(answer.inner_text()) < 7_000
    answer.get_by_role("button", name="Show all").click()
    assert "characters are not in this page" in answer.inner_text()
    assert watched.page.evaluate(OVERFLOW) <= 0


def test_formulas_that_style_are_drawn_and_those_that_define_are_not(watched: Watched) -> None:
    look_at(watched.page, "formula_styles")
    answer = watched.page.locator("#detail .answer").first
    answer.scroll_into_view_if_needed()
    expect(answer.locator("math")).to_have_count(3)
    look_at(watched.page, "formula_bombs")
    answer = watched.page.locator("#detail .answer").first
    answer.scroll_into_view_if_needed()
    expect(answer.locator(".formula.bad")).to_have_count(4)
    assert answer.locator("math").count() == 0
    assert watched.said == []
