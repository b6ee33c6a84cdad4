from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from matplotlib._pylab_helpers import Gcf

from mien.errors import RuntimeMissing
from mien.pixels import Rgb
from tests.worker.reports.timeline.sample import facts, sighting, two_tracks
from worker.reports.timeline.columns import Timeline
from worker.reports.timeline.palette import COLOURS
from worker.reports.timeline.plot import plot_png


def pixels_of(path: Path) -> Rgb:
    bgr = cv2.imread(str(path))
    assert bgr is not None
    return np.asarray(bgr[:, :, ::-1], np.uint8)


def amount(rgb: Rgb, label: str) -> int:
    """How many pixels have exactly the colour of a label."""
    colour = [int(COLOURS[label][at : at + 2], 16) for at in (1, 3, 5)]
    return int(np.all(rgb == colour, axis=2).sum())


def test_a_plot_shows_the_emotions_that_were_seen_and_the_legend_of_the_others(tmp_path: Path) -> None:
    plot_png(facts(), (sighting(frame, "happy", confidence=0.99) for frame in range(100)), tmp_path / "timeline.png")
    rgb = pixels_of(tmp_path / "timeline.png")
    assert rgb.shape[1] == 2000
    assert amount(rgb, "happy") > 50 * amount(rgb, "anger") > 0
    assert [path.name for path in tmp_path.iterdir()] == ["timeline.png"]


def test_where_the_face_is_not_seen_the_plot_is_empty(tmp_path: Path) -> None:
    plot_png(facts(), (sighting(frame, "happy", confidence=0.99) for frame in range(100)), tmp_path / "all.png")
    half = (sighting(frame, "happy", confidence=0.99) for frame in range(100) if not 30 <= frame < 80)
    plot_png(facts(), half, tmp_path / "half.png")
    whole, part = (amount(pixels_of(tmp_path / name), "happy") for name in ("all.png", "half.png"))
    assert 0.4 < part / whole < 0.6


def test_no_two_plots_share_a_state(tmp_path: Path) -> None:
    open_figures = len(Gcf.figs)
    plot_png(facts(), two_tracks(), tmp_path / "first.png")
    plot_png(facts(), [sighting(0)], tmp_path / "between.png")
    plot_png(facts(), Timeline(two_tracks()), tmp_path / "second.png")
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()
    assert len(Gcf.figs) == open_figures, "pyplot would keep them"


def test_any_name_can_be_written(tmp_path: Path) -> None:
    name = "s3://films/$x$ & <b> {0} %s 会議 \udcff\n" + "a" * 300 + ".mp4"
    plot_png(facts(path=name), [sighting(0), sighting(1)], tmp_path / "timeline.png")
    assert pixels_of(tmp_path / "timeline.png").shape[1] == 2000


@pytest.mark.parametrize("frames", [0, 100])
def test_a_video_without_faces_has_a_plot(tmp_path: Path, frames: int) -> None:
    plot_png(facts(frames), [], tmp_path / "timeline.png")
    assert pixels_of(tmp_path / "timeline.png").shape[1] == 2000


def test_one_face_in_one_frame_has_a_plot(tmp_path: Path) -> None:
    plot_png(facts(1), [sighting(0)], tmp_path / "timeline.png")
    assert amount(pixels_of(tmp_path / "timeline.png"), "happy") > 10_000


def test_a_plot_has_a_bounded_height_however_many_tracks_there_are(tmp_path: Path) -> None:
    crowd = [sighting(frame, track=str(track)) for frame in range(50) for track in range(9)]
    plot_png(facts(50), crowd, tmp_path / "timeline.png")
    assert pixels_of(tmp_path / "timeline.png").shape[0] < 4500


def test_without_matplotlib_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(RuntimeMissing, match=r"install mien\[video\]"):
        plot_png(facts(), [], tmp_path / "timeline.png")
    assert not list(tmp_path.iterdir())
