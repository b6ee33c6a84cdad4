"""What a person sees and does, in a real browser."""

from __future__ import annotations

import io
import os
import signal
import time
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from mien.bus.bus import Bus
from mien.jobs.jobs import Jobs
from mien.settings import Settings
from mien.types import Camera, CameraState, DropReason
from tests.browser.conftest import OpenPage
from tests.dashboard.conftest import Dashboard, Feeder, picture

pytestmark = pytest.mark.browser

PIXELS = """
() => Object.fromEntries([...document.querySelectorAll(".tile")].map((tile) => {
  const canvas = tile.querySelector("canvas");
  const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  let sum = 0;
  for (let at = 0; at < data.length; at += 4) sum = (sum * 31 + data[at] + 256 * data[at + 1]) % 1000003;
  return [tile.dataset.camera, [sum, Number(canvas.dataset.pictures ?? 0)]];
}))
"""


def tiles(page: Page) -> dict[str, tuple[int, int]]:
    return {name: (int(pixels), int(shown)) for name, (pixels, shown) in page.evaluate(PIXELS).items()}


def no_sideways_scroll(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= Math.min(window.innerWidth, screen.width)"))


def test_eight_tiles_move_over_one_connection(open_page: OpenPage, bus: Bus) -> None:
    names = [f"camera-{number}" for number in range(8)]
    with Feeder(bus, names, fps=10):
        page = open_page("/")
        streams: list[str] = []
        page.on("request", lambda request: streams.append(request.url) if "stream" in request.url else None)
        expect(page.locator(".tile")).to_have_count(8, timeout=10_000)
        page.wait_for_function(
            "() => [...document.querySelectorAll('.tile canvas')].every((c) => c.dataset.pictures > 2)"
        )
        before = tiles(page)
        page.wait_for_function(
            "(seen) => [...document.querySelectorAll('.tile canvas')].every((one) => one.dataset.pictures >= seen)",
            arg=max(pictures for _, pictures in before.values()) + 3,
            timeout=40_000,
        )
        after = tiles(page)
        assert sorted(before) == names
        for name in names:
            assert before[name][0] != after[name][0], f"{name} stands still"
            assert after[name][1] - before[name][1] >= 3
        assert all(url.split("?")[0].endswith(("/stream", "/static/stream.js")) for url in streams)
        opened = page.evaluate(
            "performance.getEntriesByType('resource').filter((e) => e.name.includes('.mjpg')).length"
        )
        assert opened == 0
        expect(page.locator('[data-camera="camera-3"] .chip')).to_have_text("happy 72 %")
        expect(page.locator("#summary")).to_contain_text("8 of 8 cameras live")


def test_a_new_camera_shows_up_and_loses_its_signal_by_itself(open_page: OpenPage, bus: Bus) -> None:
    page = open_page("/")
    expect(page.locator("#empty")).to_be_visible()
    expect(page.locator("#empty")).to_contain_text("mien produce --camera")
    with Feeder(bus, ["lobby"]):
        tile = page.locator('[data-camera="lobby"]')
        expect(tile.locator(".badge-state")).to_have_text("live", timeout=2000)
        expect(page.locator("#empty")).to_be_hidden()
        page.wait_for_function("() => document.querySelector('.tile canvas').dataset.pictures > 2")
        expect(tile.locator(".stage-note")).to_be_hidden()
    bus.put_camera(Camera("lobby", CameraState.ENDED, "the file is at its end"))
    expect(tile.locator(".stage-note")).to_be_visible()
    expect(tile.locator(".stage-note")).to_contain_text("no signal")
    bus.forget_camera("lobby")
    expect(page.locator(".tile")).to_have_count(0)


def test_one_camera_shows_faces_and_its_account(open_page: OpenPage, bus: Bus) -> None:
    with Feeder(bus, ["lobby"]):
        page = open_page("/")
        page.locator('[data-camera="lobby"] a').click()
        expect(page.locator(".face strong")).to_have_text("happy")
        expect(page.locator(".face .prob")).to_have_count(8)
        expect(page.locator(".face .prob:nth-child(5)")).to_have_text("happy72 %")
        expect(page.locator("#balance")).to_have_text("captured = analysed + dropped + in flight")
        expect(page.locator('[data-count="captured"]')).not_to_have_text("–")
        expect(page.locator("[data-stage-row]").first).to_contain_text("queue")
        page.wait_for_function("() => document.querySelector('#screen').dataset.pictures > 3")
    expect(page.locator("#note")).to_contain_text("no signal", timeout=8000)


def test_mjpeg_in_an_image_draws_the_newest_picture(open_page: OpenPage, bus: Bus, dashboard: Dashboard) -> None:
    with Feeder(bus, ["lobby"], fps=5):
        page = open_page("/about")
        page.evaluate("""() => {
            const image = document.createElement("img");
            image.id = "stream";
            image.src = "/cameras/lobby/stream.mjpg";
            document.querySelector("main").prepend(image);
        }""")
        page.wait_for_function("() => document.querySelector('#stream').naturalWidth === 320")
        shots = set()
        for _ in range(6):
            shots.add(page.locator("#stream").screenshot())
            page.wait_for_timeout(300)
        assert len(shots) >= 3


def test_my_webcam_is_a_camera_and_ends_with_its_tab(open_page: OpenPage, bus: Bus) -> None:
    page = open_page("/", permissions=["camera"])
    page.get_by_role("button", name="Use my webcam").click()
    expect(page.get_by_role("button", name="Stop my webcam")).to_be_visible(timeout=10_000)
    tile = page.locator(".tile")
    expect(tile).to_have_count(1)
    expect(tile.locator(".badge-state")).to_have_text("live")
    (camera,) = bus.cameras()
    assert camera.source == "browser"
    seen: set[bytes] = set()
    deadline_s = time.monotonic() + 10
    while len(seen) < 5:
        assert time.monotonic() < deadline_s
        for frame in bus.read("test", [camera.name]):
            assert frame.jpeg.startswith(b"\xff\xd8")
            assert frame.width > 300
            seen.add(frame.jpeg)
            bus.drop(camera.name, [frame.frame_id], DropReason.STALE)
    assert bus.in_flight(camera.name) <= 4
    counts = bus.counts(camera.name)
    assert counts.captured >= 5
    page.close()
    deadline_s = time.monotonic() + 6
    while bus.cameras():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def test_the_webcam_button_ends_the_camera(open_page: OpenPage, bus: Bus) -> None:
    page = open_page("/", permissions=["camera"])
    page.get_by_role("button", name="Use my webcam").click()
    expect(page.locator(".tile")).to_have_count(1, timeout=10_000)
    page.get_by_role("button", name="Stop my webcam").click()
    expect(page.locator(".tile")).to_have_count(0, timeout=6000)
    expect(page.get_by_role("button", name="Use my webcam")).to_be_visible()
    assert bus.cameras() == []


def test_an_upload_becomes_a_job_and_bad_files_say_why(open_page: OpenPage, settings: Settings, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.jpg", tmp_path / "text.jpg"
    good.write_bytes(picture(0))
    bad.write_text("I am no picture")
    page = open_page("/jobs")
    expect(page.locator("#no-jobs")).to_be_visible()
    page.locator("#files").set_input_files([good, bad])
    expect(page.locator(".job-name")).to_have_text("good.jpg")
    expect(page.locator(".file[data-kind='bad']")).to_contain_text("neither a picture")
    (job,) = Jobs.from_settings(settings).list()
    assert (job.inputs, job.state) == (1, "queued")
    page.get_by_role("button", name="Cancel good.jpg").click()
    expect(page.locator(".job .badge-state")).to_have_text("cancelled")
    page.get_by_role("button", name="Retry good.jpg").click()
    expect(page.locator(".job .badge-state")).to_have_text("queued")
    page.locator(".job-name").click()
    expect(page.locator("#inputs")).to_have_text("1")


def test_dropped_files_are_uploaded(open_page: OpenPage, settings: Settings) -> None:
    page = open_page("/jobs")
    out = io.BytesIO()
    Image.new("RGB", (40, 30), (1, 200, 3)).save(out, "PNG")
    transfer = page.evaluate_handle(
        """(bytes) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(bytes)], "dropped.png", { type: "image/png" }));
            return transfer;
        }""",
        list(out.getvalue()),
    )
    page.dispatch_event("#drop", "drop", {"dataTransfer": transfer})
    expect(page.locator(".job-name")).to_have_text("dropped.png")
    assert len(Jobs.from_settings(settings).list()) == 1


def test_a_restarted_dashboard_is_followed_again(open_page: OpenPage, bus: Bus, dashboard: Dashboard) -> None:
    with Feeder(bus, ["lobby"]):
        page = open_page("/")
        expect(page.locator(".tile")).to_have_count(1)
        children = Path(f"/proc/{dashboard.process.pid}/task/{dashboard.process.pid}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGKILL)  # gunicorn starts a new worker, with another secret
        page.wait_for_timeout(1000)
        shown = page.evaluate("Number(document.querySelector('.tile canvas').dataset.pictures ?? 0)")
        page.wait_for_function(
            f"() => document.querySelector('.tile canvas').dataset.pictures > {shown + 3}", timeout=15_000
        )
        page.get_by_role("button", name="Use my webcam").click()  # needs a new token
        expect(page.locator(".tile")).to_have_count(2, timeout=10_000)


@pytest.mark.parametrize("path", ["/", "/cameras/lobby", "/jobs", "/about", "/api", "/nothing"])
def test_pages_fit_a_phone_in_dark_and_light(open_page: OpenPage, bus: Bus, path: str) -> None:
    with Feeder(bus, ["lobby", "a-camera-with-quite-a-long-name.and-more_of_it"]):
        colours = set()
        for scheme in ("dark", "light"):
            page = open_page(path, 360, 740, color_scheme=scheme, has_touch=True, is_mobile=True)
            page.wait_for_timeout(800)
            assert no_sideways_scroll(page)
            colours.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
            assert page.evaluate("document.documentElement.dataset.bsTheme") == scheme
        assert len(colours) == 2


def test_the_theme_button_is_remembered(open_page: OpenPage) -> None:
    page = open_page("/about", color_scheme="light")
    page.get_by_role("button", name="Switch between dark and light").click()
    assert page.evaluate("document.documentElement.dataset.bsTheme") == "dark"
    page.reload(wait_until="domcontentloaded")
    assert page.evaluate("document.documentElement.dataset.bsTheme") == "dark"


@pytest.mark.parametrize("path", ["/", "/jobs", "/cameras/lobby"])
def test_everything_has_a_name_and_can_be_reached_by_keyboard(open_page: OpenPage, bus: Bus, path: str) -> None:
    with Feeder(bus, ["lobby"]):
        page = open_page(path)
        page.wait_for_timeout(800)
        nameless = page.evaluate("""() => [...document.querySelectorAll("a, button, input, img, canvas, [role]")]
            .filter((one) => one.getClientRects().length)
            .filter((one) => !(one.textContent.trim() || one.labels?.length || one.hasAttribute("alt")
                               || one.getAttribute("aria-label") || one.getAttribute("aria-labelledby")))
            .map((one) => one.outerHTML.slice(0, 120))""")
        assert nameless == []
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
