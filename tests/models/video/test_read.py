from __future__ import annotations

import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mien.errors import VideoError
from mien.pixels import Rgb
from models.video.probe import probe
from models.video.read import Read, ToRgb, ahead, read_segment
from tests.support.clips import damaged, decoded, joined, make_clip, moved, remuxed, squares, turned

OPEN_GOPS = {"preset": "veryfast", "x264-params": "bframes=3:open-gop=1:scenecut=0:b-adapt=0"}


def frames_of(path: Path) -> list[list[Read]]:
    plan, times = probe(path)
    return [list(read_segment(path, plan, times, segment)) for segment in plan.segments]


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
def test_segments_give_every_frame_once_and_as_a_player_shows_it(tmp_path: Path, name: str) -> None:
    clip = make_clip(tmp_path / name, 140, fps=2, gop=9, options=OPEN_GOPS)
    plan, _ = probe(clip)
    to_rgb = ToRgb(plan)
    segments = frames_of(clip)
    assert len(segments) == 3
    read = [each for segment in segments for each in segment]
    whole = decoded(clip)
    assert [each.number for each in read] == list(range(140))
    assert [each.ticks * plan.tick for each in read] == [time for time, _ in whole]
    assert all(np.array_equal(to_rgb(each.frame), rgb) for each, (_, rgb) in zip(read, whole, strict=True))


def test_a_phones_frames_are_turned_upright(tmp_path: Path) -> None:
    clip = turned(make_clip(tmp_path / "a.mp4", 3), tmp_path / "b.mp4")
    plan, times = probe(clip)
    (first, *_) = read_segment(clip, plan, times, plan.segments[0])
    rgb = ToRgb(plan)(first.frame)
    assert rgb.shape == (160, 120, 3)
    # The red square in the upper left corner goes to the upper right one.
    is_red = (rgb[:, :, 0] > 150) & (rgb[:, :, 1] < 100)
    rows, columns = np.nonzero(is_red)
    assert columns.mean() > 80
    assert rows.mean() < 40


def test_a_frame_that_cannot_be_decoded_leaves_a_gap_in_the_numbers(tmp_path: Path) -> None:
    clip = damaged(make_clip(tmp_path / "a.avi", 30, codec="mjpeg", pixels="yuvj420p"), [7])
    (frames,) = frames_of(clip)
    assert [each.number for each in frames] == [number for number in range(30) if number != 7]
    assert frames[7].ticks == 8


def test_a_video_that_changes_its_size_is_refused(tmp_path: Path) -> None:
    small = make_clip(tmp_path / "a.ts", 30)
    large = make_clip(tmp_path / "b.ts", 30, paint=lambda number: squares(number, 320, 240))
    clip = tmp_path / "c.ts"
    clip.write_bytes(small.read_bytes() + large.read_bytes())
    with pytest.raises(VideoError, match="changes its size from 160×120 to 320×240 at "):
        frames_of(clip)


def test_a_video_without_times_has_its_frames_counted(tmp_path: Path) -> None:
    (frames,) = frames_of(make_clip(tmp_path / "a.h264", 40, options=OPEN_GOPS))
    assert [each.number for each in frames] == list(range(40))
    assert len({each.ticks for each in frames}) == 40


@pytest.mark.parametrize("options", [{}, OPEN_GOPS], ids=["in order", "reordered"])
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.mov"])
@pytest.mark.parametrize("at", [1, 9, 40, 78, 79])
def test_a_stamp_that_is_hours_off_loses_no_frame(tmp_path: Path, name: str, at: int, options: dict[str, str]) -> None:
    clip = make_clip(tmp_path / "right.mp4", 80, gop=9, options=options)
    wrong = remuxed(clip, tmp_path / name, moved(9_802, at))
    plan, _ = probe(wrong)
    assert plan.seconds == pytest.approx(80 / 25, abs=0.1)
    assert_all_frames_of(wrong, decoded(clip))


