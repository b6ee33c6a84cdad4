from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from bench.scene.clips import HEIGHT, WIDTH, side_by_side, two_people
from bench.speed import video


def test_the_clip_shows_two_halves_of_a_frame(tmp_path: Path) -> None:
    for frame in islice(side_by_side(tmp_path / "no-media"), 3):
        assert frame.shape == (HEIGHT, WIDTH, 3)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_video_is_measured_through_the_real_queue(tmp_path: Path) -> None:
    pytest.importorskip("av", reason="PyAV is not installed: mien[video]")
    measured = video.measure(4, 1, tmp_path)
    assert measured["faster_by_cpu"]["median"] > 0.3
    assert set(measured["kernels_ms"]) == {"decode", "detect", "classify", "draw", "encode"}
    assert two_people(tmp_path / "again.mp4", 0.4).stat().st_size > 1000
