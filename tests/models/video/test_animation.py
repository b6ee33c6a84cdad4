"""Animated pictures are videos, whoever made them: WebP, which FFmpeg does not read, GIF and PNG."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mien.errors import PictureError, VideoError
from models.pictures.picture import decode
from models.video.frames import frames
from models.video.probe import probe
from tests.support.clips import squares

pytest.importorskip("av", reason="PyAV is not installed: mien[video]")

SHOWN_MS = (40, 80, 500, 40, 250)


def animation(path: Path, *, transparent: bool = False) -> Path:
    """Write squares that are shown for different times."""
    pictures = [Image.fromarray(squares(number * 9)) for number in range(len(SHOWN_MS))]
    if transparent:
        for picture in pictures:
            picture.putalpha(128)
    is_webp = path.suffix == ".webp"
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=list(SHOWN_MS), loop=0, lossless=is_webp)
    return path


@pytest.mark.parametrize("name", ["a.webp", "a.gif", "a.png", "no_ending_webp", "turned.jpg"])
def test_an_animation_is_a_video_with_its_own_times(tmp_path: Path, name: str) -> None:
    kind = name if "." in name and not name.endswith("jpg") else "a.webp"
    path = animation(tmp_path / kind).rename(tmp_path / name)
    read = list(frames(path))
    assert [frame.seconds for frame in read] == pytest.approx(np.cumsum((0, *SHOWN_MS[:-1])) / 1000, abs=1e-3)
    assert not probe(path)[0].broken
    for number, frame in enumerate(read):
        difference = np.abs(frame.read().astype(int) - squares(number * 9))
        assert difference.mean() < (8 if name.endswith("gif") else 0.1)
        np.testing.assert_array_equal(frame.again(), frame.read())


def test_what_can_be_seen_through_lies_on_white(tmp_path: Path) -> None:
    first = next(frames(animation(tmp_path / "a.webp", transparent=True))).read()
    assert first[0, 0] == pytest.approx((30 + 255) / 2, abs=2)


def test_pictures_that_are_shown_for_no_time_are_shown_as_browsers_do(tmp_path: Path) -> None:
    path = tmp_path / "a.webp"
    pictures = [Image.fromarray(squares(number * 9)) for number in range(4)]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=0)
    assert [frame.seconds for frame in frames(path)] == pytest.approx([0, 0.1, 0.2, 0.3])


@pytest.mark.parametrize("share", [0.6, 0.95])
def test_a_damaged_animation_has_a_reason(tmp_path: Path, share: float) -> None:
    data = animation(tmp_path / "a.webp").read_bytes()
    (tmp_path / "b.webp").write_bytes(data[: int(len(data) * share)])
    with pytest.raises(VideoError, match="damaged"):
        probe(tmp_path / "b.webp")


def test_photos_and_videos_send_an_animation_to_where_it_is_read(tmp_path: Path) -> None:
    path = animation(tmp_path / "a.webp")
    with pytest.raises(PictureError, match="animation of 5 pictures: `mien video` reads it"):
        decode(path.read_bytes(), 1_000_000)
    still = io.BytesIO()
    Image.fromarray(squares(0)).save(still, "WEBP")
    (tmp_path / "still.webp").write_bytes(still.getvalue())
    with pytest.raises(VideoError, match=r"not a video but a picture \(WebP\)"):
        probe(tmp_path / "still.webp")
    assert decode(still.getvalue(), 1_000_000).shape == (120, 160, 3)
