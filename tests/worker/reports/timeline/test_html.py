from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from mien.errors import RuntimeMissing
from tests.worker.reports.timeline.sample import facts, sighting, two_tracks
from worker.reports.timeline.columns import Timeline
from worker.reports.timeline.html import MOST_ROWS, MOST_TRACKS, POINTS, report_html
from worker.reports.timeline.summary import summary
from worker.reports.timeline.table import VideoFacts


class Read(HTMLParser):
    """A page as its elements, its words, and what its scripts and data hold."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.data: dict[str, Any] = {}
        self.words = ""
        self._inside = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag
        if tag == "script" and "type" not in dict(attrs):
            self.scripts.append("")
        elif tag == "script":
            self._inside = "data"

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "data":
            self.data = json.loads(data)
        elif self._inside == "script":
            self.scripts[-1] += data
        elif self._inside != "style":
            self.words += data


def written(path: Path, facts: VideoFacts, timeline: Timeline) -> Read:
    report_html(facts, timeline, summary(facts, timeline), path)
    return Read(path.read_text("utf-8"))


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Read:
    return written(tmp_path_factory.mktemp("report") / "report.html", facts(), Timeline(two_tracks()))


def test_a_report_says_what_an_apparent_emotion_is(report: Read) -> None:
    assert "Apparent emotion over time" in report.words
    assert "what a face shows, and never what a person feels" in report.words
    assert "projected from the probabilities" in report.words


def test_a_report_says_when_valence_and_arousal_were_measured(tmp_path: Path) -> None:
    measured = replace(facts(), va_source="measured")
    report = written(tmp_path / "report.html", measured, Timeline(two_tracks()))
    assert "measured by a head of their own" in report.words
    assert "projected" not in report.words
    found = summary(measured, two_tracks())
    assert "measured" in found["notice"]
    assert found["video"]["va_source"] == "measured"


def test_a_report_names_the_video_its_facts_and_each_track(report: Read) -> None:
    for words in ("talk.mp4", "640 × 360 px", "10 fps", "10.0 s", "Track 1", "Track 2", "All faces", "uncertain"):
        assert words in report.words
    charts = [attributes for tag, attributes in report.elements if attributes.get("class") == "chart"]
    assert [chart["data-track"] for chart in charts] == ["0", "1", "2"]


def test_a_report_asks_nothing_of_the_network(report: Read) -> None:
    addresses = {
        value for _, attributes in report.elements for name, value in attributes.items() if name in ("src", "href")
    }
    assert addresses <= {"data:,"}
    styles = [tag for tag, _ in report.elements if tag in ("iframe", "object", "embed", "base", "form")]
    assert styles == []


def test_its_policy_forbids_the_network_and_every_script_but_its_two(report: Read) -> None:
    (policy,) = [a["content"] or "" for tag, a in report.elements if a.get("http-equiv") == "Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "http" not in policy
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in report.scripts]
    assert len(hashes) == 2
    assert re.findall(r"'sha256-([^']+)'", policy) == hashes
    assert "unsafe" not in policy.split("script-src")[1].split(";")[0]


def test_its_charts_have_the_probabilities_and_the_label_over_time(report: Read) -> None:
    everyone, one, two = report.data["tracks"]
    assert (everyone["name"], one["name"], two["name"]) == ("", "1", "2")
    assert [each[:3] for each in one["stretches"]] == [
        [0, 6000, report.data["labels"].index("happy")],
        [6000, 10000, report.data["labels"].index("sad")],
    ]
    assert set(two["runs"]) == {0, 1}, "a gap"
    assert all(sum(shares) == pytest.approx(1000, abs=5) for shares in one["probabilities"])


@pytest.mark.parametrize(
    "name", ["</script><img src=x onerror=alert(1)>.mp4", '"><b>&amp;.mp4', "{policy} %s $x.mp4", "bad\udcff.mp4"]
)
def test_a_name_is_a_name_and_never_a_piece_of_the_page(tmp_path: Path, name: str) -> None:
    page = written(tmp_path / "report.html", facts(path=name), Timeline(two_tracks()))
    assert "img" not in {tag for tag, _ in page.elements}
    assert name.rpartition("/")[2].replace("\udcff", "?") in page.words
    assert len(page.scripts) == 2


def test_a_video_without_faces_has_a_report(tmp_path: Path) -> None:
    page = written(tmp_path / "report.html", facts(), Timeline([]))
    assert "No face was found in any frame." in page.words
    assert "100 % of frames" in page.words


def test_a_report_has_a_bounded_size_however_long_the_video_and_however_many_the_faces(tmp_path: Path) -> None:
    long = facts(20_000)
    crowd = Timeline(sighting(frame, track=str(track)) for frame in range(0, 20_000, 100) for track in range(250))
    page = written(tmp_path / "report.html", long, crowd)
    assert len(page.data["tracks"]) == 1 + MOST_TRACKS
    assert all(len(track["starts"]) <= POINTS for track in page.data["tracks"])
    assert sum(tag == "tr" for tag, _ in page.elements) == 1 + 1 + MOST_ROWS
    assert "50 more are in the summary" in page.words
    assert (tmp_path / "report.html").stat().st_size < 8_000_000


def test_without_plotly_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    with pytest.raises(RuntimeMissing, match=r"install mien\[video\]"):
        report_html(facts(), [], summary(facts(), []), tmp_path / "report.html")
    assert not list(tmp_path.iterdir())
