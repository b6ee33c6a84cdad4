"""The frames of a video come in order, upright, with the times of the container."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from mien.errors import RuntimeMissing, VideoError
from models.video.frames import frames
from tests.support.clips import TURN_RIGHT, damaged, make_clip, turned
from tests.support.media import demo_media

pytest.importorskip("av", reason="PyAV is not installed: mien[video]")


@pytest.fixture
def clip() -> Path:
    return demo_media("single_face.mp4")


def test_frames_have_numbers_times_and_pixels(clip: Path) -> None:
    seen = [(frame.number, frame.seconds) for frame in frames(clip)]
    assert [number for number, _ in seen] == list(range(72))
    assert [seconds for _, seconds in seen] == pytest.approx(np.arange(72) / 30, abs=1e-3)
    first = next(iter(frames(clip))).read()
    assert first.shape == (360, 640, 3)
    assert first.dtype == np.uint8


def test_only_every_nth_frame_is_given(clip: Path) -> None:
    assert [frame.number for frame in frames(clip, 30)] == [0, 30, 60]


def test_any_frame_can_be_read_again(clip: Path) -> None:
    for frame in frames(clip):
        if frame.number in (0, 31, 71):
            np.testing.assert_array_equal(frame.again(), frame.read())


def test_a_frame_of_a_later_segment_can_be_read_again(tmp_path: Path) -> None:
    options = {"x264-params": "bframes=3:open-gop=1:scenecut=0:b-adapt=0"}
    clip = make_clip(tmp_path / "a.mp4", 140, fps=2, gop=9, options=options)
    for frame in frames(clip, 31):
        np.testing.assert_array_equal(frame.again(), frame.read())


def test_a_video_that_is_gone_cannot_be_read_again(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.mp4", 5)
    *_, last = frames(clip)
    make_clip(clip, 3)
    with pytest.raises(VideoError, match=r"a\.mp4: has no frame 4 any more"):
        last.again()
    clip.unlink()
    with pytest.raises(VideoError, match=r"a\.mp4: the file does not exist"):
        last.again()


def test_a_phone_held_upright_gives_upright_frames(clip: Path, tmp_path: Path) -> None:
    upright = next(frames(clip)).read()
    right = turned(clip, tmp_path / "turned.mp4", TURN_RIGHT)
    np.testing.assert_array_equal(next(frames(right)).read(), np.rot90(upright, -1))
    mirror = turned(clip, tmp_path / "mirror.mp4", (-65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30))
    np.testing.assert_array_equal(next(frames(mirror)).read(), upright[:, ::-1])


def test_a_damaged_frame_leaves_a_gap_in_the_numbers(tmp_path: Path) -> None:
    clip = damaged(make_clip(tmp_path / "a.avi", 30, codec="mjpeg", pixels="yuvj420p"), [7])
    numbers = [number for number in range(30) if number != 7]
    read = list(frames(clip))
    assert [frame.number for frame in read] == numbers
    assert [frame.seconds for frame in read] == pytest.approx([number / 25 for number in numbers])


def test_a_video_that_breaks_off_ends_there(clip: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole.ts"
    _packets_into(clip, whole)
    cut = tmp_path / "cut.ts"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert 10 < len(list(frames(cut))) < 72


def test_what_is_no_video_says_so(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "list.m3u8").write_text("#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n")
    for name in ("none.mp4", "empty.mp4", "text.mp4", "list.m3u8", "."):
        with pytest.raises(VideoError):
            list(frames(tmp_path / name))


def test_without_pyav_the_extra_is_named(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(RuntimeMissing, match=r"needs av: install mien\[video\]"):
        next(frames(clip))


def _packets_into(clip: Path, path: Path) -> None:
    import av

    with av.open(str(clip)) as source, av.open(str(path), "w", format="mpegts") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
