"""`from mien import FaceAnalyzer` reads whatever holds a picture, and gives the numbers of the product."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np
import pytest

import mien
from mien import FaceAnalyzer
from mien.errors import InputError, PictureError, SettingsError, VideoError
from mien.pixels import Rgb
from mien.prior import PriorName
from mien.settings import Settings
from mien.types import Face
from models.analyzer import open_analyzer
from models.pictures.picture import decode
from tests.support.media import astronaut, demo_media


@pytest.fixture(scope="module")
def analyzer() -> FaceAnalyzer:
    return FaceAnalyzer(runtime="onnxruntime")


def numbers(faces: tuple[Face, ...]) -> list[list[float]]:
    return [[*face.box, *face.probabilities] for face in faces]


def test_the_name_is_there_and_nothing_heavy_comes_with_mien() -> None:
    assert "FaceAnalyzer" in dir(mien)
    assert mien.__all__ == ["FaceAnalyzer"]
    with pytest.raises(AttributeError, match="no attribute 'FaceAnalyser'"):
        mien.FaceAnalyser  # type: ignore[attr-defined]  # noqa: B018
    code = "import sys, mien; sys.exit(any(name in sys.modules for name in ('models', 'cv2', 'numpy', 'pydantic')))"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=Path(mien.__file__).parents[1]).returncode == 0


def test_a_photo_gives_the_numbers_of_live_and_jobs(analyzer: FaceAnalyzer) -> None:
    path = demo_media("multi_face.jpg")
    result = analyzer.analyze(path)
    expected = open_analyzer(Settings(runtime="onnxruntime")).analyze(decode(path.read_bytes()))
    assert result.faces == expected
    assert (result.path, result.width, result.height, len(result.faces)) == (str(path), 1000, 667, 5)
    assert analyzer.analyze(path.read_bytes()).faces == expected


def test_many_pictures_come_in_order_and_one_that_cannot_be_read_keeps_its_place(
    analyzer: FaceAnalyzer, tmp_path: Path
) -> None:
    (tmp_path / "empty.jpg").touch()
    given: list[Path | Rgb] = [astronaut(), tmp_path / "empty.jpg", demo_media("multi_face.jpg")] * 4
    results = list(analyzer.analyze_many(given, errors="keep"))
    assert [len(result.faces) for result in results] == [1, 0, 5] * 4
    assert [bool(result.reason) for result in results] == [False, True, False] * 4
    assert "empty.jpg" in results[1].reason
    assert results[2].pixels().shape == (667, 1000, 3)


def test_a_picture_that_cannot_be_read_is_an_error_after_those_before_it(
    analyzer: FaceAnalyzer, tmp_path: Path
) -> None:
    results = analyzer.analyze_many([astronaut(), tmp_path / "none.jpg", astronaut()])
    assert len(next(results).faces) == 1
    with pytest.raises(PictureError, match=r"none\.jpg: the file does not exist"):
        next(results)


def test_pictures_are_read_as_they_are_asked_for(analyzer: FaceAnalyzer) -> None:
    asked = []

    def endless() -> Iterator[Rgb]:
        while True:
            asked.append(1)
            yield astronaut()

    results = analyzer.analyze_many(endless())
    assert next(results).faces[0].emotion == "happy"
    assert len(asked) <= 8


def test_one_path_is_not_many(analyzer: FaceAnalyzer) -> None:
    with pytest.raises(InputError, match="give a list"):
        analyzer.analyze_many("a.jpg")
    with pytest.raises(SettingsError, match="'raise' or 'keep'"):
        analyzer.analyze_many([], errors="ignore")  # type: ignore[arg-type]
    assert list(analyzer.analyze_many([])) == []


def test_a_video_is_followed_face_by_face(analyzer: FaceAnalyzer) -> None:
    pytest.importorskip("av", reason="PyAV is not installed: mien[video]")
    path = demo_media("single_face.mp4")
    frames = list(analyzer.video(path, every=6))
    assert [frame.seq for frame in frames] == list(range(0, 72, 6))
    assert [frame.seconds for frame in frames] == pytest.approx([number / 30 for number in range(0, 72, 6)], abs=1e-3)
    assert {face.track for frame in frames for face in frame.faces} == {"1"}
    first, last = frames[0].faces[0], frames[-1].faces[0]
    assert first.smoothed == first.probabilities
    assert last.label
    assert last.smoothed is not None
    again = analyzer.analyze(frames[-1].pixels())
    assert numbers(again.faces) == numbers(frames[-1].faces)


@pytest.mark.parametrize(
    ("prior", "expected", "state"),
    [
        ("everyday", ["neutral", "uncertain", "sad", "uncertain", "happy"], "known"),
        # The hand over the mouth counts as fear, and nothing in twenty seconds as a face at rest.
        ("balanced", ["neutral", "uncertain", "sad", "uncertain", "fear", "uncertain", "happy"], "learning"),
    ],
)
def test_the_demo_clip_keeps_its_labels_with_a_baseline(prior: PriorName, expected: list[str], state: str) -> None:
    pytest.importorskip("av", reason="PyAV is not installed: mien[video]")
    path = demo_media("WolfgangLanger_Pexels.mp4")
    analyzer = FaceAnalyzer(runtime="onnxruntime", emotion_prior=prior)
    plain, adjusted = (
        [[face for face in frame.faces if face.track == "1"] for frame in analyzer.video(path, 4, baseline=use)]
        for use in ("off", "auto")
    )
    labels = [
        [name for name, _ in groupby(face.label for faces in each for face in faces)] for each in (plain, adjusted)
    ]
    assert labels == [expected, expected]
    assert {face.baseline for faces in plain for face in faces} == {"none"}
    assert {face.baseline for faces in adjusted for face in faces} == {state}
    assert [numbers(tuple(faces)) for faces in plain] == [numbers(tuple(faces)) for faces in adjusted]
    smoothed = [[face.smoothed for faces in each for face in faces] for each in (plain, adjusted)]
    assert (smoothed[0] != smoothed[1]) == (state == "known")


def test_a_video_that_is_none_says_so(analyzer: FaceAnalyzer, tmp_path: Path) -> None:
    pytest.importorskip("av", reason="PyAV is not installed: mien[video]")
    with pytest.raises(VideoError, match=r"none\.mp4"):
        next(analyzer.video(tmp_path / "none.mp4"))
    with pytest.raises(SettingsError, match="every=0"):
        analyzer.video("a.mp4", every=0)
    with pytest.raises(SettingsError, match="baseline='on'"):
        analyzer.video("a.mp4", baseline="on")  # type: ignore[arg-type]


def test_threads_take_turns(analyzer: FaceAnalyzer) -> None:
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(analyzer.analyze, [astronaut()] * 8))
    assert len({tuple(map(tuple, numbers(result.faces))) for result in results}) == 1


def test_settings_that_cannot_be_are_errors_that_say_why(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="detector"):
        FaceAnalyzer(detector="best")  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="threads"):
        FaceAnalyzer(threads=-1)
    with pytest.raises(TypeError, match="detecter"):
        FaceAnalyzer(detecter="haar")  # type: ignore[call-arg]
    with pytest.raises(SettingsError, match="yunet"):
        FaceAnalyzer(detector="yunet", yunet=tmp_path / "none.onnx", runtime="onnxruntime")


def test_settings_of_the_environment_count_and_arguments_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIEN_RUNTIME", "openvino")
    monkeypatch.setenv("MIEN_DETECTOR", "haar")
    analyzer = FaceAnalyzer(runtime="onnxruntime")
    assert (analyzer.runtime, analyzer.detector) == ("onnxruntime", "haar")
    assert repr(analyzer).startswith("FaceAnalyzer(detector='haar', runtime='onnxruntime', weights='")
    assert 0 < analyzer.threshold < 1


def test_a_notebook_is_not_told_how_models_were_opened(capfd: pytest.CaptureFixture[str]) -> None:
    FaceAnalyzer(runtime="onnxruntime", detector="haar")
    assert capfd.readouterr() == ("", "")


def test_bgr_is_the_callers_to_turn(analyzer: FaceAnalyzer, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), astronaut()[:, :, ::-1])
    bgr = np.asarray(cv2.imread(str(tmp_path / "a.png")))
    assert analyzer.analyze(bgr[:, :, ::-1]).faces == analyzer.analyze(tmp_path / "a.png").faces
