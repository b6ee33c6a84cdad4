from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.inputs.input import Input
from mien.jobs.folder import Entry, Inputs
from mien.pixels import Rgb
from mien.settings import Settings
from mien.types import Face
from models.analyzer import PixelAnalyzer, open_analyzer
from models.pictures.overlay import draw_faces
from models.pictures.picture import decode, encode_jpeg
from tests.support.container import limit_cores
from tests.support.media import astronaut, demo_media
from worker.analyzer import Analyzer
from worker.jobs import pipeline
from worker.jobs.pictures import Limits
from worker.jobs.pipeline import GROUP_PICTURES, PhotoPipeline, PixelBudget

LIMITS = Limits(max_pixels=100_000_000)


class Blind:
    """Finds no face, and remembers how many pictures came at once."""

    threshold = 0.5

    def __init__(self) -> None:
        self.groups: list[int] = []

    def analyze_many(self, pictures: Sequence[Rgb]) -> tuple[list[tuple[Face, ...]], Mapping[str, float]]:
        self.groups.append(len(pictures))
        return [() for _ in pictures], {}


class Watched(PixelBudget):
    """A budget that remembers the most that was held."""

    most = 0

    def take(self, pixels: int, *, wait: bool) -> bool:
        taken = super().take(pixels, wait=wait)
        Watched.most = max(Watched.most, self._held)
        return taken


@pytest.fixture(scope="module")
def analyzer() -> PixelAnalyzer:
    return open_analyzer(Settings(runtime="openvino"))


def files(folder: Path, count: int, width: int = 200, height: int = 100) -> dict[int, Input]:
    folder.mkdir()
    jpeg = encode_jpeg(np.full((height, width, 3), 90, np.uint8))
    for number in range(count):
        (folder / f"{number:03}.jpg").write_bytes(jpeg)
    return {n: Input.of(str(path), path.name) for n, path in enumerate(sorted(folder.iterdir()))}


def run(
    wanted: Mapping[int, Input], out: Path, analyzer: Analyzer, why_stop: Callable[[], str] = lambda: ""
) -> tuple[dict[int, Entry], str]:
    entries: dict[int, Entry] = {}
    inputs = Inputs("photos", out, 1000, tuple(wanted.values()))
    reason = PhotoPipeline(analyzer, LIMITS, 90).run(wanted, inputs, entries, why_stop, lambda: None)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("write")]
    return entries, reason


def test_the_pipeline_gives_what_a_plain_loop_gives(tmp_path: Path, analyzer: PixelAnalyzer) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    group = decode(demo_media("multi_face.jpg").read_bytes())
    for number, side in enumerate((512, 300, 420, 512, 256, 640, 333, 512, 400, 700)):
        resized: Rgb = cv2.resize(astronaut(), (side, side), interpolation=cv2.INTER_AREA)
        (folder / f"{number}.jpg").write_bytes(encode_jpeg(group if number % 4 == 3 else resized, 92))
    paths = sorted(folder.iterdir())
    wanted = {n: Input.of(str(path), path.name) for n, path in enumerate(paths)}
    entries, reason = run(wanted, tmp_path / "out", analyzer)
    assert (reason, sorted(entries)) == ("", list(range(10)))
    for number, path in enumerate(paths):
        rgb = decode(path.read_bytes())
        faces = analyzer.analyze(rgb)
        assert len(faces) == (5 if number % 4 == 3 else 1)
        entry = entries[number]
        assert (entry["path"], entry["height"], entry["width"]) == (path.name, *rgb.shape[:2])
        for found, face in zip(entry["faces"], faces, strict=True):
            alone = face.to_dict()
            assert found["probabilities"] == pytest.approx(alone["probabilities"], abs=1e-4)
            assert {**found, "probabilities": 0} == {**alone, "probabilities": 0} | {
                name: pytest.approx(alone[name], abs=1e-3) for name in ("confidence", "valence", "arousal")
            }
        draw_faces(rgb, faces)
        written = decode((tmp_path / "out" / entry["annotated"]).read_bytes())
        assert np.abs(written.astype(int) - decode(encode_jpeg(rgb, 90))).mean() < 0.1


def test_decoded_pixels_stay_within_the_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "PixelBudget", Watched)
    monkeypatch.setattr(pipeline, "BUDGET_PIXELS", 5 * 200 * 100)
    Watched.most = 0
    analyzer = Blind()
    entries, _ = run(files(tmp_path / "pictures", 40), tmp_path / "out", analyzer)
    assert len(entries) == 40
    assert Watched.most <= 5 * 200 * 100
    assert sum(analyzer.groups) == 40


