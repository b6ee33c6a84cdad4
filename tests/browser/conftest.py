"""Debian's Chromium, driven by Playwright, on a real dashboard."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect, sync_playwright

from mien.settings import Settings
from tests.dashboard.conftest import Dashboard, running_dashboard
from tests.support.media import astronaut

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
# A page, its server and a decoder share two cores with whatever else runs: five times what the slowest takes.
expect.set_options(timeout=30_000)


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def webcam_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the fake webcam sees: a person who sways, as Motion JPEG (NASA's portrait of Eileen Collins)."""
    portrait = astronaut()[:480]
    clip = tmp_path_factory.mktemp("webcam") / "clip.mjpeg"
    with clip.open("wb") as file:
        for step in range(50):
            pixels = np.zeros((480, 640, 3), np.uint8)
            left = 64 + round(40 * math.sin(step / 50 * 2 * math.pi))
            pixels[:, left : left + 512] = portrait
            file.write(simplejpeg.encode_jpeg(pixels, quality=90))
    return clip


@pytest.fixture(scope="session")
def browser(playwright: Playwright, webcam_clip: Path) -> Iterator[Browser]:
    """Chromium with a webcam that shows `webcam_clip`."""
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is missing: install Debian's chromium (`make setup-browser`)")
    arguments = [*_ARGUMENTS, f"--use-file-for-fake-video-capture={webcam_clip}"]
    browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=arguments)
    yield browser
    browser.close()


@pytest.fixture
def dashboard(settings: Settings, tmp_path: Path) -> Iterator[Dashboard]:
    with running_dashboard(settings, tmp_path / "dashboard.log") as running:
        yield running


@pytest.fixture
def open_page(browser: Browser, dashboard: Dashboard) -> Iterator[OpenPage]:
    """Open a page of the dashboard; every error that its scripts raise fails the test."""
    with pages_of(browser, dashboard.url) as open_one:
        yield open_one


@contextmanager
def pages_of(browser: Browser, url: str) -> Iterator[OpenPage]:
    """Open pages of the dashboard at `url`, and close them at the end."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def open_one(path: str, width: int = 1280, height: int = 800, **options: object) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda note: errors.append(note.text) if "Content Security Policy" in note.text else None)
        # A page with a stream never reaches `load`.
        page.goto(url + path, wait_until="domcontentloaded")
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert errors == []
