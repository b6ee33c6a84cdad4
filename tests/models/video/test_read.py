from __future__ import annotations

import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from mien.errors import VideoError
from models.video.probe import probe
from models.video.read import Read, ToRgb, ahead, read_segment
from tests.support.clips import damaged, decoded, make_clip, squares, turned

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
