"""The page in Chromium: it fills as the run goes on, and what a model wrote stays in its box."""

import json
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from axe_core_python.sync_playwright import Axe
from playwright.sync_api import Browser, Dialog, Page, Request, expect, sync_playwright

from jobs.recipe import Job
from jobs.watch.server import serving
from jobs.watch.watcher import Watcher
from schemas.prompt import Prompt
from schemas.reasoning import split_reasoning
from schemas.sample import FAILED, Sample
from tests.builders import make_sample
from tests.conftest import MakeJob
from tests.jobs.watch.attempts import Attempt, attempt, watcher
from tests.pools import drawn

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here"),
]
WIDTHS = (400, 1280, 2560)
SLOW_BUT_ONE = (400, *(pytest.param(width, marks=pytest.mark.slow) for width in WIDTHS[1:]))
SCRIPT = "globalThis.hacked = (globalThis.hacked || 0) + 1"
HOSTILE = [
    f"<script>{SCRIPT}</script>",
    f"<img src=x onerror='{SCRIPT}'>",
    f"<svg onload='{SCRIPT}'><script>{SCRIPT}</script></svg>",
    f"</div></article></body><script>{SCRIPT}</script>",
    "<iframe srcdoc='<script>parent.hacked = 1</script>'></iframe>",
    f"<a href='javascript:{SCRIPT}'>x</a><details open ontoggle='{SCRIPT}'>x</details>",
    "<style>* { display: none !important; background: url(http://evil.example/x) }</style>",
    "<link rel=stylesheet href=http://evil.example/x.css><img src=http://evil.example/x.png>",
    "<meta http-equiv=refresh content='0; url=http://evil.example/'><base href=http://evil.example/>",
    "<form action=http://evil.example/><input autofocus onfocus='hacked = 1'></form>",
    "$\\href{javascript:hacked=1}{x}$ $\\url{javascript:hacked=1}$ $\\includegraphics{http://evil.example/x}$",
    "$\\htmlData{a=b}{x}$ $\\htmlStyle{position:fixed}{x}$ $\\htmlClass{top}{x}$",
    "$\\def\\a{\\a\\a}\\a$ $\\rule{9999em}{9999em}$ $\\kern{9999em}x$",
    "\u202eevil \u2066turned\u2069 \u202d\x00\x1b[31m\x07\ufeff\u200b",
    "x" * 5000,
    "| a | b |\n" * 300,
    "{{constructor.constructor('hacked=1')()}} ${hacked=1} <%= hacked=1 %>",
    "\n".join(["deep " * 40] * 200),
]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def job(make_job: MakeJob) -> Job:
    return make_job(
        scorers={"math": ["exact_match"], "*": ["format"]},
        budget={"tokens": 100_000, "usd": 10},
        price={"gpu_hour": 2.5},
    )


@contextmanager
def served(watch: Watcher) -> Iterator[str]:
    """The address of its page."""
    with serving(watch.feed) as server:
        thread = threading.Thread(target=server.forever)
        thread.start()
        try:
            yield server.url
        finally:
            server.stop()
            thread.join()


class Seen:
    """What a page did that it should not have."""

    def __init__(self, page: Page, url: str) -> None:
        self.requests: list[str] = []
        self.errors: list[str] = []
        self._origin = f"http://{urlsplit(url).netloc}/"
        page.on("request", self._note)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: self.errors.append(message.text))
        page.on("dialog", self._dismiss)

    def _dismiss(self, dialog: Dialog) -> None:
        self.errors.append(f"dialog {dialog.message}")
        dialog.dismiss()

    def _note(self, request: Request) -> None:
        if not request.url.startswith(self._origin):
            self.requests.append(request.url)


@contextmanager
def opened(chromium: Browser, url: str, width: int = 1280) -> Iterator[tuple[Page, Seen]]:
    page = chromium.new_page(viewport={"width": width, "height": 900})
    seen = Seen(page, url)
    page.goto(url)
    yield page, seen
    assert (seen.requests, seen.errors) == ([], [])
    page.close()


