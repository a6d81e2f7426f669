"""The page of a report: how large it is, how long it takes to make, and until it can be used.

    python -m benchmarks.report [--samples 2000 20000]

Samples are made up: their thinking is 8,000 tokens long in the middle, in words that compress no
better than prose. The page is opened in Chromium from a disk, where there is one.
"""

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl
from playwright.sync_api import Page, sync_playwright

from jobs.report.page import page
from tests.jobs.report.made_up import report

PER_PROMPT = 8
WORDS = 5_700
"""Of a sample's thinking, in the middle: 8,000 tokens."""
OPENINGS = 5
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
INTERACTIVE = "performance.getEntriesByName('ready')[0]?.startTime"


def measured(samples: int, folder: Path) -> Iterator[tuple[str, str]]:
    """What is said of a page with so many samples."""
    made = report(prompts=samples // PER_PROMPT, per_prompt=PER_PROMPT, words=WORDS)
    length = pl.col("reasoning_tokens") + pl.col("answer_tokens")
    tokens: float = made.samples.select(length.median()).item()
    yield "samples", f"{made.samples.height:,}, {tokens:,.0f} tokens in the middle"
    texts = sum(int(made.samples[name].str.len_chars().sum()) for name in ("reasoning", "answer"))
    yield "characters of texts", f"{texts:,}"
    start = time.perf_counter()
    text = page(made)
    yield "built in, s", f"{time.perf_counter() - start:.1f}"
    path = folder / f"{samples}.html"
    path.write_text(text, encoding="utf-8")
    yield "size, MB", f"{path.stat().st_size / 1e6:.2f}"
    if CHROMIUM is not None:
        yield from _opened(path)


def _opened(path: Path) -> Iterator[tuple[str, str]]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        ready = []
        for _ in range(OPENINGS):
            shown = browser.new_page(viewport={"width": 1280, "height": 900})
            shown.goto(path.as_uri())
            shown.wait_for_selector("#browser[data-ready]")
            ready.append(shown.evaluate(INTERACTIVE))
            if len(ready) < OPENINGS:
                shown.close()
        yield "until it can be used, ms", f"{statistics.median(ready):.0f} ({max(ready):.0f})"
        yield "search through all texts, ms", f"{_timed(shown, SEARCH):.0f}"
        yield "the same again, ms", f"{_timed(shown, SEARCH):.0f}"
        yield "next prompt, ms", f"{_timed(shown, NEXT):.0f}"
        yield (
            "nodes of the document",
            f"{shown.evaluate('document.querySelectorAll(`*`).length'):,}",
        )
        heap = shown.evaluate("performance.memory.usedJSHeapSize") / 1e6
        yield "memory of its scripts, MB", f"{heap:.0f}"
        browser.close()


def _timed(shown: Page, act: str) -> float:
    return float(shown.evaluate(act))


SEARCH = """async () => {
    const field = document.getElementById('search');
    const begun = performance.now();
    field.value = 'nobody has written this ' + Math.random();
    field.dispatchEvent(new Event('input'));
    const searching = () => document.getElementById('rows').ariaBusy === 'true';
    const turn = () => new Promise((done) => setTimeout(done, 1));
    while (!searching()) await turn();
    while (searching()) await turn();
    const took = performance.now() - begun;
    field.value = '';
    field.dispatchEvent(new Event('input'));
    await new Promise((done) => setTimeout(done, 400));
    return took;
}"""
"""A text that is nowhere, from the key to the end, with the 150 ms that a typist is waited for."""

NEXT = """async () => {
    const id = () => document.querySelector('#detail h3 code').textContent;
    const was = id();
    const begun = performance.now();
    document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'j', bubbles: true}));
    while (id() === was) await new Promise((done) => setTimeout(done, 1));
    return performance.now() - begun;
}"""


def main() -> None:
    """Prints a line a measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, nargs="+", default=[2_000, 20_000])
    with tempfile.TemporaryDirectory() as folder:
        for samples in parser.parse_args().samples:
            for name, value in measured(samples, Path(folder)):
                print(f"{name:32} {value}", flush=True)


if __name__ == "__main__":
    main()
