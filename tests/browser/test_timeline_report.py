"""The report of a video in Debian's Chromium, without a network, in light and dark, on a desktop and on a phone."""

from __future__ import annotations

from typing import Literal

import pytest
from playwright.sync_api import Browser, Page

from tests.worker.reports.timeline.sample import facts, two_tracks
from worker.reports.timeline.columns import Timeline
from worker.reports.timeline.html import report_html
from worker.reports.timeline.summary import summary

pytestmark = pytest.mark.browser


class Opened:
    """A report in a page, what the page asked for and what it complained about."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.asked: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.goto(address)
        page.wait_for_function("document.querySelectorAll('.chart .main-svg').length > 0")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("report") / "report.html"
    timeline = Timeline(two_tracks())
    report_html(facts(), timeline, summary(facts(), timeline), path)
    return path.as_uri()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 900), (360, 740)])
def test_it_opens_without_a_network(
    browser: Browser, address: str, scheme: Literal["light", "dark"], size: tuple[int, int]
) -> None:
    context = browser.new_context(offline=True, color_scheme=scheme, viewport={"width": size[0], "height": size[1]})
    opened = Opened(context.new_page(), address)
    assert opened.page.evaluate("document.documentElement.dataset.theme") == scheme
    assert opened.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out sideways"
    assert (opened.asked, opened.complaints) == ([address], [])
    context.close()


def test_hovering_tells_time_emotion_and_confidence(browser: Browser, address: str) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 1800})
    Opened(page, address)
    page.wait_for_function("document.querySelectorAll('.chart .main-svg').length >= 4")
    box = page.locator(".chart").nth(1).bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 100)
    page.wait_for_selector(".hovertext")
    words = page.locator(".hovertext").first.text_content() or ""
    assert "happy, confidence 80 %" in words
    assert "0:02." in words
    page.close()


def test_zooming_shows_the_same_time_in_every_chart(browser: Browser, address: str) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 2200})
    opened = Opened(page, address)
    page.wait_for_function("[...document.querySelectorAll('.chart')].every((each) => each.layout)")
    box = page.locator(".chart").nth(0).bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + 120)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 120, steps=5)
    page.mouse.up()
    page.wait_for_function(
        """() => {
            const charts = [...document.querySelectorAll('.chart')];
            const ranges = charts.map((each) => String(each.layout.xaxis.range.map(Math.round)));
            return ranges.length === 3 && new Set(ranges).size === 1 && parseInt(ranges[0]) > 3000;
        }"""
    )
    assert opened.complaints == []
    page.close()


def test_colours_can_be_changed_and_one_emotion_picked_out(browser: Browser, address: str) -> None:
    page = browser.new_page(color_scheme="light", viewport={"width": 1280, "height": 2200})
    opened = Opened(page, address)
    page.locator("#theme").click()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.locator(".keys button", has_text="sad").click()
    page.wait_for_function(
        """() => {
            const fills = document.querySelector('.chart').data.filter((each) => each.stackgroup);
            return fills.filter((each) => each.fillcolor.toUpperCase() === '#1479E0').length === 1
                && new Set(fills.map((each) => each.fillcolor)).size === 2;
        }"""
    )
    assert opened.complaints == []
    page.close()
