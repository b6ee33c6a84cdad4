"""Debian's Chromium, driven by Playwright, on a real dashboard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, sync_playwright

from mien.settings import Settings
from tests.dashboard.conftest import Dashboard, running_dashboard

CHROMIUM = Path("/usr/bin/chromium")
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
]

OpenPage = Callable[..., Page]


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is missing: install Debian's chromium (`make browser`)")
    browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=_ARGUMENTS)
    yield browser
    browser.close()


@pytest.fixture
def dashboard(settings: Settings, tmp_path: Path) -> Iterator[Dashboard]:
    with running_dashboard(settings, tmp_path / "dashboard.log") as running:
        yield running


@pytest.fixture
def open_page(browser: Browser, dashboard: Dashboard) -> Iterator[OpenPage]:
    """Open a page of the dashboard; every error that its scripts raise fails the test."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def open_one(path: str, width: int = 1280, height: int = 800, **options: object) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda note: errors.append(note.text) if "Content Security Policy" in note.text else None)
        # A page with a stream never reaches `load`.
        page.goto(dashboard.url + path, wait_until="domcontentloaded")
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert errors == []
