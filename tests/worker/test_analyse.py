"""One bad frame takes no other with it, and does not fill the log."""

from __future__ import annotations

import numpy as np
import structlog

from mien.types import DropReason, Frame
from models.picture import encode_jpeg
from tests.worker.conftest import a_picture
from tests.worker.stub import StubAnalyzer
from worker.analyse import BatchAnalysis


def a_frame(camera: str, jpeg: bytes) -> Frame:
    return Frame(camera, 1, 1_000_000, 64, 64, jpeg, frame_id=f"{camera}-0")


def test_all_pictures_go_to_the_analyzer_together() -> None:
    analyzer = StubAnalyzer()
    frames = [a_frame("a", a_picture(1)), a_frame("b", a_picture(2)), a_frame("c", a_picture(3))]
    analysed, failed = BatchAnalysis(analyzer).run(frames, 5_000_000)
    assert analyzer.batches == [3]
    assert [item.frame.camera for item in analysed] == ["a", "b", "c"]
    assert failed == []
    assert analysed[0].stages_ms["queue"] == 4
    assert len(analysed[0].faces) == 1


def test_a_bad_frame_is_dropped_alone() -> None:
    black = encode_jpeg(np.zeros((64, 64, 3), np.uint8))
    frames = [a_frame("a", a_picture()), a_frame("b", b"text"), a_frame("c", black)]
    with structlog.testing.capture_logs() as logs:
        analysed, failed = BatchAnalysis(StubAnalyzer()).run(frames, 5_000_000)
    assert [item.frame.camera for item in analysed] == ["a"]
    assert {(drop.frame.camera, drop.reason) for drop in failed} == {
        ("b", DropReason.UNDECODABLE),
        ("c", DropReason.UNDECODABLE),
    }
    assert [(entry["event"], entry["camera"]) for entry in logs] == [
        ("a frame cannot be decoded", "b"),
        ("analysis failed", "c"),
    ]


def test_a_camera_that_sends_rubbish_is_logged_once() -> None:
    analysis = BatchAnalysis(StubAnalyzer())
    with structlog.testing.capture_logs() as logs:
        for _ in range(5):
            analysis.run([a_frame("a", b"text"), a_frame("b", b"text")], 5_000_000)
    assert [entry["camera"] for entry in logs] == ["a", "b"]
