from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from mien.pixels import Rgb
from mien.types import EMOTIONS, Detection
from models.align import Square
from models.classifier import Classifier
from models.evaluation.changes import CORRUPTIONS, MIRROR, SHIFTS, UNCHANGED
from models.evaluation.evaluate import logits_of
from models.evaluation.predictions import CropAnalyzer, FaceCutter, Predictor, in_channels, main_face, whole
from models.evaluation.score import softmax
from models.labelled.data import ArrayPictures, read_labelled
from models.labelled.ferplus import face_set, prepare, read_npz
from models.nets.weights import CropGeometry
from models.runtimes.choose import open_runtime
from tests.support.labelled_pictures import write_class_folders
from tests.support.tiny_faces import picture, write_npz
from tests.support.weights import random_weights


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    weights = random_weights()
    return Classifier(weights, open_runtime(weights, "onnxruntime"))


@pytest.fixture
def faces() -> ArrayPictures:
    rng = np.random.default_rng(0)
    return ArrayPictures(np.stack([picture(emotion, rng) for emotion in range(8)]), tuple(EMOTIONS))


class Finds:
    """A detector that finds what it is told to, whatever the picture."""

    name = "told"

    def __init__(self, *faces: Detection) -> None:
        self.faces = faces

    def detect(self, rgb: Rgb) -> Sequence[Detection]:
        assert rgb.shape[2] == 3
        return self.faces


def test_crops_are_read_as_training_reads_them(tmp_path: Path, classifier: Classifier) -> None:
    path = write_npz(tmp_path / "faces.npz", per_split=(16, 8, 16))
    expected = logits_of(classifier.runtime, face_set(read_npz(path), "test"), classifier.weights)
    data = read_labelled(path)
    rows = np.flatnonzero(data.split == 2)
    found = Predictor(classifier, None).predict(data.pictures.take(rows)).probabilities[0]
    assert found == pytest.approx(softmax(expected, classifier.weights.temperature), abs=1e-5)


def test_a_picture_does_not_depend_on_its_neighbours(classifier: Classifier, faces: ArrayPictures) -> None:
    predictor = Predictor(classifier, None)
    together = predictor.predict(faces, (UNCHANGED, *CORRUPTIONS)).probabilities
    alone = predictor.predict(faces.take(np.array([0])), (UNCHANGED, *CORRUPTIONS)).probabilities
    assert together[:, 0] == pytest.approx(alone[:, 0], abs=1e-5)


def test_two_runs_change_pictures_alike(classifier: Classifier, faces: ArrayPictures) -> None:
    predictor = Predictor(classifier, None)
    first, second = (predictor.predict(faces, CORRUPTIONS).probabilities for _ in range(2))
    assert (first == second).all()
    assert np.abs(first[4] - first[5]).max() > 1e-4


def test_views_of_a_face_are_averaged(classifier: Classifier, faces: ArrayPictures) -> None:
    predictor = Predictor(classifier, None)
    both = predictor.predict(faces, views=(UNCHANGED, MIRROR)).probabilities[0]
    mirrored = ArrayPictures(faces.array[:, :, ::-1].copy(), faces.names)
    apart = [predictor.predict(each).probabilities[0] for each in (faces, mirrored)]
    assert both == pytest.approx((apart[0] + apart[1]) / 2, abs=1e-5)


def test_progress_reaches_the_number_of_pictures(classifier: Classifier, faces: ArrayPictures) -> None:
    heard: list[int] = []
    Predictor(classifier, None).predict(faces.take(np.arange(70) % 8), listen=heard.append)
    assert heard == [32, 64, 70]


def test_the_label_is_about_the_largest_face(classifier: Classifier, faces: ArrayPictures) -> None:
    near, far = Detection((4, 4, 40, 40), 0.7), Detection((0, 0, 8, 8), 0.9)
    assert main_face([far.box, near.box]) == 1
    assert main_face([far.box, far.box]) == 0
    found = Predictor(classifier, Finds(far, near)).predict(faces)  # type: ignore[arg-type]
    assert found.boxes[0].tolist() == [4, 4, 40, 40]
    none = Predictor(classifier, Finds()).predict(faces)  # type: ignore[arg-type]
    assert np.isnan(none.probabilities).all()
    assert none.readable.all()


def test_pictures_that_cannot_be_read_are_listed(tmp_path: Path, classifier: Classifier) -> None:
    folder = write_class_folders(tmp_path, {"happy": 4, "sad": 6}, each=2)
    (folder / "happy" / "1.png").write_bytes(b"")
    found = Predictor(classifier, None).predict(read_labelled(folder).pictures)
    assert list(found.failures) == [1]
    assert "empty" in found.failures[1]
    assert found.readable.tolist() == [True, False, True, True]
    assert np.isnan(found.probabilities[0, :, 0]).tolist() == [False, True, False, False]


