"""One Chromium for the tests of a module, and pages that are watched."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Dialog, Page, Request, sync_playwright

from jobs.report.page import page
from jobs.report.report import Report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@dataclass
class Watched:
    """A page, and everything that it did beside being looked at."""

    page: Page
    said: list[str] = field(default_factory=list)
    """Console messages, errors, dialogs: a policy that is broken is one."""
    asked: list[str] = field(default_factory=list)
    """Requests for anything but itself."""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Where there is none, the test is skipped."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def written(report: Report, folder: Path) -> str:
    """The address of its page on this disk."""
    path = folder / "report.html"
    path.write_text(page(report), encoding="utf-8", newline="")
    return path.as_uri()


def opened(
    browser: Browser,
    url: str,
    width: int = 1280,
    height: int = 900,
    *,
    dark: bool = False,
    ready: bool = True,
) -> Watched:
    """A page in a context of its own, which can copy."""
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
    )
    context.set_default_timeout(20_000)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    watched = Watched(context.new_page())
    shown = watched.page
    own = url.partition("#")[0]

    def heard(dialog: Dialog) -> None:
        watched.said.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def asked(request: Request) -> None:
        if request.url.partition("#")[0] != own:
            watched.asked.append(request.url)

    shown.on("console", lambda message: watched.said.append(f"{message.type}: {message.text}"))
    shown.on("pageerror", lambda error: watched.said.append(f"error: {error}"))
    shown.on("dialog", heard)
    shown.on("request", asked)
    shown.goto(url)
    if ready:
        shown.wait_for_selector("#browser[data-ready]")
    return watched