@pytest.mark.parametrize("begins_s", [0, 0.51, 1.0, 1.96, 2.5, 30, 80_000])
@pytest.mark.parametrize("options", [{}, OPEN_GOPS], ids=["in order", "reordered"])
def test_two_recordings_in_one_file_lose_no_frame(tmp_path: Path, begins_s: float, options: dict[str, str]) -> None:
    clip = make_clip(tmp_path / "a.mp4", 50, gop=9, options=options)
    both = joined(tmp_path / "b.ts", clip, clip, begins_s)
    plan, _ = probe(both)
    assert plan.seconds == pytest.approx(100 / 25, abs=0.6)
    assert_all_frames_of(both, decoded(clip) * 2)


def test_segments_of_two_recordings_give_every_frame_once(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.mp4", 100, fps=2, gop=9, options=OPEN_GOPS)
    both = joined(tmp_path / "b.ts", clip, clip, 20)
    assert len(probe(both)[0].segments) == 4
    assert_all_frames_of(both, decoded(clip) * 2)


@pytest.mark.parametrize("name", ["a.avi", "a.h264"])
def test_a_container_without_stamps_gives_every_frame_as_a_player_shows_it(tmp_path: Path, name: str) -> None:
    clip = make_clip(tmp_path / name, 140, fps=2, gop=9, options=OPEN_GOPS)
    reference = decoded(make_clip(tmp_path / "b.mp4", 140, fps=2, gop=9, options=OPEN_GOPS))
    assert_all_frames_of(clip, reference)


@pytest.mark.parametrize(("name", "frames", "fps"), [("a.mp4", 500, 2), ("a.h264", 2400, 25)])
def test_a_long_stretch_without_key_frames_is_read_in_segments(
    tmp_path: Path, name: str, frames: int, fps: int
) -> None:
    options = {"x264-params": "scenecut=0:bframes=3:b-adapt=0"}
    clip = make_clip(tmp_path / name, frames, fps=fps, gop=9999, options=options)
    assert 3 <= len(probe(clip)[0].segments) <= 8
    reference = decoded(make_clip(tmp_path / "b.mp4", frames, fps=fps, gop=9999, options=options))
    assert_all_frames_of(clip, reference)


def test_swapped_stamps_lose_no_frame(tmp_path: Path) -> None:
    def swap(packet: Any, number: int) -> None:
        packet.pts += {7: 512, 8: -512}.get(number, 0)
        packet.dts -= 10 * 512

    clip = make_clip(tmp_path / "a.mp4", 30)
    assert_all_frames_of(remuxed(clip, tmp_path / "b.mp4", swap), decoded(clip))


def assert_all_frames_of(clip: Path, frames: list[tuple[Fraction, Rgb]]) -> None:
    """Every frame is read once, in order, with rising times, and no pixel differs."""
    plan, _ = probe(clip)
    to_rgb = ToRgb(plan)
    read = [each for segment in frames_of(clip) for each in segment]
    assert [each.number for each in read] == list(range(len(frames)))
    assert np.diff([each.ticks for each in read]).min() > 0
    assert all(np.array_equal(to_rgb(each.frame), rgb) for each, (_, rgb) in zip(read, frames, strict=True))


def test_frames_of_uneven_rate_keep_their_times(tmp_path: Path) -> None:
    shown_ms = [0, 10, 50, 400, 401, 900]
    clip = make_clip(tmp_path / "a.mkv", 6, times=shown_ms, tick=Fraction(1, 1000))
    assert [each.ticks for each in frames_of(clip)[0]] == shown_ms


def test_a_video_that_vanishes_is_refused(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.mp4", 5)
    plan, times = probe(clip)
    clip.unlink()
    with pytest.raises(VideoError, match="does not exist"):
        list(read_segment(clip, plan, times, plan.segments[0]))


def test_what_a_thread_makes_ahead_comes_in_order_with_its_error() -> None:
    def items() -> Iterator[int]:
        yield from range(50)
        raise VideoError("broken")

    made = ahead(items(), 4)
    assert [next(made) for _ in range(50)] == list(range(50))
    with pytest.raises(VideoError, match="broken"):
        next(made)


def test_a_thread_ends_when_nobody_wants_more() -> None:
    def forever() -> Iterator[int]:
        number = 0
        while True:
            yield (number := number + 1)

    for _ in ahead(forever(), 2):
        break
    assert "frames" not in {thread.name for thread in threading.enumerate()}