def hostile(job: Job) -> list[tuple[Prompt, Sample]]:
    """Each text as thinking and answer, to prompts that are no better."""
    rows: list[tuple[Prompt, Sample]] = []
    for (prompt, _), text in zip(drawn(job, 1), HOSTILE, strict=True):
        whole = f"{text}\n</think>\n\n{text} {prompt.reference}"
        split = split_reasoning(whole, thinking_open=True)
        known = {"reasoning": split.reasoning, "answer": split.answer}
        own = {"prompt_id": prompt.prompt_id, "teacher_id": job.teacher_id}
        rows.append((prompt, make_sample(whole, **own, **known, sample_index=len(rows))))
    return rows


def failed(job: Job, index: int, detail: str) -> tuple[Prompt, Sample]:
    prompt, _ = drawn(job, 1)[0]
    none = dict.fromkeys(("text_digest", "reasoning", "answer", "finish_reason"))
    facts = {"outcome": FAILED, "failure": "rejected", "failure_reason": "too_long"}
    own = {"prompt_id": prompt.prompt_id, "teacher_id": job.teacher_id, "sample_index": index}
    return prompt, make_sample("", **none, **facts, **own, failure_detail=detail)


def worked(run: Attempt) -> None:
    """Some minutes of a run, as its events tell them."""
    run.tell("replica_started", replica="r1.1")
    run.tell("replica_died", replica="r1.1", reason=f"out of memory {HOSTILE[1]}")
    now = datetime.now(UTC)
    for i in range(4):
        at = (now - timedelta(seconds=15 * (4 - i))).isoformat()
        facts = {"tokens": 900 * i * i, "drawn": 12 * i, "settled": 2 * i, "in_flight": 8}
        run.events.add("progress", at=at, prompts=12, parked=0, cancelled=1, **facts)
    run.events.flush()


def assert_holds(page: Page) -> None:
    """Nothing sticks out, ran, or came in from a text."""
    assert page.evaluate("globalThis.hacked") is None
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]  # type: ignore[index]
    foreign = "main script, main iframe, main img, main form, main style, main link, main base"
    assert page.locator(foreign).count() == 0
    assert page.locator("main [onerror], main [onload], main a[href]").count() == 0


def picture(page: Page, tmp_path: Path, name: str) -> None:
    """The whole page, to be looked at: in `SCREENSHOTS`, if that is set."""
    folder = Path(os.environ.get("SCREENSHOTS", tmp_path))
    path = folder / f"watch-{name}.png"
    page.screenshot(path=path, full_page=True)
    assert path.stat().st_size > 10_000


@pytest.mark.parametrize("width", SLOW_BUT_ONE)
def test_hostile_texts_stay_texts_at_every_width(
    chromium: Browser, make_job: MakeJob, tmp_path: Path, width: int
) -> None:
    prompts = tmp_path / "prompts.jsonl"
    questions = ({"question": text, "answer": f"{text} {i}"} for i, text in enumerate(HOSTILE))
    prompts.write_text("".join(f"{json.dumps(question)}\n" for question in questions))
    fields = {"prompt": "question", "reference": "answer"}
    job = make_job(
        prompts=[{"path": str(prompts), "fields": fields, "source": "<b>source</b>"}],
        scorers={"*": ["format"]},
        keep={"long": "reasoning_tokens > 4"},
    )
    with attempt(job) as run:
        worked(run)
        rows, watch = hostile(job), watcher(job)
        for some in (rows[:6], rows[6:12], rows[12:]):
            run.draw([*some, failed(job, 100 + some[0][1].sample_index, HOSTILE[0])])
            with served(watch) as url, opened(chromium, url, width) as (page, _):
                expect(page.locator(".sample")).not_to_have_count(0)
                for details in page.locator("details > summary").all():
                    details.click()
                page.mouse.wheel(0, 50_000)
                assert_holds(page)
                shown = page.locator("#newest").inner_text()
                beginnings = [(s.text or "").partition("\n")[0][:60].strip() for _, s in some]
                plain = [text for text in beginnings if text.isprintable() and "$" not in text]
                assert [text for text in plain if text not in shown] == []
                assert HOSTILE[0] in shown, "why a sample failed"
                picture(page, tmp_path, f"hostile-{width}-{some[0][1].sample_index}")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_readable_at_every_width_and_to_everybody(
    chromium: Browser, job: Job, tmp_path: Path, width: int, scheme: str
) -> None:
    with attempt(job) as run:
        worked(run)
        run.draw(drawn(job, 4))
        with served(watcher(job)) as url, opened(chromium, url, width) as (page, _):
            page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            expect(page.locator(".sample")).to_have_count(16)
            expect(page.locator("#figures .tile")).to_have_count(7)
            assert_holds(page)
            picture(page, tmp_path, f"{scheme}-{width}")
            found = Axe().run(page)
            assert [(v["id"], [n["html"] for n in v["nodes"]]) for v in found["violations"]] == []