def test_a_job_reads_crops_as_an_evaluation_does(classifier: Classifier) -> None:
    rng = np.random.default_rng(1)
    rgbs = [rng.integers(0, 255, (60 + 20 * number, 80, 3), np.uint8).astype(np.uint8) for number in range(3)]
    faces, _ = CropAnalyzer(classifier).analyze_many(rgbs)
    for rgb, (face,) in zip(rgbs, faces, strict=True):
        pictures = ArrayPictures(rgb[np.newaxis], ("one",))
        assert face.probabilities == pytest.approx(Predictor(classifier, None).predict(pictures).probabilities[0, 0])
        assert face.box == (0, 0, rgb.shape[1], rgb.shape[0])


def test_crops_of_another_size_are_scaled_and_never_squeezed() -> None:
    wide = np.zeros((20, 40), np.uint8)
    wide[:, 20:] = 200
    crop = FaceCutter(CropGeometry(48), 1).crop(wide)
    assert crop is not None
    assert crop.shape == (48, 48, 1)
    # The border above and below is repeated: each row looks like the picture's.
    assert (crop[0] == crop[24]).all()
    same = np.random.default_rng(0).integers(0, 255, (48, 48)).astype(np.uint8)
    found = FaceCutter(CropGeometry(48), 1).crop(same)
    assert found is not None
    assert (found[..., 0] == prepare(same[np.newaxis], 48)[0, ..., 0]).all()


def test_a_margin_keeps_what_lies_around_the_face() -> None:
    around = np.zeros((100, 100, 3), np.uint8)
    around[30:70, 30:70] = 255
    face = Detection((30, 30, 40, 40), 1.0)
    tight = FaceCutter(CropGeometry(40), 1, Finds(face))  # type: ignore[arg-type]
    wide = FaceCutter(CropGeometry(40), 1, Finds(face), margin=0.25)  # type: ignore[arg-type]
    crops = [cutter.crop(around) for cutter in (tight, wide)]
    assert crops[0] is not None
    assert crops[1] is not None
    assert [cutter.side for cutter in (tight, wide)] == [40, 60]
    assert crops[0].min() == 255
    assert crops[1].mean() == pytest.approx(255 * (40 / 60) ** 2, rel=0.05)


def test_colours_become_grey_and_grey_three_colours() -> None:
    red = np.zeros((4, 4, 3), np.uint8)
    red[..., 0] = 100
    assert in_channels(red, 1)[0, 0].tolist() == [30]
    assert in_channels(red, 3) is red
    assert in_channels(red[..., 0], 3)[0, 0].tolist() == [100, 100, 100]
    assert whole(np.zeros((20, 40), np.uint8)) == (Square(20, 10, 40.0), (0, 0, 40, 20))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("change", [*CORRUPTIONS, MIRROR, *SHIFTS], ids=lambda change: change.name)
def test_each_change_keeps_the_shape_and_changes_something(change: object, channels: int) -> None:
    assert isinstance(change, type(MIRROR))
    grey = picture(3, np.random.default_rng(0))
    cutter = FaceCutter(CropGeometry(48), channels)
    square = change.move(whole(grey)[0], np.random.default_rng(1))
    changed = cutter.cut(grey, square, change.alter)
    assert changed.shape == (48, 48, channels)
    assert changed.dtype == np.uint8
    difference = np.abs(changed.astype(int) - cutter.cut(grey, whole(grey)[0])).mean()
    assert 0.2 < difference < 120


def test_changes_are_what_their_names_say() -> None:
    by_name = {change.name: change for change in CORRUPTIONS}
    flat = np.full((48, 48, 1), 100, np.uint8)
    assert (by_name["brightness +25 %"].alter(flat) == 125).all()
    assert (by_name["brightness -25 %"].alter(flat) == 75).all()
    point = np.zeros((49, 49, 1), np.uint8)
    point[24, 24] = 255
    # The middle of a Gaussian of sigma 1 is 1 / 2π.
    assert by_name["blur, sigma 1 px of 48"].alter(point)[24, 24, 0] == pytest.approx(255 / (2 * np.pi), rel=0.1)
    dots = np.zeros((48, 48, 1), np.uint8)
    dots[::2, ::2] = 200
    assert by_name["half resolution"].alter(dots).max() <= 51
    rng = np.random.default_rng(0)
    square = Square(24, 24, 48)
    moved = [by_name["box jitter 10 %"].move(square, rng) for _ in range(200)]
    assert 4.0 < max(abs(each.x - 24) for each in moved) <= 4.8
    assert 43.2 <= min(each.side for each in moved) < 44
    assert by_name["rotation -15°"].move(square, rng).angle == pytest.approx(-np.pi / 12)
