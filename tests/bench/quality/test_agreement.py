"""The strongest plan that keeps the smallest face says what everything on every frame says."""

from __future__ import annotations

import json

import pytest

from bench.quality.agreement import DEMO_CLIP, Clip, Targets, Way, compare, main, match, read_clip, steady_faces
from mien.bus.plan import EVERYTHING, SavingsPlan
from mien.settings import Settings
from mien.types import Box, Face
from models.analyzer import PixelAnalyzer, open_analyzer
from models.pictures.picture import encode_jpeg
from tests.support.demo_media import clip
from tests.support.media import camera_clip, demo_media

STRONGEST = SavingsPlan(scan_ms=160, classify_ms=120)
PROBABILITIES = (0.0, 0.0, 0.0, 0.0, 0.9, 0.1, 0.0, 0.0)


def a_face(x: float, track: str, label: str = "happy") -> Face:
    return Face((x, 10, 50, 50), label, 0.9, PROBABILITIES, 0, 0, track=track, label=label)


@pytest.fixture(scope="module")
def analyzer() -> PixelAnalyzer:
    pytest.importorskip("openvino")
    return open_analyzer(Settings())


def some_frames(name: str, first: int, last: int, *, shared: bool) -> Clip:
    path = camera_clip(name) if shared else demo_media(name)
    pictures = [rgb for number, rgb in enumerate(clip(path)) if first <= number < last]
    return Clip(name, tuple(encode_jpeg(rgb) for rgb in pictures))


@pytest.mark.parametrize(
    ("name", "first", "last", "shared"),
    [(DEMO_CLIP, 0, 120, False), ("two_faces.gif", 0, 56, True), ("one_by_one.mp4", 330, 430, True)],
)
def test_the_strongest_plan_keeps_its_targets(
    analyzer: PixelAnalyzer, name: str, first: int, last: int, shared: bool
) -> None:
    frames = some_frames(name, first, last, shared=shared)
    everything, saving = read_clip(analyzer, frames, [Way("everything", EVERYTHING), Way("saving", STRONGEST)])
    agreement = compare(everything.faces, saving.faces, frames.least_px)
    assert agreement.keeps(Targets()), agreement
    assert agreement.faces > 30
    if name != "one_by_one.mp4":  # most of whose faces are none, and come and go
        assert agreement.all_found_share >= 0.98, agreement
        assert agreement.all_label_share >= 0.98, agreement
    assert saving.cpu_ms < everything.cpu_ms


def test_agreement_is_counted_by_faces() -> None:
    everything = [(a_face(10, "a"), a_face(200, "b"))] * 40
    other = [(a_face(12, "x"), a_face(200, "y", "sad" if number < 10 else "happy")) for number in range(40)]
    other[20] = (a_face(12, "x"), a_face(500, "z"))
    agreement = compare(everything, other)
    assert (agreement.faces, agreement.steady) == (80, 80)
    assert agreement.found_share == 79 / 80
    assert agreement.label_share == 69 / 79
    assert agreement.extra_share == 1 / 80
    assert agreement.new_face_ms == 0


def test_a_new_face_is_timed_until_it_is_boxed_or_gone() -> None:
    everything = [(a_face(10, "a"),) if number < 5 else (a_face(10, "a"), a_face(200, "b")) for number in range(40)]
    late = [faces[:1] if number < 8 else faces for number, faces in enumerate(everything)]
    assert compare(everything, late).new_face_ms == 120
    assert compare(everything, late).found_share == 1.0
    assert compare(everything, late).all_found_share < 1.0
    gone = [(a_face(10, "a"), a_face(200, "b")) if number == 5 else (a_face(10, "a"),) for number in range(40)]
    assert compare(gone, [(a_face(10, "a"),)] * 40).new_face_ms == 40


def test_a_face_that_blinks_is_not_steady() -> None:
    frames = [(a_face(10, "a"), *((a_face(200, "b"),) if number % 4 == 0 else ())) for number in range(60)]
    assert {track for _, track in steady_faces(frames)} == {"a"}


def test_a_face_that_is_smaller_than_promised_is_not_steady() -> None:
    assert steady_faces([(a_face(10, "a"),)] * 40, least_px=49)
    assert not steady_faces([(a_face(10, "a"),)] * 40, least_px=51)


def test_a_face_is_matched_once() -> None:
    boxes: list[Box] = [(0, 0, 50, 50), (10, 0, 50, 50)]
    faces = [Face(box, "happy", 0.9, PROBABILITIES, 0, 0) for box in boxes]
    assert match(faces, faces[:1]) == [(faces[0], faces[0])]


@pytest.mark.slow
def test_the_short_form_prints_one_json_document(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("openvino")
    demo_media(DEMO_CLIP)
    main(["--smoke", "--json"])
    document = json.loads(capsys.readouterr().out)
    rows = document["clips"][DEMO_CLIP]["ways"]
    assert [row["way"] for row in rows] == ["everything", "detect 160, classify 120", "everything", "identical frames"]
    assert document["kept"] is True
