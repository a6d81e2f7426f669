"""The sample browser, used as a person uses it."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from axe_core_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, Page, expect

from jobs.report.report import Report
from tests.jobs.report.conftest import Watched, opened, written
from tests.jobs.report.made_up import report

pytestmark = pytest.mark.browser

WIDTHS = {400: 800, 1280: 900, 2560: 1400}
NEEDLE = "a needle in this haystack"
MATH_HELD = (
    r"Held: \(x^2\), \[ \frac{1}{2} \], $$\sqrt{3}$$, $a+b$, \boxed{7}, "
    r"\begin{cases}1\\2\end{cases}"
)


@pytest.fixture(scope="module")
def made() -> Report:
    made = report(prompts=60, per_prompt=6, words=60)
    samples = made.samples.to_dicts()
    samples[100]["reasoning"] = f"Here is {NEEDLE}."
    samples[0]["answer"] = MATH_HELD
    return replace(made, samples=type(made.samples)(samples, schema=made.samples.schema))


@pytest.fixture(scope="module")
def url(made: Report, tmp_path_factory: pytest.TempPathFactory) -> str:
    return written(made, tmp_path_factory.mktemp("report"))


@pytest.fixture
def watched(chromium: Browser, url: str) -> Iterator[Watched]:
    """A fresh page, which has said and asked nothing when the test is over."""
    found = opened(chromium, url)
    yield found
    assert found.said == []
    assert found.asked == []
    found.page.context.close()


@pytest.fixture
def shown(watched: Watched) -> Page:
    return watched.page


def prompt(page: Page) -> str:
    return page.locator("#detail h3 code").inner_text()


def found(page: Page) -> tuple[int, int]:
    """Prompts and samples that are listed."""
    numbers = re.findall(r"\d+", page.locator("#found").inner_text())
    return int(numbers[0]), int(numbers[2])


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_it_is_whole_at_every_width(
    chromium: Browser, url: str, tmp_path: Path, width: int, dark: bool
) -> None:
    watched = opened(chromium, url, width, WIDTHS[width], dark=dark)
    page = watched.page
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(overflow) <= 0
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", background)[:3])) < 200) is dark
    page.screenshot(path=tmp_path / "top.png")
    page.locator("#samples").scroll_into_view_if_needed()
    page.locator("#rows .row").first.click()
    expect(page.locator("#detail .sample").first).to_be_visible()
    page.screenshot(path=tmp_path / "samples.png")
    expect(page.locator("#rows")).to_be_visible(visible=width > 900)
    kept, rejected = (page.locator(".side").nth(place).bounding_box() for place in (0, 1))
    assert kept is not None
    assert rejected is not None
    # Beside each other, but on a telephone.
    assert (kept["y"] == rejected["y"]) is (width > 900)
    # A chart is as wide as its panel lets it be, and its letters are not shrunk.
    scale = """() => [...document.querySelectorAll('svg.chart')]
        .filter((one) => one.checkVisibility())
        .map((one) => one.getBoundingClientRect().width / one.viewBox.baseVal.width)"""
    assert all(0.8 <= one <= 1.01 for one in page.evaluate(scale))
    assert (watched.said, watched.asked) == ([], [])
    page.context.close()


def test_a_chart_is_drawn_in_the_colours_of_the_mode(shown: Page) -> None:
    bar = shown.locator("#funnel svg.wide path[fill='var(--accent)']").first
    light = bar.evaluate("(one) => getComputedStyle(one).fill")
    shown.locator("#theme").click()
    assert bar.evaluate("(one) => getComputedStyle(one).fill") != light


def test_search_finds_ids_and_texts_and_marks_them(shown: Page, made: Report) -> None:
    row = made.samples.row(100, named=True)
    shown.locator("#search").fill(NEEDLE.upper())
    expect(shown.locator("#found")).to_have_text("1 of 60 prompts, 1 samples")
    shown.locator("#rows .row").click()
    assert prompt(shown) == row["prompt_id"]
    matching = shown.locator(".sample.match")
    assert matching.count() == 1
    # What was found in the thinking is unfolded.
    assert matching.locator("mark").inner_text() == NEEDLE
    shown.locator("#search").fill(made.samples["prompt_id"][30])
    expect(shown.locator("#found")).to_have_text("1 of 60 prompts, 6 samples")
    shown.locator("#search").fill("nobody wrote this")
    expect(shown.locator("#found")).to_have_text("0 of 60 prompts, 0 samples")
    shown.locator("#clear").click()
    expect(shown.locator("#found")).to_have_text("60 of 60 prompts, 360 samples")


def test_filters_narrow_the_list(shown: Page, made: Report) -> None:
    wrong = made.samples.filter(fate="not_correct")
    name = shown.locator("#by-fate option", has_text="not_correct").inner_text()
    assert name == f"not_correct ({wrong.height})"
    shown.locator("#by-fate").select_option(label=name)
    assert found(shown) == (wrong["prompt_id"].n_unique(), wrong.height)
    assert shown.locator(".sample.match").count() == 0 or {
        *shown.locator(".sample.match .fate").all_inner_texts()
    } == {"not_correct"}
    code = wrong.filter(domain="code")
    label = shown.locator("#by-domain option", has_text="code").inner_text()
    shown.locator("#by-domain").select_option(label=label)
    assert found(shown) == (code["prompt_id"].n_unique(), code.height)
    shown.locator("#clear").click()
    shown.locator("#by-output").select_option("published")
    published = made.samples.filter("published")
    assert found(shown) == (published["prompt_id"].n_unique(), published.height)
    shown.locator("#by-output").select_option("rejected")
    rejected = made.samples.filter(~made.samples["kept"])
    assert found(shown)[1] == rejected.height


def test_reasoning_is_folded_until_it_is_asked_for(shown: Page, made: Report) -> None:
    row = made.samples.filter(prompt_id=prompt(shown)).row(0, named=True)
    card = shown.locator(f"#sample-{row['sample_index']}")
    assert card.locator(".reasoning .text").count() == 0
    card.locator(".reasoning summary").click()
    expect(card.locator(".reasoning .text")).to_be_visible()
    card.locator(".scores summary").click()
    cells = card.locator(".scores tr", has_text="judge.value").locator("td")
    assert cells.inner_text() == f"{row['judge.value']:.0f}"


def test_formulas_are_drawn_and_their_source_is_a_key_away(shown: Page) -> None:
    answer = shown.locator("#sample-0 .answer")
    assert answer.locator("math").count() == 0  # nobody sees them yet
    answer.scroll_into_view_if_needed()
    expect(answer.locator("math")).to_have_count(6)
    assert answer.locator("annotation").first.text_content() == "x^2"
    assert answer.locator("menclose[notation='box']").count() == 1
    shown.keyboard.press("m")
    expect(answer.locator("math")).to_have_count(0)
    assert answer.locator(".text").text_content() == MATH_HELD
    shown.keyboard.press("m")
    expect(answer.locator("math")).to_have_count(6)


def test_money_is_no_formula(shown: Page) -> None:
    pieces = """(text) => Texts.pieces(text).filter((one) => one.tex !== undefined)
        .map((one) => one.tex)"""
    for text in (
        "It costs $5 and $6 or $7.",
        "From US$5 to US$6, and 3$.",
        r"Pay \$5 or \$6$.",
        "$5 for apples and pears cost 3$",
        "`$x$` and ```\n$y$\n```",
        "An open \\( and $$ and \\boxed{",
        "$a\n\nb$",
    ):
        assert shown.evaluate(pieces, text) == [], text
    assert shown.evaluate(pieces, "Let $ABC$ and $f(x)$, $A, B$ or $12$.") == [
        *("ABC", "f(x)", "A, B", "12")
    ]
    assert shown.evaluate(pieces, "If $n$ is even, $n = 2k$.") == ["n", "n = 2k"]
    assert shown.evaluate(pieces, r"So \boxed{\frac{1}{2}}.") == [r"\boxed{\frac{1}{2}}"]


def test_a_link_leads_to_its_sample(chromium: Browser, url: str, shown: Page, made: Report) -> None:
    row = made.samples.row(207, named=True)
    name = f"{row['prompt_id']}/{row['sample_index']}"
    linked = opened(chromium, f"{url}#{name}")
    assert prompt(linked.page) == row["prompt_id"]
    card = linked.page.locator(f"#sample-{row['sample_index']}")
    expect(card).to_be_focused()
    expect(card).to_be_in_viewport()
    # The same while the page is open.
    shown.evaluate("(name) => { location.hash = name }", name)
    expect(shown.locator("#detail h3 code")).to_have_text(row["prompt_id"])
    expect(shown.locator(f"#sample-{row['sample_index']}")).to_be_focused()
    # What nobody has is no error.
    for wrong in ("p1_nobody/3", "%E0%A4%A", f"{row['prompt_id']}/99", "a/b/c", "constructor"):
        shown.evaluate("(name) => { location.hash = name }", wrong)
    linked.page.context.close()


def test_a_link_is_copied(shown: Page, url: str) -> None:
    card = shown.locator(".sample").first
    card.get_by_role("button", name="Copy link").click()
    expect(shown.locator("#said")).to_have_text("Link copied")
    copied = shown.evaluate("navigator.clipboard.readText()")
    number = (card.get_attribute("id") or "").removeprefix("sample-")
    assert copied == f"{url}#{prompt(shown)}/{number}"


def test_keys(shown: Page, made: Report) -> None:
    order = made.samples["prompt_id"].unique(maintain_order=True).to_list()
    assert prompt(shown) == order[0]
    for key, place in (("j", 1), ("j", 2), ("k", 1)):
        shown.keyboard.press(key)
        expect(shown.locator("#detail h3 code")).to_have_text(order[place])
    cards = shown.locator(".sample")
    for key, place in (("n", 0), ("n", 1), ("p", 0)):
        shown.keyboard.press(key)
        expect(cards.nth(place)).to_be_focused()
    shown.keyboard.press("o")
    assert shown.locator(".reasoning:not([open])").count() == 0
    shown.keyboard.press("o")
    assert shown.locator(".reasoning[open]").count() == 0
    shown.keyboard.press("/")
    expect(shown.locator("#search")).to_be_focused()
    shown.keyboard.type("jk")
    assert prompt(shown) == order[1]
    shown.keyboard.press("Escape")
    expect(shown.locator("#search")).not_to_be_focused()
    shown.keyboard.press("?")
    expect(shown.locator("#help")).to_be_visible()
    shown.keyboard.press("j")
    shown.keyboard.press("Escape")
    expect(shown.locator("#help")).to_be_hidden()
    assert prompt(shown) == order[1]


def test_the_list_is_walked_with_arrows_and_has_only_rows_that_are_seen(
    shown: Page, made: Report
) -> None:
    order = made.samples["prompt_id"].unique(maintain_order=True).to_list()
    shown.locator("#rows").focus()
    for _ in range(40):
        shown.keyboard.press("ArrowDown")
    expect(shown.locator("#detail h3 code")).to_have_text(order[40])
    active = shown.locator("#rows").get_attribute("aria-activedescendant")
    expect(shown.locator(f"#{active}")).to_be_in_viewport()
    assert shown.locator(f"#{active}").get_attribute("aria-selected") == "true"
    assert shown.locator("#rows .row").count() < 30


def test_dark_is_a_button_and_is_remembered(shown: Page) -> None:
    colour = "getComputedStyle(document.body).backgroundColor"
    light = shown.evaluate(colour)
    shown.locator("#theme").click()
    dark = shown.evaluate(colour)
    assert dark != light
    assert shown.locator("#theme").get_attribute("aria-pressed") == "true"
    shown.reload()
    shown.wait_for_selector("#browser[data-ready]")
    assert shown.evaluate(colour) == dark
    shown.locator("#theme").click()
    assert shown.evaluate(colour) == light


def test_on_a_telephone_a_prompt_takes_the_place_of_the_list(chromium: Browser, url: str) -> None:
    watched = opened(chromium, url, 400, 800)
    page = watched.page
    expect(page.locator("#detail")).to_be_hidden()
    page.locator("#rows .row").nth(2).click()
    expect(page.locator("#rows")).to_be_hidden()
    expect(page.locator("#detail h3")).to_be_in_viewport()
    page.get_by_role("button", name="All prompts").click()
    expect(page.locator("#rows")).to_be_visible()
    expect(page.locator("#detail")).to_be_hidden()
    assert (watched.said, watched.asked) == ([], [])
    page.context.close()


def test_it_prints_without_what_is_for_a_screen(shown: Page) -> None:
    shown.emulate_media(media="print")
    for name in (".top", "#rows", ".filters", ".buttons"):
        expect(shown.locator(name)).to_be_hidden()
    expect(shown.locator("#funnel svg").first).to_be_visible()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
def test_axe_finds_nothing(chromium: Browser, url: str, width: int, dark: bool) -> None:
    """Keyboard, contrast, headings, tables: all of its rules, with everything unfolded."""
    context = chromium.new_context(
        bypass_csp=True,
        viewport={"width": width, "height": 900},
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.goto(url)
    page.wait_for_selector("#browser[data-ready]")
    page.locator("#rows .row").first.click()
    page.evaluate("document.querySelectorAll('details').forEach((one) => one.open = true)")
    page.evaluate(AXE_SCRIPT)
    found = page.evaluate("axe.run().then((results) => results.violations)")
    told = [
        (one["id"], one["help"], [node["html"][:200] for node in one["nodes"][:3]]) for one in found
    ]
    context.close()
    assert told == []
