"""The frames of a video come in order, upright, with the times of the container."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from mien.errors import RuntimeMissing, VideoError
from models.video import frames, read_frame
from tests.media import demo_media

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


def test_any_frame_can_be_read_again(clip: Path) -> None:
    pixels = {frame.number: (frame.pts, frame.read()) for frame in frames(clip) if frame.number in (0, 31, 71)}
    for number, (pts, expected) in pixels.items():
        np.testing.assert_array_equal(read_frame(clip, number, pts), expected)
        np.testing.assert_array_equal(read_frame(clip, number), expected)
    with pytest.raises(VideoError, match="no frame 72"):
        read_frame(clip, 72)


def test_a_phone_held_upright_gives_upright_frames(clip: Path, tmp_path: Path) -> None:
    turned = tmp_path / "turned.mp4"
    turned.write_bytes(_turned(clip.read_bytes()))
    expected = np.rot90(next(iter(frames(clip))).read(), -1)
    np.testing.assert_array_equal(next(iter(frames(turned))).read(), expected)


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


def _turned(mp4: bytes) -> bytes:
    """Return an MP4 whose picture track is to be shown a quarter turn clockwise (ISO/IEC 14496-12, 8.3.2)."""
    upright, clockwise = ((0x10000, 0, 0, 0, 0x10000, 0), (0, 0x10000, 0, -0x10000, 0, 0))
    before, after = (b"".join(number.to_bytes(4, "big", signed=True) for number in m) for m in (upright, clockwise))
    at = mp4.index(before, mp4.index(b"tkhd"))
    return mp4[:at] + after + mp4[at + len(before) :]


def _packets_into(clip: Path, path: Path) -> None:
    import av

    with av.open(str(clip)) as source, av.open(str(path), "w", format="mpegts") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
