"""The frame budget on a camera's page and on its tile."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, expect

from mien.bus.bus import Bus
from mien.bus.plan import SavingsPlan
from mien.settings import Settings
from mien.types import Camera, CameraState, DropReason, Frame
from tests.browser.conftest import OpenPage
from tests.dashboard.conftest import Feeder, budget

pytestmark = pytest.mark.browser

WIDTHS = """() => Object.fromEntries([...document.querySelectorAll(".spent-bar i")]
    .map((part) => [part.dataset.stage, parseFloat(part.style.width)]))"""


@contextmanager
def told(settings: Settings, mean_ms: float, plan: SavingsPlan | None = None, **more: int | str) -> Iterator[None]:
    """A live camera whose worker says the same budget twice a second."""
    stop, began = threading.Event(), threading.Event()

    def tell() -> None:
        bus = Bus.from_settings(settings)
        while not stop.is_set():
            bus.put_camera(Camera("lobby", CameraState.LIVE, "", "test://pattern", "live", 25.0, 640, 360))
            bus.put_budgets([budget("lobby", bus.clock.now_ns(), mean_ms, plan, **more)])
            began.set()
            stop.wait(0.2)
        bus.close()

    thread = threading.Thread(target=tell)
    thread.start()
    assert began.wait(10)  # a page of a camera that nobody has told of is "not found"
    try:
        yield
    finally:
        stop.set()
        thread.join()


def stage(page: Page, name: str) -> list[str]:
    return page.locator(f'[data-stage-row="{name}"] td').all_inner_texts()


def test_the_bar_shows_where_the_time_went(open_page: OpenPage, bus: Bus) -> None:
    with Feeder(bus, ["lobby"]):
        page = open_page("/cameras/lobby")
        errors: list[str] = []
        page.on("console", lambda note: errors.append(note.text) if note.type == "error" else None)
        expect(page.locator("#p50")).to_have_text("18 ms")
        expect(page.locator("#p95")).to_have_text("32 ms")
        expect(page.locator("#p99")).to_have_text("48 ms")
        expect(page.locator("#budget-none")).to_be_hidden()
        assert stage(page, "detect") == ["5.6 ms", "9.0 ms"]
        page.wait_for_timeout(600)  # widths glide
        widths = page.evaluate(WIDTHS)
        # 5.6 of 50 ms: the bar reaches a quarter beyond the budget of 40.
        assert widths["detect"] == pytest.approx(5.6 / 50 * 100, abs=0.1)
        assert sum(widths.values()) == pytest.approx(20 / 50 * 100, abs=0.1)
        bar, line = page.locator(".spent-bar").bounding_box(), page.locator(".spent-line").bounding_box()
        assert bar is not None
        assert line is not None
        assert line["x"] - bar["x"] == pytest.approx(bar["width"] * 40 / 50, abs=3)
        expect(page.locator(".spent-line")).to_have_text("40 ms")
        expect(page.locator("#plan-words")).to_contain_text("Detect every 160 ms")
        expect(page.locator("#plan-why")).to_have_text("4 cameras at 25 fps need 0.9 of 1 core.")
        expect(page.locator("#level")).to_have_text("savings level 2")
        expect(page.locator("#plan-worker")).to_have_text("Worker feeder")
        expect(page.locator("#on-time")).to_have_text("100 %")
        assert errors == []


def test_the_budget_moves_with_the_worker_and_says_when_it_is_gone(open_page: OpenPage, settings: Settings) -> None:
    with told(settings, 20.0):
        page = open_page("/cameras/lobby")
        expect(page.locator("#p95")).to_have_text("32 ms", timeout=10_000)
        expect(page.locator("#spent")).to_have_attribute("data-late", "false")
    with told(settings, 60.0, SavingsPlan(), level=0, why="", worker="other"):
        expect(page.locator("#p95")).to_have_text("96 ms", timeout=10_000)
        expect(page.locator("#spent")).to_have_attribute("data-late", "true")
        expect(page.locator("#plan-words")).to_have_text("Everything on every frame.")
        expect(page.locator("#level")).to_have_text("no savings")
        expect(page.locator("#plan-worker")).to_have_text("Worker other")
    expect(page.locator("#budget-none")).to_be_visible(timeout=15_000)
    expect(page.locator("#p95")).to_have_text("–")
    expect(page.locator("#spent")).to_be_hidden()


def test_drops_of_the_last_minute_are_told_by_reason_and_in_words(
    open_page: OpenPage, settings: Settings, bus: Bus
) -> None:
    bus.skip("lobby", 1000)
    with told(settings, 20.0):
        page = open_page("/cameras/lobby")
        row = page.locator('[data-reason="superseded"]')
        expect(row.locator('[data-when="all"]')).to_have_text("1,000", timeout=10_000)
        expect(row.locator('[data-when="minute"]')).to_have_text("0")
        bus.read("w", ["lobby"], block_ms=0)
        ids = [bus.publish(Frame("lobby", seq, bus.clock.now_ns(), 8, 8, b"x")) for seq in range(1, 8)]
        bus.read("w", ["lobby"], block_ms=0)
        bus.drop("lobby", ids, DropReason.STALE)
        bus.skip("lobby", 3)
        expect(row.locator('[data-when="minute"]')).to_have_text("3", timeout=10_000)
        expect(row.locator('[data-when="all"]')).to_have_text("1,003")
        stale = page.locator('[data-reason="stale"]')
        expect(stale.locator('[data-when="minute"]')).to_have_text("7")
        expect(stale).to_contain_text("too old to be on time")
        expect(page.locator("#minute-dropped")).to_have_text("10")
        expect(page.locator("#on-time")).to_have_text("0 %")


def test_a_tile_tells_share_on_time_and_95_percent(open_page: OpenPage, bus: Bus) -> None:
    with Feeder(bus, ["lobby"]):
        tile = open_page("/").locator('[data-camera="lobby"]')
        expect(tile.locator('[data-fact="p95"]')).to_have_text("32 ms", timeout=10_000)
        expect(tile.locator('[data-fact="on_time"]')).to_have_text("100 %")
        expect(tile.locator(".budget")).to_have_attribute("data-late", "false")


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_every_stage_stands_out_from_its_neighbours(open_page: OpenPage, bus: Bus, scheme: str) -> None:
    with Feeder(bus, ["lobby"]):
        page = open_page("/cameras/lobby", 360, 740, color_scheme=scheme, has_touch=True, is_mobile=True)
        expect(page.locator("#p50")).to_have_text("18 ms", timeout=10_000)
        colours = page.evaluate("""() => [...document.querySelectorAll(".spent-bar i:not([data-stage=rest])")].map(
            (part) => getComputedStyle(part).backgroundColor)""")
        assert len(set(colours)) == 8
        assert page.evaluate("document.querySelector('#budget-card').scrollWidth <= window.innerWidth")
        # The bar is a picture with a name; the table beside it has each number as text, with headers for both ways.
        assert page.locator("#spent").get_attribute("role") == "img"
        assert page.locator(".stage-table th[scope=row]").count() == 9
        assert page.locator(".stage-table th[scope=col]").all_inner_texts() == ["Stage", "Mean", "95 %"]
