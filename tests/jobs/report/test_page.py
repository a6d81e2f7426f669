"""The page as a file: what it says, that nothing in it is markup of others, and its policy."""

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs import plot
from jobs.report.assets import KATEX, asset, inline
from jobs.report.page import page
from jobs.report.report import Report
from tests.jobs.report.hostile import hostile_report
from tests.jobs.report.made_up import frame, manifest, report, report_of

VOID = {"meta", "input", "br", "hr", "img", "link"}


class Seen(HTMLParser):
    """Elements, attributes and texts, as a browser sees them."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.scripts: dict[str, list[str]] = {}
        self.styles: list[str] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self._kind = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.extend((name, value or "") for name, value in attrs)
        if tag not in VOID:
            self.open.append(tag)
        if tag == "script":
            self._kind = dict(attrs).get("type") or "script"
            self.scripts.setdefault(self._kind, []).append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts[self._kind][-1] += data
        elif self.open and self.open[-1] == "style":
            self.styles.append(data)
        else:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    @property
    def policy(self) -> dict[str, list[str]]:
        found = [value for name, value in self.attributes if "default-src" in value]
        parts = [part.split() for part in found[0].split(";")]
        return {part[0]: part[1:] for part in parts}


def sha(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


@pytest.fixture(scope="module")
def made() -> Report:
    return report()


@pytest.fixture(scope="module")
def html(made: Report) -> str:
    return page(made)


@pytest.fixture(scope="module")
def seen(html: str) -> Seen:
    return Seen(html)


def test_the_policy_allows_these_scripts_and_this_style_alone(seen: Seen) -> None:
    policy = seen.policy
    assert policy["default-src"] == ["'none'"]
    assert policy["script-src"] == [sha(script) for script in seen.scripts["script"]]
    assert policy["style-src"] == [sha(style) for style in seen.styles]
    for name in ("base-uri", "form-action", "connect-src", "trusted-types"):
        assert policy[name] == ["'none'"]
    assert policy["require-trusted-types-for"] == ["'script'"]


def test_nothing_in_it_needs_another_policy(html: str, seen: Seen) -> None:
    names = {name for name, _ in seen.attributes}
    assert not {name for name in names if name.startswith("on")}
    assert not names & {"style", "src", "srcset", "action", "formaction", "background", "ping"}
    links = {value for name, value in seen.attributes if name in ("href", "xlink:href")}
    assert links
    assert all(link.startswith("#") for link in links)
    own = "".join(asset(name) for name in ("text.js", "sample.js", "browser.js", "list.js"))
    for word in ("innerHTML", "outerHTML", "insertAdjacent", "document.write", "fetch(", "eval("):
        assert word not in own
    assert seen.open == []


def test_every_id_is_there_once_and_every_link_leads_to_one(seen: Seen) -> None:
    ids = [value for name, value in seen.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    wanted = {value[1:] for name, value in seen.attributes if name == "href"}
    for name in ("aria-labelledby", "aria-describedby", "for"):
        wanted |= {one for key, value in seen.attributes if key == name for one in value.split()}
    assert wanted <= {*ids}


def test_the_same_report_is_the_same_page(made: Report, html: str) -> None:
    assert page(made) == html


def test_all_of_it_is_told(made: Report, seen: Seen) -> None:
    text = seen.text
    for fate, count in made.manifest.funnel.items():
        assert f"{fate} {count:,}" in text
    for column in ("judge.value", "repetition.share"):
        assert column in text
    for name in ("gsm8k", "competition", "small-programs", "Qwen/QwQ-32B", "$1.85", "41.5"):
        assert name in text
    assert "Changes are against v0001" in text
    assert "All 240 samples are here." in text
    whole, published = sum(made.tokens.values()), made.tokens["published"]
    assert f"{published / whole:.1%} of {whole:,} tokens are in published samples" in text


def test_a_selection_and_shortened_texts_are_said(made: Report) -> None:
    funnel = {**made.manifest.funnel, "not_correct": 1_000_000}
    few = replace(made, manifest=made.manifest.model_copy(update={"funnel": funnel}))
    long = frame([{**row, "answer": "long " * 20_000} for row in few.samples.head(2).to_dicts()])
    text = Seen(page(replace(few, samples=long))).text
    samples = sum(funnel.values())
    assert f"These are 2 of {samples:,} samples, a stratified selection" in text
    assert "Texts of more than 64,000 characters are without their middle" in text


def nothing(**facts: Any) -> Report:
    """A report of a version that nothing is known of."""
    empty = manifest(frame([]), survivorship={}, rows={}, funnel={}, prompts=0, **facts)
    bare = empty.model_copy(update={"provenance": {}, "recipe": {"name": "sums"}})
    return Report(
        manifest=bare,
        before=None,
        scores=report(prompts=1).scores.clear(),
        tokens={},
        teachers=report(prompts=1).teachers.clear(),
        samples=pl.DataFrame(),
    )


def test_a_version_that_nothing_is_known_of_has_a_page() -> None:
    html = page(nothing())
    text = Seen(html).text
    for told in (
        "There is no version before it.",
        "This was not counted for this version.",
        "What it cost was not recorded.",
        "No samples are in this report.",
        "No sample has a score that is a number.",
        "How long samples are is not known.",
    ):
        assert told in text
    # Nobody needs formulas where there are no texts.
    assert asset(KATEX) not in html


def test_a_report_without_published_samples_has_a_page() -> None:
    rows = [
        {
            "prompt_id": "p1_a",
            "domain": "math",
            "sample_index": 0,
            "fate": "failed",
            "kept": False,
            "published": False,
            "failure": "engine died",
        }
    ]
    text = Seen(page(report_of(rows))).text
    assert "failed 1 100.0%" in text
    assert "0.0%" in text


def test_names_of_others_are_texts(seen: Seen) -> None:
    hostile = Seen(page(hostile_report()))
    assert set(hostile.tags) <= set(seen.tags) | {"bdi"}
    assert len(hostile.scripts["script"]) == len(seen.scripts["script"])
    assert "</script><script>window.hacked=1</script> {{7*7}}" in hostile.text
    assert "\u202e" not in hostile.text


# Cc and Cf are names that nobody has; they are here too.
NAMES = st.one_of(
    st.text(max_size=40),
    st.sampled_from(["</script>", "<!--", "]]>", "&lt;", "{{7*7}}", "\x00", "\U0001f600" * 30]),
)


@settings(max_examples=15)
@given(NAMES, NAMES, NAMES)
def test_whatever_names_are_the_page_has_the_same_elements(one: str, two: str, three: str) -> None:
    def made(*names: str) -> Report:
        funnel = {"published": 3, f"a{names[0]}": 2, f"b{names[1]}": 1}
        own = nothing(name=names[0], version=names[1], teacher={"id": "t", "name": names[2]})
        return replace(
            own,
            manifest=own.manifest.model_copy(update={"funnel": funnel}),
            tokens={f"t{names[2]}": 5},
        )

    plain, odd = Seen(page(made("x", "y", "z"))), Seen(page(made(one, two, three)))
    # A label that is cut in two or blank may have fewer pieces of text, never other elements.
    assert odd.tags == plain.tags
    assert odd.open == []
    assert [name for name, _ in odd.attributes] == [name for name, _ in plain.attributes]


def test_the_style_sheet_has_the_colours_of_charts() -> None:
    css = asset("page.css")
    for name, colour in plot.COLOURS.items():
        assert re.search(rf"--{name}: light-dark\({colour},", css), name


def test_what_would_end_its_element_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    asset.cache_clear()
    monkeypatch.setattr("pathlib.Path.read_text", lambda *_, **__: "a </ScRiPt> b")
    with pytest.raises(ValueError, match="</script"):
        asset("text.js")
    asset.cache_clear()


def test_a_page_that_asks_may_ask_only_where_it_is_told_to() -> None:
    assert "connect-src 'self'" in inline(("page.css",), ("text.js",), connect="'self'").policy
