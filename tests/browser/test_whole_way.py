"""From a source to the screen, with everything that `mien up` starts, in a real browser."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import simplejpeg
from playwright.sync_api import Browser, expect

from tests.browser.conftest import OpenPage, pages_of
from tests.browser.test_pages import tiles
from tests.support.media import astronaut
from tests.support.paths import ROOT
from tests.support.ports import free_port

pytestmark = pytest.mark.browser

CAMERAS = tuple(f"test-{number}" for number in range(8))


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of everything, with eight cameras that show the test pattern."""
    folder = tmp_path_factory.mktemp("up")
    port = free_port()
    cameras = [part for name in CAMERAS for part in ("--camera", f"{name}=test://pattern?fps=5")]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MIEN_")}
    environment["PYTHONPATH"] = str(ROOT)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "cli", "up", "--port", str(port), *cameras],
            cwd=folder, env=environment, stdout=log, stderr=log,
        )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        deadline_s = time.monotonic() + 60
        while not _is_ready(url):
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline_s, (folder / "log").read_text()
            time.sleep(0.2)
        yield url
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)
    assert "Traceback" not in (folder / "log").read_text()


@pytest.fixture
def open_page(browser: Browser, address: str) -> Iterator[OpenPage]:
    with pages_of(browser, address) as open_one:
        yield open_one


def test_eight_test_patterns_all_move(open_page: OpenPage) -> None:
    page = open_page("/")
    expect(page.locator(".tile")).to_have_count(8, timeout=20_000)
    page.wait_for_function(
        "() => [...document.querySelectorAll('.tile canvas')].every((canvas) => canvas.dataset.pictures > 1)",
        timeout=40_000,
    )
    before = tiles(page)
    page.wait_for_function(
        "(seen) => [...document.querySelectorAll('.tile canvas')].every((one) => one.dataset.pictures >= seen)",
        arg=max(pictures for _, pictures in before.values()) + 3,
        timeout=40_000,
    )
    after = tiles(page)
    assert sorted(before) == list(CAMERAS)
    assert [name for name in CAMERAS if before[name][0] == after[name][0]] == []


def test_the_face_before_my_webcam_is_read_and_the_tile_goes_with_the_tab(open_page: OpenPage) -> None:
    page = open_page("/", permissions=["camera"])
    page.get_by_role("button", name="Use my webcam").click()
    tile = page.locator("[data-camera^='webcam-']")
    expect(tile.locator(".chip")).to_have_count(1, timeout=30_000)
    page.wait_for_function("() => document.querySelector(\"[data-camera^='webcam-'] canvas\").dataset.pictures > 2")
    other = open_page("/")
    expect(other.locator("[data-camera^='webcam-']")).to_have_count(1)
    page.close()
    expect(other.locator("[data-camera^='webcam-']")).to_have_count(0, timeout=10_000)


def test_an_uploaded_photo_ends_as_an_annotated_picture(open_page: OpenPage, tmp_path: Path) -> None:
    photo = tmp_path / "portrait.jpg"
    photo.write_bytes(simplejpeg.encode_jpeg(astronaut(), quality=95))
    page = open_page("/jobs")
    page.locator("#files").set_input_files(photo)
    page.locator(".job-name", has_text="portrait.jpg").click()
    expect(page.locator("#state")).to_have_text("done", timeout=60_000)
    expect(page.locator("#faces")).to_have_text("1")
    expect(page.locator(".picture strong")).to_have_text("portrait.jpg")
    expect(page.locator(".picture .chip")).to_have_count(1)
    page.wait_for_function("() => document.querySelector('.picture img').naturalWidth === 512")
    with page.expect_download() as download:
        page.locator("#downloads summary").click()
        page.get_by_role("link", name="CSV for a spreadsheet").click()
    assert "portrait.jpg,1," in Path(download.value.path()).read_text()


def _is_ready(url: str) -> bool:
    try:
        return requests.get(f"{url}/readyz", timeout=2).status_code == 200
    except requests.RequestException:  # a machine that starts twelve processes may be slow to answer
        return False