def test_it_fills_while_what_is_unfolded_stays_so(chromium: Browser, job: Job) -> None:
    rows = drawn(job, 4)
    watch = watcher(job)
    with served(watch) as url, opened(chromium, url) as (page, _):
        expect(page.locator("#state")).to_contain_text("waiting")
        expect(page.locator("#figures")).to_be_hidden()
        with attempt(job) as run:
            run.draw(rows[:6])
            expect(page.locator("#state")).to_contain_text("running", timeout=20_000)
            expect(page.locator("h1")).to_have_text(f"Attempt {run.name}")
            first = page.locator(".sample").last
            first.locator(".reasoning summary").click()
            expect(first.locator(".reasoning .text")).to_be_visible()
            kept = page.locator("#funnel tr.kept .number").first
            before = kept.inner_text()
            run.draw(rows[6:10])
            worked(run)
            expect(kept).not_to_have_text(before, timeout=20_000)
            expect(page.locator("#throughput svg")).to_have_count(2)
            expect(page.locator("#replicas tbody tr")).to_have_count(2)
            expect(page.locator(".reasoning[open]")).to_have_count(1)
        expect(page.locator("#state")).to_contain_text("finished", timeout=20_000)
        assert page.title().startswith("■ finished 50 %")


def test_troubles_are_said_with_what_was_known(chromium: Browser, job: Job, tmp_path: Path) -> None:
    root = Path(job.store.url)
    with attempt(job) as run:
        run.draw(drawn(job, 1))
        run.tell("trouble", reason="the store is full <b>")
        page = chromium.new_page()
        with served(watcher(job)) as url:
            page.goto(url)
            expect(page.locator("#warnings")).to_contain_text("the store is full <b>")
            root.rename(tmp_path / "away")
            expect(page.locator("#warnings")).to_contain_text("Nothing new", timeout=20_000)
            expect(page.locator("#figures")).to_contain_text("12")
            (tmp_path / "away").rename(root)
            expect(page.locator("#warnings")).not_to_contain_text("Nothing new", timeout=20_000)
        expect(page.locator("#warnings")).to_contain_text("does not answer", timeout=20_000)
        page.close()


def test_it_asks_nothing_while_nobody_looks(chromium: Browser, job: Job) -> None:
    asked: list[str] = []
    with attempt(job), served(watcher(job)) as url:
        page = chromium.new_page()
        page.add_init_script(
            "Object.defineProperty(document, 'hidden', {get: () => globalThis.away ?? false})"
        )
        page.on("request", lambda request: asked.append(request.url))
        page.clock.install()
        page.goto(url)
        expect(page.locator("#figures .tile").first).to_be_visible()
        page.evaluate("globalThis.away = true")
        before = len(asked)
        page.clock.run_for(60_000)
        assert len(asked) == before
        page.evaluate(
            "globalThis.away = false; document.dispatchEvent(new Event('visibilitychange'))"
        )
        page.wait_for_function("true")
        with page.expect_request("**/feed.json"):
            page.clock.run_for(10_000)
        page.close()


def test_keys_reach_everything_and_the_theme_is_kept(chromium: Browser, job: Job) -> None:
    with attempt(job) as run:
        run.draw(drawn(job, 1))
        with served(watcher(job)) as url, opened(chromium, url) as (page, _):
            expect(page.locator(".sample").first).to_be_visible()
            page.keyboard.press("Tab")
            assert page.evaluate("document.activeElement.className") == "skip"
            page.locator(".sample .question summary").first.focus()
            page.keyboard.press("Enter")
            expect(page.locator(".sample .question[open] .text").first).to_be_visible()
            page.locator("#theme").click()
            assert page.evaluate("document.documentElement.dataset.theme") == "dark"
            page.reload()
            assert page.evaluate("document.documentElement.dataset.theme") == "dark"