def test_a_picture_larger_than_the_budget_is_read_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "PixelBudget", Watched)
    monkeypatch.setattr(pipeline, "BUDGET_PIXELS", 100)
    Watched.most = 0
    analyzer = Blind()
    entries, _ = run(files(tmp_path / "pictures", 5), tmp_path / "out", analyzer)
    assert (len(entries), analyzer.groups, Watched.most) == (5, [1] * 5, 200 * 100)


def test_pictures_are_analysed_a_few_at_a_time(tmp_path: Path) -> None:
    analyzer = Blind()
    run(files(tmp_path / "pictures", 20), tmp_path / "out", analyzer)
    assert analyzer.groups == [GROUP_PICTURES, GROUP_PICTURES, 4]


def test_a_stop_comes_between_two_groups_and_what_is_analysed_is_finished(tmp_path: Path) -> None:
    analyzer = Blind()
    entries, reason = run(
        files(tmp_path / "pictures", 100), tmp_path / "out", analyzer, lambda: "stopping" if analyzer.groups else ""
    )
    assert (reason, sorted(entries)) == ("stopping", list(range(GROUP_PICTURES)))
    assert len(list((tmp_path / "out" / "annotated").iterdir())) == GROUP_PICTURES


def test_bad_pictures_hold_no_room_and_have_their_reasons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "BUDGET_PIXELS", 2 * 200 * 100)
    wanted = files(tmp_path / "pictures", 30)
    for number in range(0, 30, 2):
        path = wanted[number].address.path
        path.write_bytes(path.read_bytes()[:-200])
    wanted[7].address.path.write_text("I am not a picture")
    wanted[9].address.path.unlink()
    entries, _ = run(wanted, tmp_path / "out", Blind())
    reasons = {n: entry["reason"] for n, entry in entries.items() if "reason" in entry}
    assert sorted(entries) == list(range(30))
    assert sorted(reasons) == sorted({*range(0, 30, 2), 7, 9})
    assert "truncated" in reasons[0]
    assert "not a picture" in reasons[7]
    assert "does not exist" in reasons[9]


@pytest.mark.parametrize("cores", [1, 0.5])
@pytest.mark.parametrize("step", ["decode", "write"])
def test_a_container_limited_to_one_core_gets_one_thread_for_each_step(
    step: str, cores: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first two pictures of a step wait for each other, so that a second thread would show itself."""
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("one core: there is never a second thread")
    limit_cores(tmp_path, monkeypatch, cores)
    threads: set[str] = set()
    second, do = threading.Event(), getattr(pipeline, step)

    def noted(*given: object) -> object:
        threads.add(threading.current_thread().name)
        if len(threads) > 1:
            second.set()
        second.wait(0.05)
        return do(*given)

    monkeypatch.setattr(pipeline, step, noted)
    run(files(tmp_path / "pictures", 6), tmp_path / "out", Blind())
    assert len(threads) == 1


def test_results_that_cannot_be_written_are_an_error_and_nothing_hangs(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_text("a file where a folder should be")
    with pytest.raises(OSError, match="out"):
        run(files(tmp_path / "pictures", 40), out, Blind())


def test_an_interruption_ends_the_threads(tmp_path: Path) -> None:
    class Interrupted(Blind):
        def analyze_many(self, pictures: Sequence[Rgb]) -> tuple[list[tuple[Face, ...]], Mapping[str, float]]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(files(tmp_path / "pictures", 40), tmp_path / "out", Interrupted())
    names = ("write", "decode", "read")
    for thread in threading.enumerate():
        if thread.name.startswith(names):
            thread.join(5)
            assert not thread.is_alive()


def test_a_huge_photo_comes_back_smaller_with_its_faces_in_pixels_of_the_original(
    tmp_path: Path, analyzer: PixelAnalyzer
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    huge: Rgb = cv2.resize(astronaut(), (4600, 4600), interpolation=cv2.INTER_CUBIC)
    (folder / "huge.jpg").write_bytes(encode_jpeg(huge, 85))
    entries, _ = run({0: Input.of(str(folder / "huge.jpg"), "huge.jpg")}, tmp_path / "out", analyzer)
    entry = entries[0]
    (face,) = entry["faces"]
    (small,) = analyzer.analyze(astronaut())
    assert (entry["width"], entry["height"]) == (4600, 4600)
    assert face["box"] == pytest.approx([value * 4600 / 512 for value in small.box], abs=0.01 * 4600)
    assert face["emotion"] == small.emotion
    assert decode((tmp_path / "out" / entry["annotated"]).read_bytes()).shape == (1150, 1150, 3)
