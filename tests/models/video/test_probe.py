from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import simplejpeg

from mien.errors import VideoError
from models.video.plan import read_plan, read_times, write_plan
from models.video.probe import probe
from tests.support.clips import cut, make_clip, make_sound, squares, turned


def test_segments_begin_at_key_frames_thirty_seconds_apart(tmp_path: Path) -> None:
    plan, times = probe(make_clip(tmp_path / "a.mp4", 140, fps=2, gop=8))
    assert len(times) == plan.frames == 140
    assert [(part.first, part.frames) for part in plan.segments] == [(0, 64), (64, 64), (128, 12)]
    assert [plan.seconds_at(part.start) for part in plan.segments] == [0, 32, 64]


def test_a_video_with_one_key_frame_is_one_segment(tmp_path: Path) -> None:
    plan, _ = probe(make_clip(tmp_path / "a.mp4", 140, fps=2, gop=1000, options={"x264-params": "scenecut=0"}))
    assert len(plan.segments) == 1


def test_a_plan_comes_back_from_its_files(tmp_path: Path) -> None:
    plan, times = probe(make_clip(tmp_path / "a.mp4", 140, fps=2, gop=8, sound="aac"))
    assert plan.has_sound
    write_plan(tmp_path, plan, times, render=True)
    assert read_plan(tmp_path) == plan
    assert np.array_equal(read_times(tmp_path), times)


def test_frames_have_the_times_of_the_container(tmp_path: Path) -> None:
    shown_ms = [0, 40, 80, 500, 517, 1250]
    plan, times = probe(make_clip(tmp_path / "a.mkv", 6, times=shown_ms, tick=Fraction(1, 1000)))
    assert times.tolist() == shown_ms
    assert plan.timed
    assert float(plan.fps) == pytest.approx(4, abs=0.1)


def test_a_phones_video_is_upright(tmp_path: Path) -> None:
    clip = turned(make_clip(tmp_path / "a.mp4", 5), tmp_path / "turned.mp4")
    plan, _ = probe(clip)
    assert (plan.width, plan.height, plan.turns, plan.mirrored) == (120, 160, 3, False)
    assert plan.stored_size == (160, 120)
    mirror = turned(make_clip(tmp_path / "b.mp4", 5), tmp_path / "m.mp4", (-65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30))
    assert probe(mirror)[0].mirrored


@pytest.mark.parametrize("name", ["a.avi", "a.mjpeg"])
def test_motion_jpeg_is_read(tmp_path: Path, name: str) -> None:
    plan, _ = probe(make_clip(tmp_path / name, 12, codec="mjpeg", pixels="yuvj420p"))
    assert plan.frames == 12
    assert plan.seconds == pytest.approx(12 / 25, rel=0.05)


def test_a_gif_is_read(tmp_path: Path) -> None:
    plan, times = probe(make_clip(tmp_path / "a.gif", 12, fps=10, codec="gif", pixels="rgb8"))
    assert (plan.frames, len(plan.segments)) == (12, 1)
    assert np.diff(times).tolist() == [10] * 11  # hundredths of a second


@pytest.mark.parametrize(
    ("name", "options"),
    [("a.mp4", {"movflags": "faststart"}), ("a.mkv", {}), ("a.avi", {}), ("a.gif", {})],
)
def test_a_video_that_breaks_off_says_so(tmp_path: Path, name: str, options: dict[str, str]) -> None:
    codec, pixels = ("gif", "rgb8") if name.endswith("gif") else ("mpeg4", "yuv420p")
    clip = make_clip(tmp_path / name, 250, gop=10, codec=codec, pixels=pixels, container_options=options)
    assert not probe(clip)[0].broken
    plan, times = probe(cut(clip, tmp_path / f"cut-{name}", 0.5))
    assert plan.broken.startswith("breaks off after ")
    assert 20 < len(times) < 200


def test_a_video_that_breaks_off_before_its_index_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="breaks off before its index"):
        probe(cut(make_clip(tmp_path / "a.mp4"), tmp_path / "b.mp4", 0.5))


def no_video(path: Path) -> None:
    path.write_bytes(b"these are words, and nothing moves in them\n" * 50)


def empty(path: Path) -> None:
    path.touch()


def a_picture(path: Path) -> None:
    path.write_bytes(simplejpeg.encode_jpeg(squares(0)))


def a_list_of_files(path: Path) -> None:
    make_clip(path.with_name("other.mp4"))
    path.write_text(f"ffconcat version 1.0\nfile {path.with_name('other.mp4')}\n")


def a_playlist(path: Path) -> None:
    make_clip(path.with_name("other.ts"))
    path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{path.with_name('other.ts')}\n#EXT-X-ENDLIST\n")


def no_frames(path: Path) -> None:
    with av.open(str(path), "w", format="matroska") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        container.start_encoding()


def nothing(path: Path) -> None:
    """The file has vanished."""


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (no_video, "is not a video that can be read"),
        (empty, "the file is empty"),
        (a_picture, "not a video but a picture"),
        (a_list_of_files, "is not a video that can be read"),
        (a_playlist, "is not a video that can be read"),
        (no_frames, "has no frames"),
        (make_sound, "has no video track: there is only sound in it"),
        (nothing, "does not exist"),
        (Path.mkdir, "is not a file"),
    ],
)
def test_what_is_no_video_is_refused_with_its_reason(
    tmp_path: Path, make: Callable[[Path], object], reason: str
) -> None:
    make(tmp_path / "a.mp4")
    with pytest.raises(VideoError, match=reason):
        probe(tmp_path / "a.mp4")


def test_frames_that_are_too_large_are_refused(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="the video declares 160×120 pixels, more than the 10000 allowed"):
        probe(make_clip(tmp_path / "a.mp4", 3), max_pixels=10_000)
